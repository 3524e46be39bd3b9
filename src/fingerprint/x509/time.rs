//! Times of certificates: UTCTime and GeneralizedTime (RFC 5280, section 4.1.2.5; X.680, clauses 46 and 47).

use crate::base::Reader;

/// Tag of UTCTime.
pub const UTC_TIME: u32 = 23;
/// Tag of GeneralizedTime.
pub const GENERALIZED_TIME: u32 = 24;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Seconds since 1970 of a time with this tag; `None` where it is none, or one of the year 0, which readers
/// of Parquet do not know. Offsets from UTC and missing seconds, which X.509 does not allow and old programs
/// wrote, are taken; a time without a zone is taken for UTC, and fractions are dropped.
pub fn seconds(tag: u32, text: &[u8]) -> Option<i64> {
    let mut r = Reader::new(text);
    let year = match tag {
        UTC_TIME => {
            let year = digits(&mut r, 2)?;
            // RFC 5280, section 4.1.2.5.1: the years 1950 to 2049.
            if year < 50 { 2000 + year } else { 1900 + year }
        }
        GENERALIZED_TIME => digits(&mut r, 4)?,
        _ => return None,
    };
    let (month, day) = (digits(&mut r, 2)?, digits(&mut r, 2)?);
    let (hour, minute) = (digits(&mut r, 2)?, digits(&mut r, 2)?);
    let second = if r.peek_rest().first().is_some_and(u8::is_ascii_digit) { digits(&mut r, 2)? } else { 0 };
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > month_days(year, month) {
        return None;
    }
    // 60: a leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if matches!(r.peek_rest().first(), Some(b'.' | b',')) {
        let fraction = r.peek_rest().iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
        r.skip("fraction", 1 + fraction).ok()?;
    }
    let offset = match r.u8("zone").ok() {
        None | Some(b'Z') => 0,
        Some(sign @ (b'+' | b'-')) => {
            let minutes = digits(&mut r, 2)? * 60 + digits(&mut r, 2)?;
            if sign == b'+' { minutes * 60 } else { -minutes * 60 }
        }
        Some(_) => return None,
    };
    if r.remaining() > 0 {
        return None;
    }
    Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset)
}

/// A number of so many decimal digits.
fn digits(r: &mut Reader<'_>, count: usize) -> Option<i64> {
    r.take("digits", count).ok()?.iter().try_fold(0, |n, b| Some(n * 10 + i64::from(char::from(*b).to_digit(10)?)))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, the year being 1 or later: whole years, and
/// whole months from March on, so that a leap day is the last of its year.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    // 306 days are left of a year behind February; 719,468 days lie between 0000-03-01 and 1970-01-01.
    y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<i64> {
        seconds(UTC_TIME, text.as_bytes())
    }

    fn general(text: &str) -> Option<i64> {
        seconds(GENERALIZED_TIME, text.as_bytes())
    }

    #[test]
    fn times_of_every_form() {
        // Seconds by `date -u -d`.
        assert_eq!(utc("700101000000Z"), Some(0));
        assert_eq!(utc("491231235959Z"), Some(2_524_607_999));
        assert_eq!(utc("500101000000Z"), Some(-631_152_000));
        assert_eq!(utc("2501150630Z"), Some(1_736_922_600), "without seconds");
        assert_eq!(utc("250115063000+0530"), Some(1_736_922_600 - 19_800));
        assert_eq!(utc("250115063000-0800"), Some(1_736_922_600 + 28_800));
        assert_eq!(general("20250115063000Z"), Some(1_736_922_600));
        assert_eq!(general("20250115063000.123Z"), Some(1_736_922_600));
        assert_eq!(general("20250115063000"), Some(1_736_922_600), "local time");
        assert_eq!(general("99991231235959Z"), Some(253_402_300_799));
        assert_eq!(general("00010101000000Z"), Some(-62_135_596_800));
        assert_eq!(general("20240229000000Z"), Some(1_709_164_800));
        assert_eq!(general("20000229120000Z"), Some(951_825_600));
        assert_eq!(general("19000301000000Z"), Some(-2_203_891_200));
    }

    #[test]
    fn what_is_no_time() {
        for text in ["", "Z", "700101", "701301000000Z", "700132000000Z", "700100000000Z", "230229000000Z"] {
            assert_eq!(utc(text), None, "{text}");
        }
        for text in ["701201250000Z", "701201006000Z", "701201000061Z", "7012010000 0Z", "701201000000Zx"] {
            assert_eq!(utc(text), None, "{text}");
        }
        for text in ["00000101000000Z", "19000229000000Z", "2025011506300", "20250115063000+01", "20250115063000X"] {
            assert_eq!(general(text), None, "{text}");
        }
        assert_eq!(seconds(12, b"700101000000Z"), None);
    }
}
