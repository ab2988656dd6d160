//! `retry(max = 3, delay = 120, backoff, …)`: what happens to a message whose handler failed.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::{Ident, LitBool, Path, Type};

use crate::support::attr::{Attributes, Key, Slot};
use crate::support::duration::Duration;
use crate::support::errors::Errors;
use crate::support::item::{Item, Written};

/// As it was written.
#[derive(Debug, Default)]
pub(crate) struct RetryAttrs {
    max: Slot<Written<i64>>,
    delay: Slot<Written<Duration>>,
    backoff: Slot<()>,
    max_delay: Slot<Written<Duration>>,
    jitter: Slot<Option<Written<f64>>>,
    include: Slot<Vec<Type>>,
    exclude: Slot<Vec<Type>>,
    classify: Slot<Path>,
    blocking: Slot<LitBool>,
    log_every: Slot<Written<i64>>,
    use_offset_tracker: Slot<()>,
}

impl Attributes for RetryAttrs {
    const PLACE: &'static str = "retry(…)";
    const EXAMPLE: &'static str = "retry(max = 3, delay = 120)";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("max", "max = 3", |attrs, item| item.once(&mut attrs.max, Item::integer)),
        Key::new("delay", "delay = 120", |attrs, item| item.once(&mut attrs.delay, Item::duration)),
        Key::new("backoff", "backoff", |attrs, item| item.once(&mut attrs.backoff, Item::flag)),
        Key::new("max_delay", "max_delay = \"10m\"", |attrs, item| item.once(&mut attrs.max_delay, Item::duration)),
        Key::new("jitter", "jitter = 0.5", |attrs, item| item.once(&mut attrs.jitter, jitter)),
        Key::new("include", "include(A, B)", |attrs, item| item.once(&mut attrs.include, kinds)),
        Key::new("exclude", "exclude(A, B)", |attrs, item| item.once(&mut attrs.exclude, kinds)),
        Key::new("classify", "classify = my_function", |attrs, item| item.once(&mut attrs.classify, Item::path)),
        Key::new("blocking", "blocking = false", |attrs, item| item.once(&mut attrs.blocking, Item::boolean)),
        Key::new("log_every", "log_every = 10", |attrs, item| item.once(&mut attrs.log_every, Item::integer)),
        Key::new("use_offset_tracker", "use_offset_tracker", |attrs, item| item.once(&mut attrs.use_offset_tracker, Item::flag)),
    ];
}

/// `jitter` alone is half of the delay.
fn jitter(item: &mut Item<'_>) -> syn::Result<Option<Written<f64>>> {
    if item.stands_alone() { Ok(None) } else { item.number().map(Some) }
}

fn kinds(item: &mut Item<'_>) -> syn::Result<Vec<Type>> {
    item.list(|input| {
        let wrong = |error: syn::Error| {
            syn::Error::new(error.span(), "error kinds are types; write their paths: `include(PaymentDown, std::io::Error)`")
        };
        input.parse().map_err(wrong)
    })
}

/// As it is meant; its tokens are the call on the spec.
#[derive(Debug)]
pub(crate) struct Retry {
    max: Max,
    delay: Duration,
    /// The calls for what differs from the policy's defaults.
    rest: Vec<Rest>,
}

#[derive(Debug)]
enum Max {
    Forever,
    Limited(i64),
}

#[derive(Debug)]
enum Rest {
    Backoff,
    MaxDelay(Duration),
    Jitter(f64),
    Include(Vec<Type>),
    Exclude(Vec<Type>),
    Classify(Path),
    NonBlocking,
    LogEvery(i64),
    UseOffsetTracker,
}

impl Retry {
    pub(crate) fn check(key: &Ident, attrs: &RetryAttrs, errors: &mut Errors) -> Option<Self> {
        // Every rule is asked before the first `?`, so that all errors are seen at once.
        let max = attrs.max.required::<RetryAttrs>("max", key, errors);
        let delay = attrs.delay.required::<RetryAttrs>("delay", key, errors);
        let rest = attrs.rest(errors);
        if let Some(max) = max
            && max.value < -1
        {
            errors.push(&max.tokens, "the number of retries is negative; write `max = 3`, or `max = -1` for no end");
        }
        if let Some(delay) = delay {
            if delay.value == Duration::ZERO {
                errors.push(
                    &delay.tokens,
                    "the delay is zero; write a longer one, such as `delay = 120` or `delay \
                    = \"250ms\"`",
                );
            }
            if let Some(longest) = attrs.max_delay.given()
                && longest.value < delay.value
            {
                errors.push(
                    &longest.tokens,
                    "`max_delay` is shorter than `delay`, which is the first one; write a \
                    longer one",
                );
            }
        }
        let max = if max?.value < 0 { Max::Forever } else { Max::Limited(max?.value) };
        Some(Self { max, delay: delay?.value, rest })
    }
}

impl RetryAttrs {
    fn rest(&self, errors: &mut Errors) -> Vec<Rest> {
        let mut rest = Vec::new();
        rest.extend(self.backoff.given().map(|()| Rest::Backoff));
        rest.extend(self.max_delay.given().map(|longest| Rest::MaxDelay(longest.value)));
        if let Some(share) = self.jitter.given() {
            let value = share.as_ref().map_or(0.5, |share| share.value);
            if !(value > 0.0 && value <= 1.0) {
                errors.push(
                    share.as_ref().map(|share| &share.tokens),
                    "`jitter` is a share of the delay; write a number above 0 and up to 1, \
                    such as `jitter = 0.5`",
                );
            }
            rest.push(Rest::Jitter(value));
        }
        if let (Some(include), Some(exclude)) = (self.include.key(), self.exclude.key()) {
            errors.push(include, "`include` stands beside `exclude`; write only one of them");
            errors.push(exclude, "`exclude` stands beside `include`; write only one of them");
        }
        rest.extend(listed(&self.include, errors).map(Rest::Include));
        rest.extend(listed(&self.exclude, errors).map(Rest::Exclude));
        rest.extend(self.classify.given().cloned().map(Rest::Classify));
        rest.extend(self.blocking.given().filter(|blocking| !blocking.value).map(|_| Rest::NonBlocking));
        if let Some(every) = self.log_every.given() {
            if every.value < 1 {
                errors.push(
                    &every.tokens,
                    "`log_every` counts attempts; write `log_every = 1` or more, or remove \
                    it to log none",
                );
            }
            rest.push(Rest::LogEvery(every.value));
        }
        rest.extend(self.use_offset_tracker.given().map(|()| Rest::UseOffsetTracker));
        rest
    }
}

fn listed(slot: &Slot<Vec<Type>>, errors: &mut Errors) -> Option<Vec<Type>> {
    let Slot::Given(key, kinds) = slot else {
        return None;
    };
    if kinds.is_empty() {
        errors.push(key, format!("`{key}` names no error type; write `{key}(MyError)`, or remove it"));
    }
    errors.repeated(kinds, "error type", |kind| quote!(#kind).to_string().replace(' ', ""));
    Some(kinds.clone())
}

impl ToTokens for Retry {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (max, delay, rest) = (&self.max, self.delay, &self.rest);
        tokens.extend(quote!(.retry(__k::RetryPolicy::new(__k::MaxRetries::#max, #delay) #(#rest)*)));
    }
}

impl ToTokens for Max {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Forever => quote!(Forever),
            Self::Limited(max) => {
                let max = Literal::i64_unsuffixed(*max);
                quote!(Limited(#max))
            }
        });
    }
}

impl ToTokens for Rest {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Backoff => quote!(.backoff()),
            Self::MaxDelay(longest) => quote!(.max_delay(#longest)),
            Self::Jitter(share) => {
                let share = Literal::f64_unsuffixed(*share);
                quote!(.jitter(#share))
            }
            Self::Include(kinds) => quote!(.include([#(__k::ErrorKind::of::<#kinds>()),*])),
            Self::Exclude(kinds) => quote!(.exclude([#(__k::ErrorKind::of::<#kinds>()),*])),
            Self::Classify(function) => quote!(.classify(#function)),
            Self::NonBlocking => quote!(.non_blocking()),
            Self::LogEvery(every) => {
                let every = Literal::i64_unsuffixed(*every);
                quote!(.log_every(#every))
            }
            Self::UseOffsetTracker => quote!(.use_offset_tracker()),
        });
    }
}
