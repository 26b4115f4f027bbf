//! ISO 8601 in UTC with milliseconds, `2014-12-14T04:07:50.000Z`, written without a calendar library.

use crate::field::MAX_TIME;

/// Last millisecond of the year 9999.
pub(crate) const MAX_MILLIS: i64 = MAX_TIME * 1000 + 999;

/// Characters of a timestamp.
pub(crate) const LEN: usize = 24;

/// Writes timestamps; remembers the day, since neighbours in a log mostly share it.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    day: i64,
    text: [u8; LEN],
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { day: i64::MIN, text: *b"0000-00-00T00:00:00.000Z" }
    }

    /// The text of Unix milliseconds between 1970 and 9999.
    pub(crate) fn format(&mut self, millis: i64) -> &[u8; LEN] {
        let day = millis.div_euclid(86_400_000);
        if day != self.day {
            let (year, month, date) = civil(day);
            put2(&mut self.text, 0, year / 100);
            put2(&mut self.text, 2, year % 100);
            put2(&mut self.text, 5, month);
            put2(&mut self.text, 8, date);
            self.day = day;
        }
        let of_day = millis.rem_euclid(86_400_000);
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        put2(&mut self.text, 11, seconds / 3600);
        put2(&mut self.text, 14, seconds / 60 % 60);
        put2(&mut self.text, 17, seconds % 60);
        self.text[20] = digit(millis / 100);
        put2(&mut self.text, 21, millis % 100);
        &self.text
    }

    pub(crate) fn text(&mut self, millis: i64) -> String {
        self.format(millis).iter().map(|&b| char::from(b)).collect()
    }
}

/// The day of Unix milliseconds as `YYYY-MM-DD`.
#[cfg(feature = "parquet")]
pub(crate) fn date(day: i64) -> String {
    let (year, month, date) = civil(day);
    format!("{year:04}-{month:02}-{date:02}")
}

/// Of 0 to 9.
fn digit(value: i64) -> u8 {
    b'0' + (value & 15) as u8
}

fn put2(text: &mut [u8; LEN], at: usize, value: i64) {
    text[at] = digit(value / 10);
    text[at + 1] = digit(value % 10);
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts eras of 400 years from 1 March of year 0, so that the leap day comes last.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, date)
}

/// The day of a year, month and day: what [`civil`] turns back.
fn days(year: i64, month: i64, date: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// Unix milliseconds of a moment from 1970 to 9999 in UTC: `2026-11-24`, and a time with or without seconds behind a blank
/// or `T`, and behind that `Z`, `UTC`, `+00:00` or nothing.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let number = |part: &str, digits: usize, largest: i64| {
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|&number| plain && number <= largest)
    };
    let (date, time) = text.trim().split_once(['T', ' ']).unwrap_or((text.trim(), ""));
    let mut parts = date.split('-');
    let (year, month, day) =
        (number(parts.next()?, 4, 9999)?, number(parts.next()?, 2, 12)?, number(parts.next()?, 2, 31)?);
    let days = days(year, month, day);
    if parts.next().is_some() || year < 1970 || civil(days) != (year, month, day) {
        return None;
    }
    let endings = ["+00:00", "UTC", "Z"];
    let time = endings.iter().find_map(|ending| time.strip_suffix(ending)).unwrap_or(time).trim_end();
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = whole.split(':');
    let mut part = |largest| match parts.next() {
        None | Some("") => Some(0),
        Some(part) => number(part, 2, largest),
    };
    let (hour, minute, second) = (part(23)?, part(59)?, part(59)?);
    if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = fraction.bytes().chain(*b"00").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        let mut clock = Clock::new();
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_418_530_070_000, "2014-12-14T04:07:50.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (MAX_MILLIS, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(clock.text(millis), text);
            assert_eq!(parse(text), Some(millis));
        }
    }

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
            assert_eq!(parse(text).map(|millis| Clock::new().text(millis)).as_deref(), Some(same));
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
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
