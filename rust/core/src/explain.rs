//! What the fields of one line mean.

use crate::batch::{ABSENT, Batch, Column};
use crate::ecs::{protocol_keyword, service_of_port};
use crate::field::{Field, Kind};
use crate::format::Name;
use crate::time::Clock;

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// AWS's name.
    pub name: String,
    /// The value as logged; `None` for `-`.
    pub value: Option<String>,
    /// The value in words, where it has any.
    pub words: Option<String>,
    /// What the field says.
    pub meaning: &'static str,
}

/// Explains a row of a batch, field by field.
pub fn explain(batch: &Batch, row: usize) -> Vec<Explained> {
    let columns = batch.format().names().iter().zip(&batch.columns);
    columns
        .map(|(name, column)| {
            let field = if let Name::Known(field) = name { Some(*field) } else { None };
            let (value, words) = match column {
                Column::Int(values) if values[row] == ABSENT => (None, None),
                Column::Int(values) => {
                    (Some(values[row].to_string()), field.and_then(|field| number(batch, row, field, values[row])))
                }
                Column::Addr { spans, .. } | Column::Text(spans) if spans[row].is_absent() => (None, None),
                Column::Addr { spans, .. } | Column::Text(spans) => {
                    let value = batch.str(spans[row]);
                    (Some(value.to_string()), field.and_then(|field| text(field, value)).map(str::to_string))
                }
            };
            let meaning = field.map_or("A field that this version of vpcflow doesn't know", Field::meaning);
            Explained { name: name.as_str().to_string(), value, words, meaning }
        })
        .collect()
}

fn number(batch: &Batch, row: usize, field: Field, value: i64) -> Option<String> {
    match field {
        Field::Protocol => protocol_keyword(value).map(str::to_string),
        Field::Srcport | Field::Dstport => match batch.column(Field::Protocol)? {
            Column::Int(protocols) => service_of_port(protocols[row], value).map(str::to_string),
            _ => None,
        },
        Field::TcpFlags => Some(flags(value)),
        Field::TrafficPath => path(value).map(str::to_string),
        Field::EncryptionStatus => {
            let words = ["not encrypted", "encrypted by Nitro", "encrypted by the application", "encrypted by both"];
            usize::try_from(value).ok().and_then(|at| words.get(at)).map(ToString::to_string)
        }
        _ if field.kind() == Kind::Time => Some(Clock::new().text(value * 1000)),
        _ => None,
    }
}

fn flags(value: i64) -> String {
    let names: Vec<_> = [(1, "FIN"), (2, "SYN"), (4, "RST"), (8, "PSH"), (16, "ACK"), (32, "URG")]
        .into_iter()
        .filter(|(bit, _)| value & bit != 0)
        .map(|(_, name)| name)
        .collect();
    let said = [
        (value & 0x12 == 0x02, "SYN: this side asked for the connection"),
        (value & 0x12 == 0x12, "SYN ACK: this side answered the SYN, so the connection was open"),
        (value & 1 != 0, "FIN: this side closed it in the interval"),
        (value & 4 != 0, "RST: this side refused or broke it off"),
    ];
    let said: Vec<_> = said.iter().filter(|(is_said, _)| *is_said).map(|(_, words)| *words).collect();
    match (names.is_empty(), said.is_empty()) {
        (true, _) => "no SYN, FIN or RST in the interval; ACK and PSH alone are not logged".to_string(),
        (_, true) => names.join(" "),
        _ => format!("{} ({})", names.join(" "), said.join("; ")),
    }
}

fn path(value: i64) -> Option<&'static str> {
    Some(match value {
        1 => "to another resource in the same VPC, or one that makes an interface in it (NAT gateway, endpoint)",
        2 => "through an internet gateway or a gateway VPC endpoint",
        3 => "through a virtual private gateway",
        4 => "through VPC peering within the region",
        5 => "through VPC peering with another region",
        6 => "through a local gateway",
        7 => "through a gateway VPC endpoint (Nitro instances)",
        8 => "through an internet gateway (Nitro instances)",
        _ => return None,
    })
}

fn text(field: Field, value: &str) -> Option<&'static str> {
    Some(match (field, value) {
        (Field::Action, "ACCEPT") => "allowed",
        (Field::Action, "REJECT") => "refused by a security group or network ACL, or after the connection was closed",
        (Field::LogStatus, "NODATA") => "no traffic in the interval",
        (Field::LogStatus, "SKIPDATA") => "records were skipped: the interval is incomplete",
        (Field::RejectReason, "BPA") => "VPC Block Public Access",
        (Field::RejectReason, "EC") => "VPC Encryption Controls",
        (Field::FlowDirection, "ingress") => "into the interface",
        (Field::FlowDirection, "egress") => "out of the interface",
        (Field::AccountId, "unknown") => "the interface was made by an AWS service",
        _ => return None,
    })
}
