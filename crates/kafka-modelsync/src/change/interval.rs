//! Intervals as Debezium sends them: ISO 8601 text, or microseconds.

use crate::value::Interval;

/// From `P1Y2M-3DT4H5M6.789S`.
pub(super) fn parse(text: &str) -> Option<Interval> {
    let (date, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((date, time)) => (date, time),
        None => (text.strip_prefix('P')?, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut interval = Interval::default();
    for (number, unit) in parts(date)? {
        let number: i32 = number.parse().ok()?;
        match unit {
            'Y' => interval.months = interval.months.checked_add(number.checked_mul(12)?)?,
            'M' => interval.months = interval.months.checked_add(number)?,
            'W' => interval.days = interval.days.checked_add(number.checked_mul(7)?)?,
            'D' => interval.days = interval.days.checked_add(number)?,
            _ => return None,
        }
    }
    for (number, unit) in parts(time)? {
        let micros = match unit {
            'H' => number.parse::<i64>().ok()?.checked_mul(3_600_000_000)?,
            'M' => number.parse::<i64>().ok()?.checked_mul(60_000_000)?,
            'S' => seconds(number)?,
            _ => return None,
        };
        interval.micros = interval.micros.checked_add(micros)?;
    }
    Some(interval)
}

/// Numbers with the letters behind them.
fn parts(text: &str) -> Option<Vec<(&str, char)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(|letter: char| letter.is_ascii_uppercase() && letter != 'E')?;
        parts.push((&rest[..at], char::from(rest.as_bytes()[at])));
        rest = &rest[at + 1..];
    }
    Some(parts)
}

fn seconds(text: &str) -> Option<i64> {
    // Small fractions come with an exponent.
    if text.contains('E') {
        let plain = text.parse::<crate::value::Decimal>().ok()?.to_string();
        return seconds(&plain);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let whole: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{:0<6}", &fraction[..fraction.len().min(6)]).parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(if negative { -micros } else { micros })
}

/// Microseconds that Debezium made of months of 30.4375 days. What they were made of cannot be told any more.
pub(super) fn of_micros(micros: i64) -> Interval {
    Interval { months: 0, days: 0, micros }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_debezium_writes_them() {
        let of = |months, days, micros| Some(Interval { months, days, micros });
        for (text, interval) in [
            ("P1Y2M-3DT4H5M6.789S", of(14, -3, 14_706_789_000)),
            ("P0Y-1M0DT0H0M0S", of(-1, 0, 0)),
            ("P0Y0M0DT0H0M-1.5S", of(0, 0, -1_500_000)),
            ("P0Y0M0DT0H0M-0.5S", of(0, 0, -500_000)),
            ("PT1E-6S", of(0, 0, 1)),
            ("P2W", of(0, 14, 0)),
            ("P", None),
            ("1 day", None),
            ("P1X", None),
            ("P1", None),
            ("P99999999999Y", None),
        ] {
            assert_eq!(parse(text), interval, "{text}");
        }
    }
}
