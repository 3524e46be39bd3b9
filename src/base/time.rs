//! Packet time. Nothing below `pipeline/` and `cli/` reads a clock: time is what the capture says.

use std::fmt;

/// Nanoseconds since 1970-01-01T00:00:00Z, as the capture states them.
///
/// The range (years 1678 to 2262) is that of a signed 64-bit count of nanoseconds; a capture that
/// says more is clamped where it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The earliest time that can be held.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest time that can be held.
    pub const MAX: Self = Self(i64::MAX);

    /// From whole seconds and nanoseconds, clamped to what can be held.
    pub const fn from_parts(seconds: i64, nanos: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Microseconds since the epoch, rounded down.
    pub const fn micros(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Nanoseconds since `earlier`; zero where time went backwards.
    pub const fn since(self, earlier: Self) -> i64 {
        let d = self.0.saturating_sub(earlier.0);
        if d < 0 { 0 } else { d }
    }

    /// This time moved by a number of nanoseconds.
    pub const fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.micros()) {
            Ok(t) => write!(f, "{t:.6}"),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_and_rounds_down_before_the_epoch() {
        assert_eq!(Timestamp::from_parts(1_700_000_000, 123_456_789).to_string(), "2023-11-14T22:13:20.123456Z");
        assert_eq!(Timestamp(-1).micros(), -1);
        assert_eq!(Timestamp(-1).seconds(), -1);
    }

    #[test]
    fn absurd_times_are_clamped_and_not_wrapped() {
        assert_eq!(Timestamp::from_parts(i64::MAX, 5), Timestamp::MAX);
        assert_eq!(Timestamp(5).since(Timestamp(9)), 0);
        assert_eq!(Timestamp::MAX.since(Timestamp::MIN), i64::MAX);
    }
}
