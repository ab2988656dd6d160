//! What of a connector's config may be shown. Not for the framework's own settings: those have `kafka_core::settings::redacted`.
//!
//! A value is a secret by its key (`database.password`), or a part of it is: the user and password of a URL, `password=…` within a JDBC
//! URL or a JAAS line. References that Connect resolves by itself (`${file:…}`, `${env:…}`) are no secrets; they are why there are none.

use std::collections::BTreeSet;
use std::fmt;

use kafka_core::settings::is_secret;

/// What stands in place of a secret.
pub const HIDDEN: &str = "…";

/// Secrets that are known, to be taken out of texts that others wrote: messages of Connect, traces of tasks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Adds what is secret in the value of a key.
    pub fn learn(&mut self, key: &str, value: &str) {
        self.0.extend(secret_parts(key, value).into_iter().map(str::to_owned));
    }

    /// Adds a text that is a secret as a whole.
    pub fn learn_whole(&mut self, value: &str) {
        if !value.is_empty() && !is_reference(value) {
            self.0.insert(value.to_owned());
        }
    }

    /// Adds those of another.
    pub fn learn_all(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }

    /// The text without any of the secrets.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut longest_first: Vec<&str> = self.0.iter().map(String::as_str).collect();
        longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        longest_first.into_iter().fold(text.to_owned(), |text, secret| without(&text, secret))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// The value as anyone may see it.
#[must_use]
pub fn shown(key: &str, value: &str) -> String {
    let parts = secret_parts(key, value);
    if parts.contains(&value) {
        return HIDDEN.to_owned();
    }
    parts.into_iter().fold(value.to_owned(), |shown, part| shown.replace(part, HIDDEN))
}

/// Whether Connect puts something else in place of the value: `${provider:path:key}`, and nothing besides.
#[must_use]
pub fn is_reference(value: &str) -> bool {
    let inside = value.trim().strip_prefix("${").and_then(|value| value.strip_suffix('}'));
    inside.is_some_and(|inside| inside.contains(':') && !inside.contains('}'))
}

/// What must not be seen of a value: all of it, or parts.
fn secret_parts<'a>(key: &str, value: &'a str) -> Vec<&'a str> {
    if value.is_empty() || is_reference(value) {
        return Vec::new();
    }
    // A private key is one under any name.
    if is_secret(key) || value.contains("PRIVATE KEY") || value.contains("private_key") {
        return vec![value];
    }
    let mut parts = url_passwords(value);
    parts.extend(assigned_secrets(value));
    parts
}

/// What stands between the scheme and the `@` of each URL.
fn url_passwords(value: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(scheme) = rest.find("://") {
        let authority = &rest[scheme + "://".len()..];
        let end = authority.find(['/', '?', '#', ',', ' ']).unwrap_or(authority.len());
        if let Some(at) = authority[..end].rfind('@') {
            let user_info = &authority[..at];
            found.push(user_info.split_once(':').map_or(user_info, |(_, password)| password));
        }
        rest = authority;
    }
    found.into_iter().filter(|part| !part.is_empty() && !is_reference(part)).collect()
}

/// The values of `name=value` within the text where the name is a secret's.
fn assigned_secrets(value: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in value.match_indices('=') {
        let name = value[..at].rsplit(|c: char| !c.is_alphanumeric() && !"._-".contains(c)).next().unwrap_or_default();
        if name.is_empty() || !is_secret(name) {
            continue;
        }
        let rest = &value[at + 1..];
        let part = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => rest.split(['&', ';', ',', ' ', '\n']).next(),
        };
        found.extend(part.filter(|part| !part.is_empty() && !is_reference(part)));
    }
    found
}

/// Takes a secret out of a text. A short one only where it stands alone, or a password `a` would eat every word.
fn without(text: &str, secret: &str) -> String {
    const SHORT: usize = 4;
    if secret.len() >= SHORT {
        return text.replace(secret, HIDDEN);
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut clean = String::with_capacity(text.len());
    let mut copied = 0;
    for (at, _) in text.match_indices(secret) {
        let end = at + secret.len();
        let alone = !text[..at].ends_with(is_word) && !text[end..].starts_with(is_word);
        if alone {
            clean.push_str(&text[copied..at]);
            clean.push_str(HIDDEN);
            copied = end;
        }
    }
    clean.push_str(&text[copied..]);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_shown_of_a_value() {
        for (key, value, expected) in [
            ("database.password", "hunter2", "…"),
            ("database.password", "${file:/secrets/db:password}", "${file:/secrets/db:password}"),
            ("database.password", "${env:DB_PASSWORD}", "${env:DB_PASSWORD}"),
            ("database.password", "hunter2 ${env:X}", "…"),
            ("database.hostname", "db", "db"),
            (
                "connection.url",
                "jdbc:postgresql://db/app?user=me&password=hunter2&ssl=true",
                "jdbc:postgresql://db/app?user=me&password=…&ssl=true",
            ),
            ("connection.url", "jdbc:sqlserver://db;user=me;password=hunter2;x=y", "jdbc:sqlserver://db;user=me;password=…;x=y"),
            ("connection.url", "jdbc:postgresql://db/app?password=${env:P}", "jdbc:postgresql://db/app?password=${env:P}"),
            ("connection.uri", "mongodb://me:hunter2@db/app", "mongodb://me:…@db/app"),
            ("driver.options", "user=\"me\" password=\"hunter 2\";", "user=\"me\" password=\"…\";"),
            ("sasl.jaas.config", "x required username=\"me\" password=\"hunter2\";", "…"),
            ("value.converter.basic.auth.user.info", "me:hunter2", "…"),
            ("ssl.keystore.key", "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----", "…"),
            ("message.key.columns", "public.customers:id", "public.customers:id"),
            ("transforms.x.key", "id", "id"),
        ] {
            assert_eq!(shown(key, value), expected, "{key} = {value}");
        }
    }

    #[test]
    fn texts_of_others_are_scrubbed() {
        let mut secrets = Secrets::default();
        secrets.learn("database.password", "hunter2");
        secrets.learn("connection.url", "jdbc:x://db?password=tiger-9");
        secrets.learn("other.password", "a");
        secrets.learn("third.password", "${env:X}");
        assert_eq!(
            secrets.scrub("cannot connect with hunter2, tiger-9 and 'a' at a.b and data ${env:X}"),
            "cannot connect with …, … and '…' at ….b and data ${env:X}"
        );
        assert_eq!(format!("{secrets:?}"), "Secrets(3)");
    }
}
