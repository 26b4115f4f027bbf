//! What a list says of an indicator beside its address.

/// Names and forms are ECS's, below `threat.indicator`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Details {
    pub(super) provider: Option<Box<str>>,
    pub(super) description: Option<Box<str>>,
    pub(super) confidence: Option<Box<str>>,
    pub(super) reference: Option<Box<str>>,
    pub(super) first_seen: Option<Box<str>>,
    pub(super) last_seen: Option<Box<str>>,
    pub(super) modified_at: Option<Box<str>>,
}

/// ECS's word for a confidence: one of its own, or a number from 0 to 100 by STIX 2.1's "None, Low, Medium, High" scale.
pub(super) fn confidence(text: &str) -> Result<Box<str>, String> {
    let words = ["Not Specified", "None", "Low", "Medium", "High"];
    if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
        return Ok((*word).into());
    }
    match text.parse::<u8>() {
        Ok(0) => Ok("None".into()),
        Ok(1..=29) => Ok("Low".into()),
        Ok(30..=69) => Ok("Medium".into()),
        Ok(70..=100) => Ok("High".into()),
        _ => Err(format!("the confidence {text:?} is no number from 0 to 100, nor one of {}", words.join(", "))),
    }
}

/// A moment as documents have it. Takes `2026-11-24`, with a time behind a blank or `T` and with `Z`, `UTC` or nothing.
pub(super) fn moment(text: &str) -> Result<Box<str>, String> {
    parse_moment(text.trim()).ok_or_else(|| format!("{text:?} is no moment such as 2026-11-24T12:00:00Z"))
}

fn parse_moment(text: &str) -> Option<Box<str>> {
    let number = |part: &str, digits: usize, largest: u32| {
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>().ok().filter(|&number| plain && number <= largest)
    };
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let [year, month, day] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
    let leap = number(year, 4, 9999).filter(|&year| year >= 1970)?;
    let leap = leap % 4 == 0 && (leap % 100 != 0 || leap % 400 == 0);
    let month = number(month, 2, 12).filter(|&month| month > 0)?;
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = number(day, 2, days).filter(|&day| day > 0)?;
    let time = time.trim_end_matches("+00:00").trim_end_matches("UTC").trim_end_matches('Z').trim_end();
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "000"));
    let mut parts = whole.split(':');
    let mut part = |largest| match parts.next() {
        None | Some("") => Some(0),
        Some(part) => number(part, 2, largest),
    };
    let (hour, minute, second) = (part(23)?, part(59)?, part(59)?);
    if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: String = fraction.chars().chain("00".chars()).take(3).collect();
    Some(format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis}Z").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_as_feeds_write_them() {
        for (text, same) in [
            ("2026-11-24", "2026-11-24T00:00:00.000Z"),
            ("2026-11-24 12:34:56", "2026-11-24T12:34:56.000Z"),
            ("2026-11-24 12:34:56 UTC", "2026-11-24T12:34:56.000Z"),
            ("2024-02-29T12:34:56.7Z", "2024-02-29T12:34:56.700Z"),
            ("2026-11-24T12:34:56.789012Z", "2026-11-24T12:34:56.789Z"),
            ("2026-11-24T12:34:56+00:00", "2026-11-24T12:34:56.000Z"),
        ] {
            assert_eq!(moment(text).as_deref(), Ok(same));
        }
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "24.11.2026",
            "2026-11-24T25:00:00Z",
            "2026-11-24T12:00:00+02:00",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn confidences() {
        for (text, word) in [("0", "None"), ("15", "Low"), ("50", "Medium"), ("85", "High"), ("high", "High")] {
            assert_eq!(confidence(text).as_deref(), Ok(word));
        }
        assert!(confidence("101").is_err());
        assert!(confidence("sure").is_err());
    }
}
