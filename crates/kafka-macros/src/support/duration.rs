//! Durations in attributes: whole seconds, or text with units. Not `humantime`: the derives need a
//! tenth of it, in every user's build.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};

const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// What to write, for error messages.
pub(crate) const FORM: &str = "whole seconds such as `120`, or a string of numbers with the units ms, \
s, m, h, d, such as \"250ms\" or \"1h 30m\"";

/// A duration to the millisecond; its tokens are the call that makes a `core::time::Duration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration {
    millis: u64,
}

impl Duration {
    pub(crate) const ZERO: Self = Self { millis: 0 };

    pub(crate) fn from_secs(seconds: u64) -> Option<Self> {
        seconds.checked_mul(1_000).map(|millis| Self { millis })
    }

    /// Reads `"1h 30m"`. `None` when the text is no duration, or one too long for 64 bits of
    /// milliseconds.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut millis = None;
        while !rest.is_empty() {
            let (number, after) = split(rest, |c| c.is_ascii_digit());
            let (unit, after) = split(after.trim_start(), |c| c.is_ascii_alphabetic());
            let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
            let part = number.parse::<u64>().ok()?.checked_mul(*scale)?;
            millis = Some(millis.unwrap_or(0_u64).checked_add(part)?);
            rest = after.trim_start();
        }
        millis.map(|millis| Self { millis })
    }
}

impl ToTokens for Duration {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (call, number) =
            if self.millis.is_multiple_of(1_000) { (quote!(from_secs), self.millis / 1_000) } else { (quote!(from_millis), self.millis) };
        let number = Literal::u64_unsuffixed(number);
        tokens.extend(quote!(::core::time::Duration::#call(#number)));
    }
}

/// The longest head whose characters all fit, and what follows it.
fn split(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !fits(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn text_is_numbers_with_units() {
        let check = |text, expected: Option<u64>| {
            assert_eq!(Duration::from_text(text), expected.map(|millis| Duration { millis }), "{text}");
        };
        check("250ms", Some(250));
        check("2m", Some(120_000));
        check("1h 30m", Some(5_400_000));
        check("1h30m", Some(5_400_000));
        check(" 1 d ", Some(86_400_000));
        check("0s", Some(0));
        check("", None);
        check("10", None);
        check("s", None);
        check("1.5s", None);
        check("-1s", None);
        check("1 week", None);
        check("99999999999999999999s", None);
        check("18446744073709551615s", None);
    }
}
