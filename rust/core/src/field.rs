//! Every field that AWS documents, once: name, version, type, what a value looks like, what it means.
//!
//! Facts from AWS's "Flow log record fields" (VPC and Transit Gateway user guides), record versions 2 to 11.

/// How a field's value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number from 0 to the given maximum.
    Int(i64),
    /// Unix seconds.
    Time,
    /// An IPv4 or IPv6 address.
    Addr,
    /// Text.
    Text,
}

/// What values of a text field look like. Only used to tell layouts apart, never to refuse a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing to go by.
    Any,
    /// Twelve digits, or `unknown`.
    Account,
    /// Starts like this.
    Prefix(&'static str),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// `eu-west-1`.
    Region,
    /// `euw1-az2`.
    Zone,
    /// Upper-case service code such as `S3`.
    Service,
}

/// 9999-12-31T23:59:59Z, the last second that a four-digit year can say.
pub(crate) const MAX_TIME: i64 = 253_402_300_799;

const INTERFACE_TYPES: &[&str] =
    &["nat_gateway", "network_load_balancer", "regional_nat_gateway", "transit_gateway", "vpc_endpoint"];

macro_rules! fields {
    ($($variant:ident, $version:literal, $name:literal, $kind:expr, $shape:expr, $meaning:literal;)*) => {
        /// A field of a flow log record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)] // `meaning` says it
        pub enum Field { $($variant),* }

        struct Row { version: u8, name: &'static str, kind: Kind, shape: Shape, meaning: &'static str }

        static ROWS: &[Row] = &[
            $(Row { version: $version, name: $name, kind: $kind, shape: $shape, meaning: $meaning }),*
        ];

        impl Field {
            /// Every field, in the order of AWS's table.
            pub const ALL: &'static [Field] = &[$(Field::$variant),*];
        }
    };
}

use Kind::{Addr, Int, Text, Time};
use Shape::{Account, Any, OneOf, Prefix, Region, Service, Zone};

const INT32: Kind = Int(i32::MAX as i64);
const INT64: Kind = Int(i64::MAX);
const PORT: Kind = Int(u16::MAX as i64);

fields! {
    Version, 2, "version", INT32, Any, "Record version: the highest version among the format's fields";
    AccountId, 2, "account-id", Text, Account, "AWS account that owns the interface, or unknown";
    InterfaceId, 2, "interface-id", Text, Prefix("eni-"), "Network interface that the record was taken at";
    Srcaddr, 2, "srcaddr", Addr, Any, "Source address, as the interface sees it";
    Dstaddr, 2, "dstaddr", Addr, Any, "Destination address, as the interface sees it";
    Srcport, 2, "srcport", PORT, Any, "Source port; 0 for ICMP";
    Dstport, 2, "dstport", PORT, Any, "Destination port; 0 for ICMP";
    Protocol, 2, "protocol", Int(255), Any, "IANA protocol number";
    Packets, 2, "packets", INT64, Any, "Packets in the interval";
    Bytes, 2, "bytes", INT64, Any, "Bytes in the interval";
    Start, 2, "start", Time, Any, "First packet in the interval, Unix seconds";
    End, 2, "end", Time, Any, "Last packet in the interval, Unix seconds";
    Action, 2, "action", Text, OneOf(&["ACCEPT", "REJECT"]), "Whether security groups and network ACLs let it through";
    LogStatus, 2, "log-status", Text, OneOf(&["OK", "NODATA", "SKIPDATA"]), "OK, NODATA (no traffic) or SKIPDATA (records were skipped)";
    VpcId, 3, "vpc-id", Text, Prefix("vpc-"), "VPC of the interface";
    SubnetId, 3, "subnet-id", Text, Prefix("subnet-"), "Subnet of the interface";
    InstanceId, 3, "instance-id", Text, Prefix("i-"), "Instance that the interface is attached to";
    TcpFlags, 3, "tcp-flags", INT32, Any, "TCP flags seen in the interval, OR-ed: FIN 1, SYN 2, RST 4, SYN-ACK 18";
    Type, 3, "type", Text, OneOf(&["IPv4", "IPv6", "EFA"]), "IPv4, IPv6 or EFA";
    PktSrcaddr, 3, "pkt-srcaddr", Addr, Any, "Source address in the packet itself";
    PktDstaddr, 3, "pkt-dstaddr", Addr, Any, "Destination address in the packet itself";
    Region, 4, "region", Text, Region, "Region of the interface";
    AzId, 4, "az-id", Text, Zone, "Availability zone id of the interface";
    SublocationType, 4, "sublocation-type", Text, OneOf(&["wavelength", "outpost", "localzone"]), "Kind of sublocation";
    SublocationId, 4, "sublocation-id", Text, Any, "Id of the sublocation";
    PktSrcAwsService, 5, "pkt-src-aws-service", Text, Service, "AWS service that the packet's source address belongs to";
    PktDstAwsService, 5, "pkt-dst-aws-service", Text, Service, "AWS service that the packet's destination address belongs to";
    FlowDirection, 5, "flow-direction", Text, OneOf(&["ingress", "egress"]), "Direction, as the interface sees it";
    TrafficPath, 5, "traffic-path", INT32, Any, "The way that egress traffic took, 1 to 8";
    ResourceType, 6, "resource-type", Text, OneOf(&["TransitGateway", "TransitGatewayAttachment"]), "What the record was taken at";
    TgwId, 6, "tgw-id", Text, Prefix("tgw-"), "Transit gateway";
    TgwAttachmentId, 6, "tgw-attachment-id", Text, Prefix("tgw-attach-"), "Transit gateway attachment";
    TgwSrcVpcAccountId, 6, "tgw-src-vpc-account-id", Text, Account, "Account of the source VPC";
    TgwDstVpcAccountId, 6, "tgw-dst-vpc-account-id", Text, Account, "Account of the destination VPC";
    TgwSrcVpcId, 6, "tgw-src-vpc-id", Text, Prefix("vpc-"), "Source VPC";
    TgwDstVpcId, 6, "tgw-dst-vpc-id", Text, Prefix("vpc-"), "Destination VPC";
    TgwSrcSubnetId, 6, "tgw-src-subnet-id", Text, Prefix("subnet-"), "Source subnet";
    TgwDstSubnetId, 6, "tgw-dst-subnet-id", Text, Prefix("subnet-"), "Destination subnet";
    TgwSrcEni, 6, "tgw-src-eni", Text, Prefix("eni-"), "Interface of the source attachment";
    TgwDstEni, 6, "tgw-dst-eni", Text, Prefix("eni-"), "Interface of the destination attachment";
    TgwSrcAzId, 6, "tgw-src-az-id", Text, Zone, "Availability zone id of the source";
    TgwDstAzId, 6, "tgw-dst-az-id", Text, Zone, "Availability zone id of the destination";
    TgwPairAttachmentId, 6, "tgw-pair-attachment-id", Text, Prefix("tgw-attach-"), "The attachment on the other side";
    PacketsLostNoRoute, 6, "packets-lost-no-route", INT64, Any, "Packets lost because no route was there";
    PacketsLostBlackhole, 6, "packets-lost-blackhole", INT64, Any, "Packets lost to a black hole";
    PacketsLostMtuExceeded, 6, "packets-lost-mtu-exceeded", INT64, Any, "Packets lost because they were larger than the MTU";
    PacketsLostTtlExpired, 6, "packets-lost-ttl-expired", INT64, Any, "Packets lost because their time to live ran out";
    EcsClusterArn, 7, "ecs-cluster-arn", Text, Prefix("arn:"), "ECS cluster, ARN";
    EcsClusterName, 7, "ecs-cluster-name", Text, Any, "ECS cluster, name";
    EcsContainerInstanceArn, 7, "ecs-container-instance-arn", Text, Prefix("arn:"), "ECS container instance, ARN";
    EcsContainerInstanceId, 7, "ecs-container-instance-id", Text, Any, "ECS container instance, id";
    EcsContainerId, 7, "ecs-container-id", Text, Any, "First container's runtime id";
    EcsSecondContainerId, 7, "ecs-second-container-id", Text, Any, "Second container's runtime id";
    EcsServiceName, 7, "ecs-service-name", Text, Any, "ECS service";
    EcsTaskDefinitionArn, 7, "ecs-task-definition-arn", Text, Prefix("arn:"), "ECS task definition, ARN";
    EcsTaskArn, 7, "ecs-task-arn", Text, Prefix("arn:"), "ECS task, ARN";
    EcsTaskId, 7, "ecs-task-id", Text, Any, "ECS task, id";
    RejectReason, 8, "reject-reason", Text, OneOf(&["BPA", "EC"]), "Why it was rejected: BPA (VPC Block Public Access), EC (VPC Encryption Controls)";
    ResourceId, 9, "resource-id", Text, Any, "Resource that the record was taken at, such as a regional NAT gateway";
    EncryptionStatus, 10, "encryption-status", INT32, Any, "Encrypted by: 0 nothing, 1 Nitro, 2 the application, 3 both";
    InstanceTag, 11, "instance-tag", Text, Any, "Value of the first instance tag chosen in the flow log";
    InstanceTag2, 11, "instance-tag-2", Text, Any, "Value of the second instance tag";
    InterfaceTag, 11, "interface-tag", Text, Any, "Value of the first interface tag";
    InterfaceTag2, 11, "interface-tag-2", Text, Any, "Value of the second interface tag";
    AsgTag, 11, "asg-tag", Text, Any, "Value of the first Auto Scaling group tag";
    AsgTag2, 11, "asg-tag-2", Text, Any, "Value of the second Auto Scaling group tag";
    InterfaceType, 11, "interface-type", Text, OneOf(INTERFACE_TYPES), "Kind of a requester-managed interface";
    NextHopInterfaceId, 11, "next-hop-interface-id", Text, Prefix("eni-"), "Interface of the next hop (egress) or the one before (ingress)";
    NextHopSubnetId, 11, "next-hop-subnet-id", Text, Prefix("subnet-"), "Subnet of the next hop";
    NextHopAzId, 11, "next-hop-az-id", Text, Zone, "Availability zone id of the next hop";
    NextHopVpcId, 11, "next-hop-vpc-id", Text, Prefix("vpc-"), "VPC of the next hop";
    NextHopInterfaceType, 11, "next-hop-interface-type", Text, OneOf(INTERFACE_TYPES), "Kind of the next hop's interface";
}

impl Field {
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// AWS's name, with hyphens.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// First record version that has it.
    pub fn version(self) -> u8 {
        self.row().version
    }

    /// How its values are stored.
    pub fn kind(self) -> Kind {
        self.row().kind
    }

    /// What it says.
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// Its type in AWS's Parquet files (`protocol` is `INT_64` in those of transit gateways).
    pub fn parquet_type(self) -> &'static str {
        match self.kind() {
            Kind::Int(i64::MAX) | Kind::Time => "INT_64",
            Kind::Int(_) => "INT_32",
            Kind::Addr | Kind::Text => "STRING",
        }
    }

    /// Finds a field by its name, with hyphens or underscores.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|field| same_name(field.name(), name))
    }

    /// Whether a token could be this field's value. Strict: only for telling layouts apart.
    pub(crate) fn fits(self, token: &str) -> bool {
        if token == "-" {
            // These two stand in every record of a format that has them.
            return !matches!(self, Field::Version | Field::LogStatus);
        }
        match self.kind() {
            Kind::Time => token.parse().is_ok_and(|seconds: i64| (1_000_000_000..=MAX_TIME).contains(&seconds)),
            Kind::Int(max) => {
                let range = match self {
                    Field::Version => 2..=99,
                    Field::TcpFlags => 0..=255,
                    Field::TrafficPath => 1..=8,
                    Field::EncryptionStatus => 0..=3,
                    _ => 0..=max,
                };
                token.parse().is_ok_and(|value: i64| range.contains(&value))
            }
            Kind::Addr => token.parse::<std::net::IpAddr>().is_ok(),
            Kind::Text => self.row().shape.fits(token),
        }
    }
}

impl Shape {
    fn fits(self, token: &str) -> bool {
        let bytes = token.as_bytes();
        match self {
            Shape::Any => true,
            Shape::Account => token == "unknown" || (bytes.len() == 12 && bytes.iter().all(u8::is_ascii_digit)),
            Shape::Prefix(prefix) => token.starts_with(prefix),
            Shape::OneOf(values) => values.contains(&token),
            // Two hyphens at least and a digit at the end: us-gov-west-1, ap-southeast-2.
            Shape::Region => {
                token.split('-').count() >= 3
                    && bytes.last().is_some_and(u8::is_ascii_digit)
                    && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            }
            Shape::Zone => token.contains("-az"),
            Shape::Service => {
                bytes[0].is_ascii_uppercase()
                    && bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
            }
        }
    }
}

fn same_name(name: &str, other: &str) -> bool {
    name.len() == other.len() && name.bytes().zip(other.bytes()).all(|(a, b)| a == b || (a == b'-' && b == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_72_fields_found_by_both_spellings() {
        assert_eq!(Field::ALL.len(), 72);
        for &field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(field));
            assert_eq!(Field::from_name(&field.name().replace('-', "_")), Some(field));
        }
        assert_eq!(Field::from_name("srcadd"), None);
    }

    #[test]
    fn values_are_told_apart() {
        assert!(Field::Region.fits("us-gov-west-1"));
        assert!(!Field::Region.fits("use1-az3"));
        assert!(Field::AzId.fits("use1-az3"));
        assert!(!Field::VpcId.fits("subnet-1"));
        assert!(!Field::Version.fits("-"));
        assert!(!Field::Dstport.fits("70000"));
        assert!(!Field::Start.fits("443"));
    }
}
