//! Headers as Kafka has them: an ordered list in which names repeat, values may be null, and neither need be UTF-8.

use bytes::Bytes;

/// An ordered list of headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    name: Bytes,
    value: Option<Bytes>,
}

impl Header {
    /// A header with a value.
    pub fn new(name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }

    /// A header whose value is null.
    pub fn null(name: impl Into<Bytes>) -> Self {
        Self { name: name.into(), value: None }
    }

    /// The name, as bytes: Kafka does not promise UTF-8.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The value; `None` is a null value, which differs from an empty one.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a header at the end; one of the same name stays where it is.
    pub fn push(&mut self, header: Header) {
        self.0.push(header);
    }

    /// Adds a header at the end.
    #[must_use]
    pub fn with(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.push(Header::new(name, value));
        self
    }

    /// Puts the header in the place of all that have its name, or at the end.
    pub fn set(&mut self, header: Header) {
        self.0.retain(|other| other.name != header.name);
        self.0.push(header);
    }

    /// Removes all headers of this name; the others keep their order.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|header| header.name() != name.as_bytes());
    }

    /// The value of the last header of this name, as Kafka's `lastHeader`. A null value reads as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|header| header.name() == name.as_bytes()).and_then(Header::value)
    }

    /// The value of the last header of this name as text, if it is UTF-8.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All headers in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeat_and_the_last_is_read() {
        let mut headers = Headers::new().with("a", "1").with("b", "2").with("a", "3");
        assert_eq!(headers.get("a"), Some(&b"3"[..]));
        headers.push(Header::null("b"));
        assert_eq!(headers.get("b"), None);
        headers.set(Header::new("a", "4"));
        let names = |headers: &Headers| headers.iter().map(|header| header.name().to_vec()).collect::<Vec<_>>();
        assert_eq!(names(&headers), [b"b", b"b", b"a"]);
        headers.remove("b");
        assert_eq!(names(&headers), [b"a"]);
    }

    #[test]
    fn bytes_need_not_be_text() {
        let headers = Headers::new().with(&b"\xff\xfe"[..], &b"\x00\x80"[..]);
        assert_eq!(headers.iter().next().map(Header::name), Some(&b"\xff\xfe"[..]));
        assert_eq!(headers.get_str("x"), None);
    }
}
