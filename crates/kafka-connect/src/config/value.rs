//! How Rust values become the texts of a config.

use std::time::Duration;

use serde_json::Value;

/// The text of a value, as Connect reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue(String);

impl ConfigValue {
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl From<&str> for ConfigValue {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for ConfigValue {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Milliseconds, as all of Kafka's `*.ms` keys have it.
impl From<Duration> for ConfigValue {
    fn from(duration: Duration) -> Self {
        Self(duration.as_millis().to_string())
    }
}

macro_rules! written {
    ($($type:ty),*) => {$(
        impl From<$type> for ConfigValue {
            fn from(value: $type) -> Self {
                Self(value.to_string())
            }
        }
    )*};
}
written!(bool, i32, i64, u16, u32, u64, usize, f64);

/// Joined with commas.
impl<T: Into<ConfigValue>> From<Vec<T>> for ConfigValue {
    fn from(items: Vec<T>) -> Self {
        let texts: Vec<String> = items.into_iter().map(|item| item.into().0).collect();
        Self(texts.join(","))
    }
}

/// Joined with commas.
impl<T: Into<ConfigValue>, const N: usize> From<[T; N]> for ConfigValue {
    fn from(items: [T; N]) -> Self {
        Self::from(Vec::from(items))
    }
}

/// The text of JSON data: `Some(None)` for null, which is left out; `None` for what has no text.
#[allow(clippy::option_option, reason = "left out and impossible are two things")]
pub(super) fn text(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(value) => Some(Some(value.to_string())),
        Value::Number(number) => Some(Some(number.to_string())),
        Value::String(text) => Some(Some(text.clone())),
        Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| text(item).flatten()).collect();
            texts.map(|texts| Some(texts.join(",")))
        }
        Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_texts() {
        let check = |value: ConfigValue, expected: &str| assert_eq!(value.into_text(), expected);
        check("a".into(), "a");
        check(true.into(), "true");
        check(5_u32.into(), "5");
        check(Duration::from_secs(5).into(), "5000");
        check(["a", "b"].into(), "a,b");
        check(vec![1, 2].into(), "1,2");
    }
}
