//! From a flow record to an ECS document, field by field: the one table that every encoder goes by.

use std::borrow::Cow;

use crate::batch::Batch;
use crate::enrich::{AWS_FIELDS, GEO_FIELDS, Side, THREAT_FIELDS};
use crate::field::Field;
use crate::format::{Format, Name};

/// A field's type in Elasticsearch. The Arrow type follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Exact text.
    Keyword,
    /// Exact text, the same in every document of a data stream.
    ConstantKeyword,
    /// Words.
    MatchOnlyText,
    /// An address.
    Ip,
    /// A whole number that needs 64 bits.
    Long,
    /// A port: an ECS `long` whose values fit 16 bits.
    Port,
    /// A number with a fraction.
    Double,
    /// Yes or no.
    Boolean,
    /// A moment.
    Date,
}

impl Type {
    /// Elasticsearch's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Type::Keyword => "keyword",
            Type::ConstantKeyword => "constant_keyword",
            Type::MatchOnlyText => "match_only_text",
            Type::Ip => "ip",
            Type::Long | Type::Port => "long",
            Type::Double => "double",
            Type::Boolean => "boolean",
            Type::Date => "date",
        }
    }
}

/// Where a field's value comes from. `C` says which column: a [`Field`] in the table, a position in a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source<C> {
    /// End, else start, else the carrier's time.
    Timestamp,
    /// Unix seconds.
    Time(C),
    /// Text or address as logged.
    Text(C),
    /// Percent-encoded text.
    Percent(C),
    /// A number.
    Number(C),
    /// A number that ECS has as a keyword.
    NumberAsText(C),
    /// `connection`, and `allowed` or `denied`, by action.
    EventType(Option<C>),
    /// `success` or `failure`, by action.
    Outcome(C),
    /// Keyword of the protocol number.
    Transport(C),
    /// Name of the service, by protocol and both ports.
    Service { protocol: C, ports: (C, C) },
    /// `ipv4` or `ipv6`, by address.
    NetworkType(C),
    /// From source and destination address, protocol, and both ports where the format has them.
    CommunityId { source: C, destination: C, protocol: C, ports: Option<(C, C)> },
    /// All addresses of the record, each once.
    RelatedIp([Option<C>; 4]),
    /// Names of the bits.
    TcpFlags(C),
    /// Text, else the carrier's region.
    Region(Option<C>),
    /// `event`, or `pipeline_error` for an unreadable line.
    EventKind,
    /// The line: when asked for, and for an unreadable line.
    Original,
    /// What is wrong with an unreadable line.
    ErrorMessage,
    /// As found from the addresses, else as logged.
    Direction(Option<C>),
    /// Byte offset of the line.
    Offset,
    /// The same in every document of a batch.
    Constant(Constant),
    /// What enrichers say of an address, by number. All of a side are one piece of JSON.
    Side(Side, usize),
    /// What enrichers say of a record, by number.
    Top(usize),
    /// The tags, with those of enrichers.
    Tags,
    /// `ecs` when any of these is present.
    Orchestrator([Option<C>; 4]),
}

impl<C> Source<C> {
    /// Whether its value is always a text.
    pub(crate) fn is_text(&self) -> bool {
        match self {
            Source::Timestamp
            | Source::Time(_)
            | Source::Text(_)
            | Source::Percent(_)
            | Source::NumberAsText(_)
            | Source::Outcome(_)
            | Source::Transport(_)
            | Source::Service { .. }
            | Source::NetworkType(_)
            | Source::CommunityId { .. }
            | Source::Region(_)
            | Source::Direction(_)
            | Source::EventKind
            | Source::Original
            | Source::ErrorMessage
            | Source::Orchestrator(_) => true,
            Source::Number(_)
            | Source::EventType(_)
            | Source::RelatedIp(_)
            | Source::TcpFlags(_)
            | Source::Offset
            | Source::Side(..)
            | Source::Top(_)
            | Source::Tags
            | Source::Constant(_) => false,
        }
    }
}

/// What is the same in every document of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constant {
    /// This text in every document there is.
    Fixed(&'static str),
    /// This text, in an array.
    FixedArray(&'static str),
    /// The moment that the batch was read.
    Ingested,
    /// Host name.
    AgentName,
    Namespace,
    Tags,
    InputType,
    Path,
    BucketArn,
    Bucket,
    LogGroup,
    LogStream,
    IngestionTime,
    Key,
}

/// How the Parquet store gets a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    /// It is stored.
    Kept,
    /// It is not offered there: it belongs to the data stream, not to the flow.
    Left,
    /// This SQL makes it from the others.
    Sql(&'static str),
}

struct Rule {
    path: &'static str,
    es: Type,
    source: Source<Field>,
    store: Store,
}

const fn rule(path: &'static str, es: Type, source: Source<Field>) -> Rule {
    Rule { path, es, source, store: Store::Kept }
}

const fn keyword(path: &'static str, field: Field) -> Rule {
    rule(path, Type::Keyword, Source::Text(field))
}

/// A column that the store need not hold, since the others say it.
const fn derived(path: &'static str, es: Type, source: Source<Field>, sql: &'static str) -> Rule {
    Rule { path, es, source, store: Store::Sql(sql) }
}

const fn fixed(path: &'static str, es: Type, text: &'static str, sql: &'static str) -> Rule {
    Rule { path, es, source: Source::Constant(Constant::Fixed(text)), store: Store::Sql(sql) }
}

const fn carried(path: &'static str, es: Type, constant: Constant) -> Rule {
    Rule { path, es, source: Source::Constant(constant), store: Store::Left }
}

use Field as F;
use Source as S;
use Type::{ConstantKeyword, Date, Ip, Keyword, Long, MatchOnlyText, Port};

const ADDRESSES: [Option<F>; 4] = [Some(F::Srcaddr), Some(F::Dstaddr), Some(F::PktSrcaddr), Some(F::PktDstaddr)];
const ORCHESTRATOR: [Option<F>; 4] = [
    Some(F::EcsClusterArn),
    Some(F::EcsClusterName),
    Some(F::EcsContainerInstanceArn),
    Some(F::EcsContainerInstanceId),
];

/// In document order. Fields of one object stand together; within an object constants come last, so that the object's
/// end is part of them.
#[rustfmt::skip]
static RULES: &[Rule] = &[
    rule("@timestamp", Date, S::Timestamp),
    rule("event.start", Date, S::Time(F::Start)),
    rule("event.end", Date, S::Time(F::End)),
    keyword("event.action", F::Action),
    derived("event.outcome", Keyword, S::Outcome(F::Action),
        r#"CASE "event.action" WHEN 'ACCEPT' THEN 'success' WHEN 'REJECT' THEN 'failure' END"#),
    derived("event.type", Keyword, S::EventType(Some(F::Action)),
        r#"CASE WHEN "event.kind" <> 'event' THEN NULL WHEN "event.action" = 'ACCEPT' THEN ['connection', 'allowed'] WHEN "event.action" = 'REJECT' THEN ['connection', 'denied'] ELSE ['connection'] END"#),
    keyword("event.reason", F::RejectReason),
    rule("event.original", Keyword, S::Original),
    rule("event.kind", Keyword, S::EventKind),
    Rule { path: "event.category", es: Keyword, source: S::Constant(Constant::FixedArray("network")), store: Store::Sql("['network']") },
    fixed("event.dataset", Keyword, "aws.vpcflow", "'aws.vpcflow'"),
    fixed("event.module", ConstantKeyword, "aws", "'aws'"),
    Rule { path: "event.ingested", es: Date, source: S::Constant(Constant::Ingested), store: Store::Kept },
    derived("source.address", Keyword, S::Text(F::Srcaddr), r#""source.ip""#),
    rule("source.ip", Ip, S::Text(F::Srcaddr)),
    rule("source.port", Port, S::Number(F::Srcport)),
    rule("source.bytes", Long, S::Number(F::Bytes)),
    rule("source.packets", Long, S::Number(F::Packets)),
    derived("destination.address", Keyword, S::Text(F::Dstaddr), r#""destination.ip""#),
    rule("destination.ip", Ip, S::Text(F::Dstaddr)),
    rule("destination.port", Port, S::Number(F::Dstport)),
    derived("network.type", Keyword, S::NetworkType(F::Srcaddr),
        r#"CASE WHEN contains("source.ip", ':') THEN 'ipv6' WHEN "source.ip" IS NOT NULL THEN 'ipv4' END"#),
    rule("network.iana_number", Keyword, S::NumberAsText(F::Protocol)),
    rule("network.transport", Keyword, S::Transport(F::Protocol)),
    rule("network.protocol", Keyword, S::Service { protocol: F::Protocol, ports: (F::Srcport, F::Dstport) }),
    rule("network.direction", Keyword, S::Direction(Some(F::FlowDirection))),
    derived("network.bytes", Long, S::Number(F::Bytes), r#""source.bytes""#),
    derived("network.packets", Long, S::Number(F::Packets), r#""source.packets""#),
    rule("network.community_id", Keyword, S::CommunityId { source: F::Srcaddr, destination: F::Dstaddr, protocol: F::Protocol, ports: Some((F::Srcport, F::Dstport)) }),
    derived("related.ip", Ip, S::RelatedIp(ADDRESSES),
        r#"nullif(list_filter(["source.ip", "destination.ip", "aws.vpcflow.pkt_srcaddr", "aws.vpcflow.pkt_dstaddr"], lambda x, i: x IS NOT NULL AND list_position(["source.ip", "destination.ip", "aws.vpcflow.pkt_srcaddr", "aws.vpcflow.pkt_dstaddr"], x) = i), [])"#),
    keyword("cloud.account.id", F::AccountId),
    rule("cloud.region", Keyword, S::Region(Some(F::Region))),
    keyword("cloud.availability_zone", F::AzId),
    keyword("cloud.instance.id", F::InstanceId),
    fixed("cloud.provider", Keyword, "aws", "'aws'"),
    rule("aws.vpcflow.version", Keyword, S::NumberAsText(F::Version)),
    derived("aws.vpcflow.account_id", Keyword, S::Text(F::AccountId), r#""cloud.account.id""#),
    keyword("aws.vpcflow.interface_id", F::InterfaceId),
    derived("aws.vpcflow.action", Keyword, S::Text(F::Action), r#""event.action""#),
    keyword("aws.vpcflow.log_status", F::LogStatus),
    keyword("aws.vpcflow.vpc_id", F::VpcId),
    keyword("aws.vpcflow.subnet_id", F::SubnetId),
    derived("aws.vpcflow.instance_id", Keyword, S::Text(F::InstanceId), r#""cloud.instance.id""#),
    rule("aws.vpcflow.tcp_flags", Keyword, S::NumberAsText(F::TcpFlags)),
    derived("aws.vpcflow.tcp_flags_array", Keyword, S::TcpFlags(F::TcpFlags),
        r#"nullif(list_filter(['fin', 'syn', 'rst', 'psh', 'ack', 'urg'], lambda x, i: (CAST("aws.vpcflow.tcp_flags" AS INTEGER) >> CAST(i - 1 AS INTEGER)) & 1 = 1), [])"#),
    keyword("aws.vpcflow.type", F::Type),
    rule("aws.vpcflow.pkt_srcaddr", Ip, S::Text(F::PktSrcaddr)),
    rule("aws.vpcflow.pkt_dstaddr", Ip, S::Text(F::PktDstaddr)),
    keyword("aws.vpcflow.sublocation.type", F::SublocationType),
    keyword("aws.vpcflow.sublocation.id", F::SublocationId),
    keyword("aws.vpcflow.pkt_src_service", F::PktSrcAwsService),
    keyword("aws.vpcflow.pkt_dst_service", F::PktDstAwsService),
    rule("aws.vpcflow.traffic_path", Keyword, S::NumberAsText(F::TrafficPath)),
    keyword("aws.vpcflow.resource_type", F::ResourceType),
    keyword("aws.vpcflow.tgw_id", F::TgwId),
    keyword("aws.vpcflow.tgw_attachment_id", F::TgwAttachmentId),
    keyword("aws.vpcflow.tgw_src_vpc_account_id", F::TgwSrcVpcAccountId),
    keyword("aws.vpcflow.tgw_dst_vpc_account_id", F::TgwDstVpcAccountId),
    keyword("aws.vpcflow.tgw_src_vpc_id", F::TgwSrcVpcId),
    keyword("aws.vpcflow.tgw_dst_vpc_id", F::TgwDstVpcId),
    keyword("aws.vpcflow.tgw_src_subnet_id", F::TgwSrcSubnetId),
    keyword("aws.vpcflow.tgw_dst_subnet_id", F::TgwDstSubnetId),
    keyword("aws.vpcflow.tgw_src_eni", F::TgwSrcEni),
    keyword("aws.vpcflow.tgw_dst_eni", F::TgwDstEni),
    keyword("aws.vpcflow.tgw_src_az_id", F::TgwSrcAzId),
    keyword("aws.vpcflow.tgw_dst_az_id", F::TgwDstAzId),
    keyword("aws.vpcflow.tgw_pair_attachment_id", F::TgwPairAttachmentId),
    rule("aws.vpcflow.packets_lost_no_route", Long, S::Number(F::PacketsLostNoRoute)),
    rule("aws.vpcflow.packets_lost_blackhole", Long, S::Number(F::PacketsLostBlackhole)),
    rule("aws.vpcflow.packets_lost_mtu_exceeded", Long, S::Number(F::PacketsLostMtuExceeded)),
    rule("aws.vpcflow.packets_lost_ttl_expired", Long, S::Number(F::PacketsLostTtlExpired)),
    keyword("aws.vpcflow.ecs_container_id", F::EcsContainerId),
    keyword("aws.vpcflow.ecs_second_container_id", F::EcsSecondContainerId),
    keyword("aws.vpcflow.ecs_task_definition_arn", F::EcsTaskDefinitionArn),
    keyword("aws.vpcflow.ecs_task_arn", F::EcsTaskArn),
    keyword("aws.vpcflow.ecs_task_id", F::EcsTaskId),
    keyword("aws.vpcflow.resource_id", F::ResourceId),
    rule("aws.vpcflow.encryption_status", Keyword, S::NumberAsText(F::EncryptionStatus)),
    rule("aws.vpcflow.instance_tag", Keyword, S::Percent(F::InstanceTag)),
    rule("aws.vpcflow.instance_tag_2", Keyword, S::Percent(F::InstanceTag2)),
    rule("aws.vpcflow.interface_tag", Keyword, S::Percent(F::InterfaceTag)),
    rule("aws.vpcflow.interface_tag_2", Keyword, S::Percent(F::InterfaceTag2)),
    rule("aws.vpcflow.asg_tag", Keyword, S::Percent(F::AsgTag)),
    rule("aws.vpcflow.asg_tag_2", Keyword, S::Percent(F::AsgTag2)),
    keyword("aws.vpcflow.interface_type", F::InterfaceType),
    keyword("aws.vpcflow.next_hop_interface_id", F::NextHopInterfaceId),
    keyword("aws.vpcflow.next_hop_subnet_id", F::NextHopSubnetId),
    keyword("aws.vpcflow.next_hop_az_id", F::NextHopAzId),
    keyword("aws.vpcflow.next_hop_vpc_id", F::NextHopVpcId),
    keyword("aws.vpcflow.next_hop_interface_type", F::NextHopInterfaceType),
    // Fields that nobody knows yet are put here.
    carried("aws.s3.bucket.arn", Keyword, Constant::BucketArn),
    carried("aws.s3.bucket.name", Keyword, Constant::Bucket),
    carried("aws.s3.object.key", Keyword, Constant::Key),
    carried("awscloudwatch.ingestion_time", Date, Constant::IngestionTime),
    carried("awscloudwatch.log_group", Keyword, Constant::LogGroup),
    carried("awscloudwatch.log_stream", Keyword, Constant::LogStream),
    keyword("orchestrator.cluster.id", F::EcsClusterArn),
    keyword("orchestrator.cluster.name", F::EcsClusterName),
    keyword("orchestrator.resource.name", F::EcsContainerInstanceArn),
    keyword("orchestrator.resource.id", F::EcsContainerInstanceId),
    derived("orchestrator.type", Keyword, S::Orchestrator(ORCHESTRATOR),
        r#"CASE WHEN coalesce("orchestrator.cluster.id", "orchestrator.cluster.name", "orchestrator.resource.name", "orchestrator.resource.id") IS NOT NULL THEN 'ecs' END"#),
    keyword("service.name", F::EcsServiceName),
    keyword("container.id", F::EcsContainerId),
    rule("error.message", MatchOnlyText, S::ErrorMessage),
    rule("log.offset", Long, S::Offset),
    Rule { path: "log.file.path", es: Keyword, source: S::Constant(Constant::Path), store: Store::Kept },
    carried("agent.type", Keyword, Constant::Fixed("vpcflow")),
    carried("agent.version", Keyword, Constant::Fixed(env!("CARGO_PKG_VERSION"))),
    carried("agent.name", Keyword, Constant::AgentName),
    fixed("data_stream.type", ConstantKeyword, "logs", "'logs'"),
    fixed("data_stream.dataset", ConstantKeyword, "aws.vpcflow", "'aws.vpcflow'"),
    carried("data_stream.namespace", ConstantKeyword, Constant::Namespace),
    fixed("ecs.version", Keyword, "8.11.0", "'8.11.0'"),
    carried("input.type", Keyword, Constant::InputType),
    carried("tags", Keyword, Constant::Tags),
];

/// After this one come the fields that nobody knows yet.
const LAST_KNOWN: &str = "aws.vpcflow.next_hop_interface_type";

/// One field of the documents of a format.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "parquet"), allow(dead_code))] // Arrow's part
pub(crate) struct Mapped {
    pub(crate) path: Cow<'static, str>,
    pub(crate) es: Type,
    /// Whether enrichers say lists of it.
    pub(crate) list: bool,
    pub(crate) source: Source<usize>,
    /// Whether the Arrow form has it.
    pub(crate) in_arrow: bool,
    /// Whether the Parquet store has it.
    pub(crate) in_store: bool,
}

/// The fields of a batch's documents, in document order.
pub(crate) fn mapping(batch: &Batch) -> Cow<'_, [Mapped]> {
    match &batch.added {
        Some(added) => Cow::Borrowed(&added.mapping),
        None => Cow::Owned(of_log(batch)),
    }
}

/// What the log itself says.
pub(super) fn of_log(batch: &Batch) -> Vec<Mapped> {
    let format: &Format = &batch.format;
    let mut mapped = Vec::new();
    for rule in RULES {
        if let Some(source) = resolve(&rule.source, batch) {
            let constant = matches!(source, Source::Constant(_));
            let in_store = rule.store == Store::Kept;
            mapped.push(Mapped {
                path: rule.path.into(),
                es: rule.es,
                list: false,
                source,
                in_arrow: !constant || in_store,
                in_store,
            });
        }
        if rule.path == LAST_KNOWN {
            for (at, name) in format.names().iter().enumerate() {
                if let Name::Unknown(name) = name {
                    let path = format!("aws.vpcflow.{}", name.replace('-', "_")).into();
                    let source = Source::Text(at);
                    mapped.push(Mapped { path, es: Keyword, list: false, source, in_arrow: true, in_store: true });
                }
            }
        }
    }
    mapped
}

/// Every field that a document can have without enrichers of the user's: path, type in Elasticsearch, and the SQL
/// (`DuckDB`'s) that makes it where the Parquet store does not hold it. Without SQL the store holds it, or, for what
/// belongs to the data stream alone, has no such column.
pub fn columns() -> impl Iterator<Item = (Cow<'static, str>, Type, Option<&'static str>)> {
    let rules = RULES.iter().map(|rule| {
        let sql = match rule.store {
            Store::Sql(sql) => Some(sql),
            Store::Kept | Store::Left => None,
        };
        (Cow::Borrowed(rule.path), rule.es, sql)
    });
    let sides = ["source", "destination"].into_iter().flat_map(|side| {
        let fields = GEO_FIELDS.iter().chain(&AWS_FIELDS);
        fields.map(move |(name, es)| (Cow::Owned(format!("{side}.{name}")), *es, None))
    });
    // Tags have their rule.
    let threats = THREAT_FIELDS.iter().filter(|(name, _)| *name != "tags");
    let threats = threats.map(|(name, es)| (Cow::Borrowed(*name), *es, None));
    rules.chain(sides).chain(threats)
}

/// The rule with its columns in a batch; `None` when the batch lacks what it needs.
fn resolve(source: &Source<Field>, batch: &Batch) -> Option<Source<usize>> {
    let at = |field: Field| batch.format.position(field);
    let each = |fields: [Option<Field>; 4]| {
        let found = fields.map(|field| field.and_then(at));
        found.iter().any(Option::is_some).then_some(found)
    };
    Some(match *source {
        S::Time(field) => S::Time(at(field)?),
        S::Text(field) => S::Text(at(field)?),
        S::Percent(field) => S::Percent(at(field)?),
        S::Number(field) => S::Number(at(field)?),
        S::NumberAsText(field) => S::NumberAsText(at(field)?),
        // Without an action in the format it still is a connection.
        S::EventType(field) => S::EventType(field.and_then(at)),
        S::Outcome(field) => S::Outcome(at(field)?),
        S::Transport(field) => S::Transport(at(field)?),
        S::Service { protocol, ports: (from, to) } => {
            S::Service { protocol: at(protocol)?, ports: (at(from)?, at(to)?) }
        }
        S::NetworkType(field) => S::NetworkType(at(field)?),
        S::CommunityId { source, destination, protocol, ports } => S::CommunityId {
            source: at(source)?,
            destination: at(destination)?,
            protocol: at(protocol)?,
            ports: ports.and_then(|(from, to)| Some((at(from)?, at(to)?))),
        },
        S::RelatedIp(fields) => S::RelatedIp(each(fields)?),
        S::TcpFlags(field) => S::TcpFlags(at(field)?),
        S::Region(field) => S::Region(field.and_then(at)),
        S::Direction(field) => {
            let logged = field.and_then(at);
            if logged.is_none() && batch.directions.is_none() {
                return None;
            }
            S::Direction(logged)
        }
        S::Orchestrator(fields) => S::Orchestrator(each(fields)?),
        S::Side(side, number) => S::Side(side, number),
        S::Top(number) => S::Top(number),
        S::Tags => S::Tags,
        S::Timestamp => S::Timestamp,
        S::EventKind => S::EventKind,
        S::Original => S::Original,
        S::ErrorMessage => S::ErrorMessage,
        S::Offset => S::Offset,
        S::Constant(constant) => S::Constant(constant),
    })
}
