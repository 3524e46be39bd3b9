//! The time that an entry holds for.

use crate::base::Timestamp;

/// From a time on, until before another (STIX 2.1, section 4.7: `valid_from`, `valid_until`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Span {
    from: Timestamp,
    until: Timestamp,
}

impl Span {
    /// For ever.
    pub(super) const ALWAYS: Self = Self { from: Timestamp::MIN, until: Timestamp::MAX };

    /// Of the times that a list states, each of which may be missing.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn parse(from: Option<&str>, until: Option<&str>) -> Result<Self, &'static str> {
        let from = from.map(time).transpose().map_err(|()| "valid_from is no time")?;
        let until = until.map(time).transpose().map_err(|()| "valid_until is no time")?;
        let span = Self { from: from.unwrap_or(Timestamp::MIN), until: until.unwrap_or(Timestamp::MAX) };
        if span.from < span.until { Ok(span) } else { Err("valid_until is not later than valid_from") }
    }

    /// Whether it has a time in common with that between two packets.
    pub(super) fn meets(&self, first: Timestamp, last: Timestamp) -> bool {
        self.from <= last && (first < self.until || self.until == Timestamp::MAX)
    }
}

/// A year beyond what can be held, and a leap year: any date is one of it.
const YEAR_BEYOND: u16 = 2400;

/// A time of RFC 3339; what cannot be held is clamped.
fn time(text: &str) -> Result<Timestamp, ()> {
    let text = text.trim();
    // The last day of the year 9999 is written for no end, and beyond what is read as a time.
    let beyond = text.split_at_checked(4).filter(|(year, _)| year.parse::<u16>().is_ok_and(|y| y > YEAR_BEYOND));
    let text = beyond.map_or(text.into(), |(_, rest)| std::borrow::Cow::from(format!("{YEAR_BEYOND}{rest}")));
    let nanos = text.parse::<jiff::Timestamp>().map_err(|_| ())?.as_nanosecond();
    Ok(Timestamp(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_holds_from_its_first_instant_until_before_its_last() {
        let span = Span::parse(Some("2010-01-01T00:00:00Z"), Some("2010-01-02T01:00:00.5+01:00")).unwrap();
        let at = |seconds, nanos| Timestamp::from_parts(seconds, nanos);
        let (from, until) = (1_262_304_000, 1_262_390_400);
        for (first, last, meets) in [
            (at(from, 0), at(from, 0), true),
            (at(from, -1), at(from, -1), false),
            (at(until, 499_999_999), at(until, 499_999_999), true),
            (at(until, 500_000_000), at(until, 500_000_000), false),
            (at(from - 9, 0), at(until + 9, 0), true),
            (at(from - 9, 0), at(from, 0), true),
            (at(until, 0), at(until + 9, 0), true),
            (at(until + 1, 0), at(until + 9, 0), false),
        ] {
            assert_eq!(span.meets(first, last), meets, "{first} {last}");
        }
        let open = Span::parse(None, Some("9999-12-31T23:59:59Z")).unwrap();
        assert_eq!((open, Span::parse(None, None).unwrap()), (Span::ALWAYS, Span::ALWAYS));
        assert!(
            Span::ALWAYS.meets(Timestamp::MIN, Timestamp::MIN) && Span::ALWAYS.meets(Timestamp::MAX, Timestamp::MAX)
        );
    }

    #[test]
    fn what_is_no_time_is_refused_and_not_taken_for_always() {
        for (from, until, says) in [
            (None, Some("soon"), "valid_until is no time"),
            (None, Some(""), "valid_until is no time"),
            (Some("9999-13-31T23:59:59Z"), None, "valid_from is no time"),
            (Some("2010"), None, "valid_from is no time"),
            (Some("2010-01-01T00:00:00Z"), Some("2010-01-01T00:00:00Z"), "not later"),
            (Some("2010-01-02T00:00:00Z"), Some("2010-01-01T00:00:00Z"), "not later"),
        ] {
            assert!(Span::parse(from, until).unwrap_err().contains(says), "{from:?} {until:?}");
        }
    }
}
