//! Values that no log, no error and no `settings show` prints, and how they are known by their names.

use std::fmt;

use serde::Deserialize;

/// What stands in place of a secret.
pub(super) const REDACTED: &str = "…";

/// A text that `Debug` does not show: a password, a token.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Do not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Whether a setting or property of this name is a secret: its name speaks of a password, secret, token, private key or authorization.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = ["passw", "passphrase", "secret", "token", "jaas", "key.pem", "api.key", "user.info", "oauthbearer.config"];
    let name = name.to_ascii_lowercase().replace(['_', '-'], ".");
    WORDS.iter().any(|word| name.contains(word)) || name.split('.').any(|part| matches!(part, "auth" | "authorization"))
}

/// The value as it may be shown: hidden if the name says so, and without the user and password of a URL.
#[must_use]
pub fn redacted(name: &str, value: &str) -> String {
    if is_secret(name) { REDACTED.to_owned() } else { without_user_info(value) }
}

fn without_user_info(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (head, authority) = rest.split_at(scheme + "://".len());
        shown.push_str(head);
        let end = authority.find(['/', '?', '#', ',', ' ']).unwrap_or(authority.len());
        rest = match authority[..end].rfind('@') {
            Some(at) => {
                shown.push_str(REDACTED);
                &authority[at..]
            }
            None => authority,
        };
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name() {
        let secret = [
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "sasl.jaas.config",
            "SASL_OAUTHBEARER_CLIENT_SECRET",
            "schema_registry.token",
            "connect_auth",
            "basic.auth.user.info",
            "sasl.oauthbearer.assertion.private.key.pem",
        ];
        for name in secret {
            assert!(is_secret(name), "{name}");
        }
        for name in ["bootstrap.servers", "ssl.ca.pem", "ssl.key.location", "sasl.username", "client_id", "auto.offset.reset"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn urls_are_shown_without_their_user() {
        for (text, shown) in [
            ("http://u:p@a:1/x,https://b:2", "http://…@a:1/x,https://b:2"),
            ("https://a/x@y", "https://a/x@y"),
            ("localhost:9092", "localhost:9092"),
            ("http://u:p@q@a", "http://…@a"),
        ] {
            assert_eq!(redacted("url", text), shown);
        }
        assert_eq!(format!("{:?}", Secret::from("hidden")), REDACTED);
    }
}
