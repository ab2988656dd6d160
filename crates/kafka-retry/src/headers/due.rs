//! When a retry is due, and the two forms in which headers say it.

use std::fmt;
use std::time::Duration;

/// When a retry is due: microseconds since the epoch, which is what `RETRY_TIMESTAMP` can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueTime(i64);

impl DueTime {
    /// A time in milliseconds since the epoch.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// A time in microseconds since the epoch.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded up: a retry is never early.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000) + i64::from(self.0.rem_euclid(1_000) > 0)
    }

    /// How long it is until then, seen from this wall-clock time; zero once it is due.
    #[must_use]
    pub fn from_now(self, wall_ms: i64) -> Duration {
        let micros = self.0.saturating_sub(wall_ms.saturating_mul(1_000));
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// Reads what django-kafka writes: `str()` of a Python float. `None` for anything that is not a number of seconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let seconds: f64 = text.parse().ok()?;
        // As Python's float has it, 2^53 microseconds are exact until the year 2255.
        let micros = (seconds * 1e6).round();
        #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
        (micros.abs() < 9.0e18).then_some(Self(micros as i64))
    }
}

/// As `str()` of a Python float: `1795412432.304118`, `1795412432.0`.
impl fmt::Display for DueTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, micros) = if self.0 < 0 { ("-", self.0.unsigned_abs()) } else { ("", self.0.unsigned_abs()) };
        let fraction = format!("{:06}", micros % 1_000_000);
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{sign}{}.{}", micros / 1_000_000, if fraction.is_empty() { "0" } else { fraction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_python_writes_and_reads() {
        for (micros, text) in [
            (1_795_412_432_304_118, "1795412432.304118"),
            (1_795_412_432_000_000, "1795412432.0"),
            (1_795_412_432_500_000, "1795412432.5"),
            (1_795_412_432_000_001, "1795412432.000001"),
            (0, "0.0"),
            (-1_500_000, "-1.5"),
        ] {
            assert_eq!(DueTime::from_micros(micros).to_string(), text);
            assert_eq!(DueTime::parse(text), Some(DueTime::from_micros(micros)), "{text}");
        }
        assert_eq!(DueTime::parse(" 12 "), Some(DueTime::from_millis(12_000)));
        assert_eq!(DueTime::parse("1.7954124e9"), Some(DueTime::from_millis(1_795_412_400_000)));
        for bad in ["", "soon", "nan", "inf", "-inf", "1e300", "12s"] {
            assert_eq!(DueTime::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_retry_is_never_early() {
        assert_eq!(DueTime::from_micros(1_001).as_millis(), 2);
        assert_eq!(DueTime::from_micros(1_000).as_millis(), 1);
        assert_eq!(DueTime::from_micros(2_500).from_now(1), Duration::from_micros(1_500));
        assert_eq!(DueTime::from_micros(2_500).from_now(9), Duration::ZERO);
    }
}
