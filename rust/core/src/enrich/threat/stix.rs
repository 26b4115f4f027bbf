//! STIX 2.1 bundles: <https://docs.oasis-open.org/cti/stix/v2.1/stix-v2.1.html>.
//!
//! Of patterns those are used that are one comparison of an address, or several with OR: `[ipv4-addr:value = '…']`,
//! `[ipv6-addr:value ISSUBSET '…']`. All others can't be told from a flow's addresses alone.

use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::details::{Details, confidence, moment};
use super::lists::Collector;
use crate::batch::now;
use crate::time::Clock;

/// Reads the indicators. Gives what was not used of them.
pub(super) fn read(text: &str, collector: &mut Collector) -> Result<Vec<String>, String> {
    let bundle: Json = serde_json::from_str(text).map_err(|error| format!("is no STIX bundle: {error}"))?;
    let objects = bundle.get("objects").and_then(Json::as_array);
    let objects = objects.ok_or("is no STIX bundle: there are no objects in it")?;
    let of_type =
        |kind: &'static str| objects.iter().enumerate().filter(move |(_, it)| string(it, "type") == Some(kind));
    let identities: FxHashMap<&str, &str> =
        of_type("identity").filter_map(|(_, it)| string(it, "id").zip(string(it, "name"))).collect();
    let today = Clock::new().text(now());
    let (mut others, mut over) = (0_usize, 0_usize);
    for (at, indicator) in of_type("indicator") {
        let place = || format!("objects[{at}] ({})", string(indicator, "id").unwrap_or("no id"));
        let until = match string(indicator, "valid_until").map(moment).transpose() {
            Ok(until) => until,
            Err(reason) => {
                collector.refuse(place, &reason);
                continue;
            }
        };
        let revoked = indicator.get("revoked").and_then(Json::as_bool).unwrap_or(false);
        if revoked || until.is_some_and(|until| *until <= *today) {
            over += 1;
            continue;
        }
        let is_stix = string(indicator, "pattern_type").is_none_or(|kind| kind == "stix");
        let pattern = string(indicator, "pattern").filter(|_| is_stix);
        let Some(addresses) = pattern.and_then(addresses) else {
            others += 1;
            continue;
        };
        match details(indicator, &identities) {
            Ok(details) => addresses.iter().for_each(|address| collector.add(place, address, details.clone())),
            Err(reason) => collector.refuse(place, &reason),
        }
    }
    let count = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let unused = [
        count(others, "indicators are not used: their patterns are not of addresses alone"),
        count(over, "indicators are not used: they are revoked or no longer valid"),
    ];
    Ok(unused.into_iter().flatten().collect())
}

fn string<'a>(object: &'a Json, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Json::as_str)
}

fn details(indicator: &Json, identities: &FxHashMap<&str, &str>) -> Result<Details, String> {
    let provider = string(indicator, "created_by_ref").and_then(|id| identities.get(id).copied());
    let description = string(indicator, "description").or_else(|| string(indicator, "name"));
    let reference = indicator.pointer("/external_references/0/url").and_then(Json::as_str);
    let level = indicator.get("confidence").map(|level| confidence(&level.to_string())).transpose()?;
    Ok(Details {
        provider: provider.map(Into::into),
        description: description.map(Into::into),
        confidence: level,
        reference: reference.map(Into::into),
        first_seen: string(indicator, "valid_from").map(moment).transpose()?,
        last_seen: None,
        modified_at: string(indicator, "modified").map(moment).transpose()?,
    })
}

/// The addresses and networks that a pattern compares with, if it does nothing else.
fn addresses(pattern: &str) -> Option<Vec<String>> {
    let mut tokens = tokens(pattern)?.into_iter();
    let mut found = Vec::new();
    loop {
        let path = tokens.next()?;
        if path != "ipv4-addr:value" && path != "ipv6-addr:value" {
            return None;
        }
        if !matches!(tokens.next()?.as_str(), "=" | "ISSUBSET") {
            return None;
        }
        found.push(tokens.next()?.strip_prefix('\'')?.to_string());
        match tokens.next().as_deref() {
            None => return Some(found),
            Some("OR") => {}
            Some(_) => return None,
        }
    }
}

/// Words, `=`, and texts with their opening quote. Brackets don't matter where all is joined by OR.
fn tokens(pattern: &str) -> Option<Vec<String>> {
    let mut tokens: Vec<String> = Vec::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '[' | ']' | '(' | ')' => {}
            '=' => tokens.push("=".into()),
            '\'' => {
                let mut text = String::from('\'');
                loop {
                    match letters.next()? {
                        '\'' => break,
                        '\\' => text.push(letters.next()?),
                        letter => text.push(letter),
                    }
                }
                tokens.push(text);
            }
            letter if letter.is_whitespace() => {}
            letter => {
                let mut word = String::from(letter);
                while let Some(letter) =
                    letters.next_if(|letter| !letter.is_whitespace() && !"[]()='".contains(*letter))
                {
                    word.push(letter);
                }
                tokens.push(word);
            }
        }
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn patterns_of_addresses() {
        for (pattern, found) in [
            ("[ipv4-addr:value = '192.0.2.1']", vec!["192.0.2.1"]),
            ("[ ipv4-addr:value ISSUBSET '192.0.2.0/24' ]", vec!["192.0.2.0/24"]),
            ("[ipv4-addr:value='192.0.2.1' OR ipv6-addr:value='2001:db8::1']", vec!["192.0.2.1", "2001:db8::1"]),
            ("[ipv4-addr:value = '192.0.2.1'] OR ([ipv4-addr:value = '192.0.2.2'])", vec!["192.0.2.1", "192.0.2.2"]),
        ] {
            let found: Vec<String> = found.into_iter().map(Into::into).collect();
            assert_eq!(addresses(pattern), Some(found), "{pattern}");
        }
        for pattern in [
            "[domain-name:value = 'example.com']",
            "[ipv4-addr:value = '192.0.2.1' AND network-traffic:dst_port = 443]",
            "[ipv4-addr:value != '192.0.2.1']",
            "[ipv4-addr:value LIKE '192.0.2.%']",
            "[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [ipv4-addr:value = '192.0.2.2']",
            "[ipv4-addr:value = '192.0.2.1",
            "",
        ] {
            assert_eq!(addresses(pattern), None, "{pattern}");
        }
    }
}
