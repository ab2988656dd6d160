//! A schema that is registered as a descriptor in base64 instead of text, as clients in Python and Go do.

use super::scan::{Message, Messages};

/// The part of a `google.protobuf.FileDescriptorProto` that says which messages there are.
#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Descriptor>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Descriptor {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<Descriptor>,
    #[prost(message, optional, tag = "7")]
    options: Option<Options>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Options {
    #[prost(bool, tag = "7")]
    map_entry: bool,
}

/// The messages of a descriptor in base64; none if it is none.
pub(super) fn read(text: &str) -> Option<Messages> {
    let file: File = prost::Message::decode(&*base64(text)?).ok()?;
    Some(Messages(file.messages.into_iter().map(|message| of(message, &file.package)).collect()))
}

fn of(message: Descriptor, around: &str) -> Message {
    let name = super::scan::joined(around, &message.name);
    let nested = message.nested.into_iter().map(|nested| of(nested, &name)).collect();
    Message { nested, entry: message.options.is_some_and(|options| options.map_entry), name }
}

/// The bytes of a base64 text; none for another text, which a `.proto` always is.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes).filter(|bytes| !bytes.is_empty())
}
