//! What a list says of an indicator beside its address.

use crate::time::{self, Clock};

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

/// A moment as documents have it, from one as [`time::parse`] takes it.
pub(super) fn moment(text: &str) -> Result<Box<str>, String> {
    let millis = time::parse(text).ok_or_else(|| format!("{text:?} is no moment such as 2026-11-24T12:00:00Z"))?;
    Ok(Clock::new().text(millis).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidences() {
        for (text, word) in [("0", "None"), ("15", "Low"), ("50", "Medium"), ("85", "High"), ("high", "High")] {
            assert_eq!(confidence(text).as_deref(), Ok(word));
        }
        assert!(confidence("101").is_err());
        assert!(confidence("sure").is_err());
    }
}
