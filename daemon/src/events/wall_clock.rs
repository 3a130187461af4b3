//! Times of events as text, in the format of RFC 3339.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const MILLISECONDS_PER_DAY: u64 = 86_400_000;
/// The days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: u64 = 146_097;
/// The days from the 1st of March of the year 0 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;
/// 9999-12-31T23:59:59.999Z, the last time of the format, in milliseconds since 1970.
const LAST: u64 = 253_402_300_799_999;
const TEMPLATE: [u8; 24] = *b"0000-00-00T00:00:00.000Z";

/// A time in UTC with milliseconds, such as `2026-01-31T09:05:00.250Z`, without an allocation: the history writes many.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339([u8; TEMPLATE.len()]);

/// The time in the format of RFC 3339. A time before 1970 counts as 1970.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Rfc3339::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)).as_str().to_owned()
}

impl Rfc3339 {
    /// The time so many milliseconds after 1970 began.
    pub fn new(milliseconds: u64) -> Rfc3339 {
        let milliseconds = milliseconds.min(LAST);
        let (year, month, day) = date(milliseconds / MILLISECONDS_PER_DAY);
        let of_day = milliseconds % MILLISECONDS_PER_DAY;
        let (seconds, of_second) = (of_day / 1000, of_day % 1000);
        let mut text = TEMPLATE;
        let fields = [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, seconds / 3600),
            (14..16, seconds / 60 % 60),
            (17..19, seconds % 60),
            (20..23, of_second),
        ];
        for (range, mut value) in fields {
            for digit in text[range].iter_mut().rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        Rfc3339(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The year, month and day that begins this number of days after 1970-01-01, in the Gregorian calendar. Years begin
/// with March here, so that the leap day is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    // A year has 365 days, except for every fourth, but for every hundredth, but for the last of an era.
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March, five months have 153 days: 31, 30, 31, 30 and 31.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, year) = match month_from_march {
        0..10 => (month_from_march + 3, era * 400 + year_of_era),
        _ => (month_from_march - 9, era * 400 + year_of_era + 1),
    };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (12_622_780_800_000, "2370-01-01T00:00:00.000Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
            (LAST + 1, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn every_day_of_an_era_follows_the_one_before() {
        let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days_of = |year, month| match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = (1970, 1, 1);
        for day in 0..DAYS_PER_ERA {
            assert_eq!(date(day), expected);
            expected = match expected {
                (year, 12, 31) => (year + 1, 1, 1),
                (year, month, day) if day == days_of(year, month) => (year, month + 1, 1),
                (year, month, day) => (year, month, day + 1),
            };
        }
    }
}
