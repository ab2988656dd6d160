//! What a column may hold, independent of the wire it came over and of the database it goes to.

use std::fmt;
use std::str::FromStr;

use kafka_core::format::{decimal_text, integer};

/// A column's value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// SQL's null.
    Null,
    /// Debezium's `__debezium_unavailable_value`: the column did not change, and was not sent. Never written.
    Unavailable,
    /// A boolean.
    Bool(bool),
    /// A whole number of any width up to 64 bits. From JSON without a schema also a date or a time, in the unit that the source's
    /// connector chose.
    Int(i64),
    /// A `real`.
    Float32(f32),
    /// A `double precision`.
    Float64(f64),
    /// A `numeric`, exact.
    Decimal(Decimal),
    /// A text. Also what has a type of its own in the database and comes as its text: enumerations, network addresses, XML.
    Text(String),
    /// A `bit` or `bit varying`, as its digits. Debezium sends of the latter as many as there may be: leading zeros say nothing.
    Bits(String),
    /// A `bytea`.
    Bytes(Vec<u8>),
    /// A `date`.
    Date(chrono::NaiveDate),
    /// A `time` without zone. 24:00:00, which PostgreSQL has, is a [`Value::Text`].
    Time(chrono::NaiveTime),
    /// A `time` with zone, as its text.
    TimeTz(String),
    /// A `timestamp` without zone.
    Timestamp(chrono::NaiveDateTime),
    /// A `timestamp` with zone.
    TimestampTz(chrono::DateTime<chrono::Utc>),
    /// An `interval`.
    Interval(Interval),
    /// A `uuid`.
    Uuid(uuid::Uuid),
    /// A `json` or `jsonb`, as the text that it came as.
    Json(String),
    /// An array; arrays within it are its further dimensions.
    Array(Vec<Value>),
}

/// PostgreSQL's interval: months and days are no fixed number of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interval {
    /// Whole months; a year is twelve.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// The rest, in microseconds.
    pub micros: i64,
}

/// A decimal number of any length, or one of PostgreSQL's `NaN`, `Infinity` and `-Infinity`. Equal to what has the same text:
/// 1.50 is not 1.5.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Digits);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Digits {
    /// What nearly every decimal fits into: no allocation.
    Short {
        unscaled: i128,
        scale: u32,
    },
    Text(Box<str>),
}

/// Why a text is no decimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no decimal number")]
pub struct NotADecimal {
    /// What it is instead.
    pub text: String,
}

/// The most digits behind the point that a short decimal has; longer ones are kept as text.
const LONGEST_SCALE: u32 = 64;

impl Value {
    /// Whether it is SQL's null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What kind of value it is, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Unavailable => "a value that was not sent",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float32(_) | Self::Float64(_) => "a floating-point number",
            Self::Decimal(_) => "a decimal",
            Self::Text(_) => "a text",
            Self::Bits(_) => "bits",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "a date",
            Self::Time(_) | Self::TimeTz(_) => "a time",
            Self::Timestamp(_) | Self::TimestampTz(_) => "a timestamp",
            Self::Interval(_) => "an interval",
            Self::Uuid(_) => "a UUID",
            Self::Json(_) => "JSON",
            Self::Array(_) => "an array",
        }
    }
}

impl Decimal {
    /// A decimal of so many digits behind the point: `new(1050, 2)` is 10.50.
    #[must_use]
    pub fn new(unscaled: i128, scale: u32) -> Self {
        let short = Self(Digits::Short { unscaled, scale });
        if scale <= LONGEST_SCALE { short } else { Self(Digits::Text(short.to_string().into())) }
    }

    /// The digits as a whole number and how many of them stand behind the point; none when it does not fit or is no number.
    #[must_use]
    pub fn parts(&self) -> Option<(i128, u32)> {
        match self.0 {
            Digits::Short { unscaled, scale } => Some((unscaled, scale)),
            Digits::Text(_) => None,
        }
    }

    /// From big-endian two's complement, which is how Connect sends decimals.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], scale: i32) -> Self {
        let Ok(places) = u32::try_from(scale) else {
            // A scale below zero: so many zeros behind the digits.
            let zeros = "0".repeat(scale.unsigned_abs() as usize);
            return Self::of_text(&(decimal_text(bytes, 0) + &zeros));
        };
        integer(bytes).map_or_else(|| Self(Digits::Text(decimal_text(bytes, places).into())), |unscaled| Self::new(unscaled, places))
    }

    /// From a plain number's text: a sign, digits, a point and digits.
    fn of_text(text: &str) -> Self {
        Self::short(text).unwrap_or_else(|| Self(Digits::Text(text.into())))
    }

    fn short(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= LONGEST_SCALE)?;
        let unscaled = if fraction.is_empty() { whole.parse().ok()? } else { format!("{whole}{fraction}").parse().ok()? };
        // What the number alone would say otherwise: `-0`, `+1`, `007`, `.5`.
        let short = Self(Digits::Short { unscaled, scale });
        (short.to_string() == text).then_some(short)
    }
}

impl FromStr for Decimal {
    type Err = NotADecimal;

    /// Takes what PostgreSQL prints, and exponents, which connectors write.
    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        if matches!(text, "NaN" | "Infinity" | "-Infinity") {
            return Ok(Self(Digits::Text(text.into())));
        }
        let wrong = || NotADecimal { text: text.to_owned() };
        let (digits, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(digits, exponent)| (digits, Some(exponent)));
        let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return Err(wrong());
        }
        let Some(exponent) = exponent else { return Ok(Self::of_text(digits)) };
        let exponent: i32 = exponent.parse().map_err(|_| wrong())?;
        // PostgreSQL's numeric has not more than 131072 digits before the point and 16383 behind it.
        if exponent.abs() > 150_000 {
            return Err(wrong());
        }
        let sign = if digits.starts_with('-') { "-" } else { "" };
        Ok(Self::of_text(&format!("{sign}{}", shifted(whole, fraction, exponent))))
    }
}

/// The number with its point moved to the right, or to the left when the exponent is below zero.
fn shifted(whole: &str, fraction: &str, exponent: i32) -> String {
    let mut digits = format!("{whole}{fraction}");
    let mut point = i64::try_from(whole.len()).unwrap_or(i64::MAX) + i64::from(exponent);
    while point < 1 {
        digits.insert(0, '0');
        point += 1;
    }
    let point = usize::try_from(point).unwrap_or(usize::MAX);
    while digits.len() < point {
        digits.push('0');
    }
    let zeros = digits[..point].len() - digits[..point].trim_start_matches('0').len();
    let (whole, fraction) = digits.split_at(point);
    let whole = &whole[zeros.min(point - 1)..];
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Digits::Text(text) => f.write_str(text),
            Digits::Short { unscaled, scale: 0 } => write!(f, "{unscaled}"),
            Digits::Short { unscaled, scale } => {
                let scale = *scale as usize;
                let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                write!(f, "{}{whole}.{fraction}", if *unscaled < 0 { "-" } else { "" })
            }
        }
    }
}

impl fmt::Display for Interval {
    /// As PostgreSQL reads it in every `intervalstyle`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { months, days, micros } = self;
        let (sign, micros) = (if *micros < 0 { "-" } else { "" }, micros.unsigned_abs());
        write!(f, "{months} months {days} days {sign}{}.{:06} seconds", micros / 1_000_000, micros % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit() {
        for text in ["10.50", "-0.01", "0", "0.000", "-256", "NaN", "Infinity", "-Infinity"] {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), text);
        }
        let long = format!("{}.{}", "9".repeat(60), "1".repeat(70));
        assert_eq!(long.parse::<Decimal>().unwrap().to_string(), long);
        assert_eq!(Decimal::new(1050, 2), "10.50".parse().unwrap());
        assert_ne!(Decimal::new(105, 1), "10.50".parse().unwrap());
    }

    #[test]
    fn decimals_with_exponents_are_written_out() {
        for (text, digits) in
            [("1E+3", "1000"), ("1.5e2", "150"), ("-1.5e-3", "-0.0015"), ("12.345e1", "123.45"), ("0e5", "0"), ("1e0", "1")]
        {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), digits, "{text}");
        }
        for bad in ["", "-", ".", "1e", "1e999999999", "abc", "1.2.3", "0x1", "nan", "--1", "1e-"] {
            assert!(bad.parse::<Decimal>().is_err(), "{bad}");
        }
    }

    #[test]
    fn decimals_from_bytes_of_any_scale() {
        assert_eq!(Decimal::from_bytes(&[4, 26], 2).to_string(), "10.50");
        assert_eq!(Decimal::from_bytes(&[0xff], 2).to_string(), "-0.01");
        assert_eq!(Decimal::from_bytes(&[12], -3).to_string(), "12000");
        assert_eq!(
            Decimal::from_bytes(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0).to_string(),
            "340282366920938463463374607431768211456"
        );
        assert_eq!(Decimal::from_bytes(&[5], 70).to_string(), format!("0.{}5", "0".repeat(69)));
    }

    #[test]
    fn intervals_print_their_sign() {
        let interval = Interval { months: -14, days: 3, micros: -1_500_000 };
        assert_eq!(interval.to_string(), "-14 months 3 days -1.500000 seconds");
    }
}
