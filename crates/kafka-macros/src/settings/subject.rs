//! `subject = "record"`: under which subject the schemas of a topic are registered.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::LitStr;

use crate::support::errors::Errors;
use crate::support::nearest::nearest;

/// As it is meant; its tokens are the call on the spec.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    Topic,
    Record,
    TopicRecord,
}

const SUBJECTS: [&str; 3] = ["topic", "record", "topic-record"];

impl Subject {
    pub(crate) fn check(subject: &LitStr, errors: &mut Errors) -> Option<Self> {
        match subject.value().as_str() {
            "topic" => Some(Self::Topic),
            "record" => Some(Self::Record),
            "topic-record" => Some(Self::TopicRecord),
            other => {
                let advice = nearest(other, SUBJECTS).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
                errors.push(subject, format!("unknown subject \"{other}\"; {advice}write \"topic\", \"record\" or \"topic-record\""));
                None
            }
        }
    }
}

impl ToTokens for Subject {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let variant = match self {
            Self::Topic => quote!(Topic),
            Self::Record => quote!(Record),
            Self::TopicRecord => quote!(TopicRecord),
        };
        tokens.extend(quote!(.subject(__k::SubjectStrategy::#variant)));
    }
}
