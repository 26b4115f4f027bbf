//! Tells the layout of lines that come without a header, from the layouts that AWS documents.

use crate::error::{Error, Result};
use crate::format::{Format, Name};

/// The layouts of the worked examples in AWS's guide that are in no table order.
const EXAMPLES: &[&str] = &[
    // TCP flag sequence (version 3)
    "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr \
     pkt-dstaddr protocol bytes packets start end action tcp-flags log-status",
    // Traffic through a NAT gateway
    "instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr",
    // Traffic through a transit gateway
    "version interface-id account-id vpc-id subnet-id instance-id srcaddr dstaddr srcport dstport protocol tcp-flags \
     type pkt-srcaddr pkt-dstaddr action log-status",
    // Service name, traffic path and flow direction (version 5)
    "version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id vpc-id subnet-id \
     instance-id interface-id region az-id sublocation-type sublocation-id action tcp-flags pkt-srcaddr pkt-dstaddr \
     pkt-src-aws-service pkt-dst-aws-service traffic-path flow-direction log-status",
    // Encryption status (version 10)
    "flow-direction traffic-path srcaddr dstaddr srcport dstport encryption-status",
];

fn known() -> Vec<Format> {
    let full = [2, 3, 4, 5, 7, 8, 9, 10, 11].into_iter().filter_map(Format::full);
    let examples = EXAMPLES.iter().filter_map(|names| names.parse().ok());
    full.chain([Format::transit_gateway()]).chain(examples).collect()
}

/// Finds the one documented layout that every field of every line given fits.
///
/// A few broken lines must not hide the layout of the rest: lines of an unusual length are left out, and where no layout
/// fits every line, one that fits nine tenths of them will do.
pub(crate) fn detect(lines: &[&str]) -> Result<Format> {
    let Some(first) = lines.first() else {
        return Err(Error::Format("there is no line to tell a layout by".into()));
    };
    let tokens: Vec<Vec<&str>> = lines.iter().map(|line| line.split_ascii_whitespace().collect()).collect();
    let usual = most_common_length(&tokens);
    let usual_lines: Vec<_> = tokens.iter().filter(|line| line.len() == usual).collect();
    let candidates: Vec<_> = known()
        .into_iter()
        .filter(|format| format.names().len() == usual)
        .map(|format| (usual_lines.iter().filter(|line| fits(&format, line)).count(), format))
        .collect();
    let enough = |least: usize| {
        candidates.iter().filter(|(lines, _)| *lines >= least).map(|(_, format)| format.clone()).collect::<Vec<_>>()
    };
    let fitting = Some(enough(usual_lines.len())).filter(|all| !all.is_empty());
    let fitting = fitting.unwrap_or_else(|| enough((usual_lines.len() * 9).div_ceil(10)));
    match <[Format; 1]>::try_from(fitting) {
        Ok([format]) => Ok(format),
        Err(several) => {
            let why = if several.is_empty() {
                "they fit none of the layouts that AWS documents".to_string()
            } else {
                format!("they fit {} of the layouts that AWS documents", several.len())
            };
            let start: String = first.chars().take(80).collect();
            Err(Error::Format(format!(
                "the lines have no header, and {why} (they have {usual} fields; the first starts {start:?}); \
                 pass the flow log's format, the LogFormat that `aws ec2 describe-flow-logs` prints"
            )))
        }
    }
}

fn fits(format: &Format, tokens: &[&str]) -> bool {
    format.names().iter().zip(tokens).all(|(name, token)| match name {
        Name::Known(field) => field.fits(token),
        Name::Unknown(_) => true,
    })
}

fn most_common_length(lines: &[Vec<&str>]) -> usize {
    let count = |length: usize| lines.iter().filter(|line| line.len() == length).count();
    lines.iter().map(Vec::len).max_by_key(|&length| count(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_length_layouts_are_told_apart_by_their_values() {
        let table = "5 123456789012 eni-1235b8ca123456789 10.0.0.71 52.95.128.179 34210 80 6 7 471 1616729292 \
                     1616729349 ACCEPT OK vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-0c50d5961bcb2d47b 3 IPv4 \
                     10.0.0.71 52.95.128.179 ap-southeast-2 apse2-az3 - - - S3 egress 8";
        assert_eq!(detect(&[table]).unwrap(), Format::full(5).unwrap());
        let guide = "5 10.0.0.71 52.95.128.179 34210 80 6 1616729292 1616729349 IPv4 7 471 123456789012 \
                     vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-0c50d5961bcb2d47b eni-1235b8ca123456789 \
                     ap-southeast-2 apse2-az3 - - ACCEPT 3 10.0.0.71 52.95.128.179 - S3 8 egress OK";
        assert_eq!(detect(&[guide]).unwrap(), EXAMPLES[3].parse().unwrap());
    }

    #[test]
    fn a_token_count_alone_settles_nothing() {
        let shuffled = "eni-1235b8ca123456789 2 123456789010 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 \
                        1418530070 ACCEPT OK";
        let error = detect(&[shuffled]).unwrap_err().to_string();
        assert!(error.contains("fit none") && error.contains("describe-flow-logs"), "{error}");
    }

    #[test]
    fn one_broken_line_does_not_hide_the_layout() {
        let good = "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA";
        assert_eq!(detect(&["2 1234567", good, good]).unwrap(), Format::default());
        let broken = good.replace("1431280876", "ssh");
        let lines: Vec<&str> = std::iter::once(broken.as_str()).chain([good; 9]).collect();
        assert_eq!(detect(&lines).unwrap(), Format::default());
        assert!(detect(&lines[..9]).is_err());
    }
}
