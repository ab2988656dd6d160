//! Dates, times and decimals as text, and back. The text is what chrono and rust_decimal write and read.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::plan::{Meaning, Unit};

/// Whether a point in time says that it is in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    Said,
    Left,
}

/// The text of a date or time; none for one that no calendar of ours has.
pub(crate) fn moment(meaning: Meaning, number: i64, zone: Zone) -> Option<String> {
    match meaning {
        Meaning::Date => date(number).map(|date| date.to_string()),
        Meaning::Time(unit) => time(number, unit).map(|time| time.format("%H:%M:%S%.f").to_string()),
        Meaning::Timestamp(unit) | Meaning::LocalTimestamp(unit) => {
            let at = timestamp(number, unit)?;
            let text = at.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
            Some(if zone == Zone::Said { text + "Z" } else { text })
        }
        _ => None,
    }
}

/// The number of a date or time; none for a text that is none.
pub(crate) fn parse_moment(meaning: Meaning, text: &str) -> Option<i64> {
    match meaning {
        Meaning::Date => {
            let date: NaiveDate = text.parse().ok()?;
            Some(date.signed_duration_since(NaiveDate::default()).num_days())
        }
        Meaning::Time(unit) => {
            let time: NaiveTime = text.parse().ok()?;
            let since = time.signed_duration_since(NaiveTime::MIN);
            in_unit(since.num_seconds(), since.subsec_nanos(), unit)
        }
        Meaning::Timestamp(unit) | Meaning::LocalTimestamp(unit) => {
            let zoned = text.parse::<DateTime<Utc>>().map(|at| at.naive_utc());
            let at = zoned.or_else(|_| text.parse::<NaiveDateTime>()).ok()?.and_utc();
            in_unit(at.timestamp(), i32::try_from(at.timestamp_subsec_nanos()).ok()?, unit)
        }
        _ => None,
    }
}

/// The text of a date or time that says its zone, for a type of chrono that has none: at UTC, and without saying so.
/// None for what needs no change.
pub(crate) fn without_zone(text: &str, type_name: &str) -> Option<String> {
    if type_name.contains("NaiveDateTime") {
        return text.parse::<DateTime<Utc>>().ok().map(|at| at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string());
    }
    if type_name.contains("NaiveTime") {
        // chrono has no time of day with a zone: one on the first day, which is cut off again.
        let at = format!("1970-01-01T{text}").parse::<DateTime<Utc>>().ok()?;
        return Some(at.format("%H:%M:%S%.f").to_string());
    }
    let date = text.get(..10).filter(|_| type_name.contains("NaiveDate"))?;
    date.parse::<NaiveDate>().ok().map(|date| date.to_string())
}

fn in_unit(seconds: i64, nanos: i32, unit: Unit) -> Option<i64> {
    let per_second = unit.per_second();
    // The earliest nanoseconds fit as a whole only.
    let whole = i128::from(seconds) * i128::from(per_second);
    i64::try_from(whole + i128::from(nanos) / i128::from(1_000_000_000 / per_second)).ok()
}

fn date(days: i64) -> Option<NaiveDate> {
    let epoch = NaiveDate::default();
    match u64::try_from(days) {
        Ok(days) => epoch.checked_add_days(Days::new(days)),
        Err(_) => epoch.checked_sub_days(Days::new(days.unsigned_abs())),
    }
}

fn time(number: i64, unit: Unit) -> Option<NaiveTime> {
    let per_second = unit.per_second();
    let seconds = u32::try_from(number.div_euclid(per_second)).ok()?;
    let nanos = u32::try_from(number.rem_euclid(per_second) * (1_000_000_000 / per_second)).ok()?;
    // PostgreSQL has a time of 24:00:00, which no clock shows.
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
}

fn timestamp(number: i64, unit: Unit) -> Option<NaiveDateTime> {
    let per_second = unit.per_second();
    let nanos = u32::try_from(number.rem_euclid(per_second) * (1_000_000_000 / per_second)).ok()?;
    let whole = TimeDelta::try_seconds(number.div_euclid(per_second))?;
    DateTime::<Utc>::UNIX_EPOCH.checked_add_signed(whole)?.checked_add_signed(TimeDelta::nanoseconds(nanos.into())).map(|at| at.naive_utc())
}

/// The number in big-endian two's complement; none if it takes more than 128 bits.
#[must_use]
pub fn integer(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let surplus = bytes.len().saturating_sub(16);
    let (head, tail) = bytes.split_at(surplus);
    if head.iter().any(|byte| *byte != sign) || surplus > 0 && (tail.first().map_or(0, |first| first & 0x80) != sign & 0x80) {
        return None;
    }
    let mut wide = [sign; 16];
    wide[16 - tail.len()..].copy_from_slice(tail);
    Some(i128::from_be_bytes(wide))
}

/// The decimal's digits, with as many behind the point as the scale says, however long it is.
#[must_use]
pub fn decimal(bytes: &[u8], scale: u32) -> String {
    let (negative, digits) = match integer(bytes) {
        Some(number) => (number < 0, number.unsigned_abs().to_string()),
        None => long_digits(bytes),
    };
    let scale = scale as usize;
    let mut text = String::with_capacity(digits.len() + scale + 3);
    if negative {
        text.push('-');
    }
    let whole = digits.len().saturating_sub(scale);
    text.push_str(if whole == 0 { "0" } else { &digits[..whole] });
    if scale > 0 {
        text.push('.');
        text.extend(std::iter::repeat_n('0', scale.saturating_sub(digits.len())));
        text.push_str(&digits[whole..]);
    }
    text
}

/// The digits of a number of any length: division by ten, byte by byte.
fn long_digits(bytes: &[u8]) -> (bool, String) {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut magnitude = bytes.to_vec();
    if negative {
        negate(&mut magnitude);
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u16;
        for byte in &mut magnitude {
            let value = (rest << 8) | u16::from(*byte);
            *byte = u8::try_from(value / 10).unwrap_or(u8::MAX);
            rest = value % 10;
        }
        digits.push(char::from(b'0' + u8::try_from(rest).unwrap_or(0)));
    }
    (negative, digits.into_iter().rev().collect())
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
        (*byte, carry) = (sum, over);
    }
}

/// The shortest big-endian two's complement of a decimal with the given scale; none for what is no decimal, or has more digits behind the point.
#[must_use]
pub fn parse_decimal(text: &str, scale: u32) -> Option<Vec<u8>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = if fraction.len() > scale as usize { fraction.trim_end_matches('0') } else { fraction };
    let padding = (scale as usize).checked_sub(fraction.len())?;
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut magnitude = vec![0_u8];
    for digit in whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', padding)) {
        let mut carry = u16::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        for byte in magnitude.iter_mut().rev() {
            let value = u16::from(*byte) * 10 + carry;
            [_, *byte] = value.to_be_bytes();
            carry = value >> 8;
        }
        if carry > 0 {
            magnitude.insert(0, u8::try_from(carry).ok()?);
        }
    }
    // A place for the sign.
    magnitude.insert(0, 0);
    if negative {
        negate(&mut magnitude);
    }
    let sign = magnitude[0];
    let surplus = magnitude.windows(2).take_while(|pair| pair[0] == sign && pair[1] & 0x80 == sign & 0x80).count();
    magnitude.drain(..surplus);
    Some(magnitude)
}

/// The nearest floating-point number.
pub(crate) fn float(digits: &str) -> Option<f64> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_of_any_length() {
        for (bytes, scale, text) in [
            (&[4, 26][..], 2, "10.50"),
            (&[0xff], 2, "-0.01"),
            (&[], 0, "0"),
            (&[0], 3, "0.000"),
            (&[0xff, 0x00], 0, "-256"),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0, "340282366920938463463374607431768211456"),
            (&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 2, "-3402823669209384634633746074317682114.56"),
        ] {
            assert_eq!(decimal(bytes, scale), text);
        }
        assert_eq!(parse_decimal("1.500", 1), Some(vec![15]));
        assert_eq!(parse_decimal(".5", 1), Some(vec![5]));
        for bad in ["1.55", "", "-", ".", "1e3", "NaN", "1.-5"] {
            assert_eq!(parse_decimal(bad, 1), None, "{bad}");
        }
    }

    #[test]
    fn moments_before_and_beyond_the_calendar() {
        use Meaning::{Date, LocalTimestamp, Time, Timestamp};
        for (meaning, number, text) in [
            (Date, 7430, Some("1990-05-06")),
            (Date, -1, Some("1969-12-31")),
            (Date, i64::MAX, None),
            (Time(Unit::Millis), 3_723_004, Some("01:02:03.004")),
            (Time(Unit::Micros), 86_400_000_000, None),
            (Time(Unit::Nanos), 1, Some("00:00:00.000000001")),
            (Timestamp(Unit::Millis), -1, Some("1969-12-31T23:59:59.999Z")),
            (LocalTimestamp(Unit::Micros), 1_500_000, Some("1970-01-01T00:00:01.500Z")),
            (Timestamp(Unit::Nanos), i64::MIN, Some("1677-09-21T00:12:43.145224192Z")),
            (Timestamp(Unit::Millis), i64::MAX, None),
        ] {
            assert_eq!(moment(meaning, number, Zone::Said).as_deref(), text, "{meaning:?} {number}");
            if let Some(text) = text {
                assert_eq!(parse_moment(meaning, text), Some(number), "{text}");
            }
        }
        assert_eq!(parse_moment(Timestamp(Unit::Millis), "2026-01-02T03:04:05+01:00"), Some(1_767_319_445_000));
    }

    #[test]
    fn zones_are_left_out_for_types_without() {
        for (text, type_name, said) in [
            ("2026-01-02T03:04:05.678Z", "NaiveDateTime", Some("2026-01-02T03:04:05.678")),
            ("2026-01-02T03:04:05+02:00", "NaiveDateTime", Some("2026-01-02T01:04:05")),
            ("03:04:05.000001Z", "NaiveTime", Some("03:04:05.000001")),
            ("01:30:00+02:00", "NaiveTime", Some("23:30:00")),
            ("2017-09-15Z", "NaiveDate", Some("2017-09-15")),
            ("2017-09-15Z", "String", None),
            ("soon", "NaiveDateTime", None),
            ("soon", "NaiveTime", None),
            ("é012345678901", "NaiveDate", None),
        ] {
            assert_eq!(without_zone(text, type_name).as_deref(), said, "{text} {type_name}");
        }
    }

    proptest! {
        #[test]
        fn decimals_come_back(number: i128, scale in 0_u32..40) {
            let bytes = number.to_be_bytes();
            let text = decimal(&bytes, scale);
            let short = parse_decimal(&text, scale).unwrap();
            prop_assert_eq!(integer(&short), Some(number));
            prop_assert_eq!(decimal(&short, scale), text);
        }

        #[test]
        fn long_decimals_come_back(bytes in prop::collection::vec(any::<u8>(), 1..40), scale in 0_u32..40) {
            let text = decimal(&bytes, scale);
            prop_assert_eq!(decimal(&parse_decimal(&text, scale).unwrap(), scale), text);
        }

        #[test]
        fn timestamps_come_back(number in -8_000_000_000_000_000_000_i64..8_000_000_000_000_000_000) {
            for zone in [Zone::Said, Zone::Left] {
                let text = moment(Meaning::Timestamp(Unit::Nanos), number, zone).unwrap();
                prop_assert_eq!(parse_moment(Meaning::Timestamp(Unit::Nanos), &text), Some(number));
            }
        }
    }
}
