//! Suppression: scopes in which producing does nothing, so that what a handler writes goes out by no second way.
//!
//! A scope belongs to the code that runs in it: a future and all that it awaits, or the lines until a guard
//! is dropped. Tasks spawned within do not inherit it. The framework's own records (retries, dead letters)
//! are never suppressed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::topic::Suppress;

thread_local! {
    static CURRENT: RefCell<Suppression> = const { RefCell::new(Suppression(None)) };
}

/// What is suppressed in a scope. Made by [`suppress`], [`suppress_all`] and [`unsuppress`], from what the present scope suppresses already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a suppression does nothing until `scope` runs a future in it, or `guard` is held"]
pub struct Suppression(Option<Arc<Suppressed>>);

#[derive(Debug, PartialEq, Eq)]
enum Suppressed {
    Topics(BTreeSet<String>),
    All,
}

/// Suppresses records to these topics, beside what the present scope suppresses.
///
/// ```
/// use kafka_core::producer::suppression::{is_suppressed, suppress, unsuppress};
///
/// let orders = suppress(["orders"]).guard();
/// assert!(is_suppressed("orders") && !is_suppressed("invoices"));
/// {
///     let _all_lifted = unsuppress().guard();
///     assert!(!is_suppressed("orders"));
/// }
/// assert!(is_suppressed("orders"));
/// drop(orders);
/// assert!(!is_suppressed("orders"));
/// ```
pub fn suppress<T: Into<String>>(topics: impl IntoIterator<Item = T>) -> Suppression {
    current().with(&Suppress::Topics(topics.into_iter().map(Into::into).collect()))
}

/// Suppresses every record.
pub fn suppress_all() -> Suppression {
    current().with(&Suppress::All)
}

/// Lifts every suppression.
pub fn unsuppress() -> Suppression {
    Suppression(None)
}

/// Whether a record to this topic would be suppressed here.
#[must_use]
pub fn is_suppressed(topic: &str) -> bool {
    CURRENT.with_borrow(|current| match current.0.as_deref() {
        None => false,
        Some(Suppressed::All) => true,
        Some(Suppressed::Topics(topics)) => topics.contains(topic),
    })
}

/// Whether every record is suppressed here, as [`suppress_all`] does.
#[must_use]
pub fn is_all_suppressed() -> bool {
    CURRENT.with_borrow(|current| matches!(current.0.as_deref(), Some(Suppressed::All)))
}

/// What is suppressed here, to be carried to another thread or task.
pub fn current() -> Suppression {
    CURRENT.with_borrow(Clone::clone)
}

impl Suppression {
    /// This, and what was declared on a consumer or topic.
    pub(crate) fn with(&self, declared: &Suppress) -> Self {
        let added = match (declared, self.0.as_deref()) {
            (Suppress::Nothing, _) | (_, Some(Suppressed::All)) => return self.clone(),
            (Suppress::All, _) => Suppressed::All,
            (Suppress::Topics(topics), None) => Suppressed::Topics(topics.iter().cloned().collect()),
            (Suppress::Topics(topics), Some(Suppressed::Topics(known))) => {
                Suppressed::Topics(known.iter().chain(topics).cloned().collect())
            }
        };
        Self(Some(Arc::new(added)))
    }

    /// Whether it suppresses nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Runs a future in the scope. What was before is restored whenever the future gives way, ends, panics or is dropped.
    #[must_use = "a future does nothing until it is awaited"]
    pub fn scope<F: Future>(self, future: F) -> Scoped<F> {
        Scoped { suppression: self, future: Box::pin(future) }
    }

    /// Holds the scope until the guard is dropped; for synchronous code. Guards are dropped in the reverse order of their making.
    #[must_use = "the scope ends when the guard is dropped"]
    pub fn guard(self) -> Guard {
        Guard { before: CURRENT.replace(self), not_send: PhantomData }
    }
}

/// A future that runs in a scope.
#[derive(Debug)]
pub struct Scoped<F> {
    suppression: Suppression,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _scope = self.suppression.clone().guard();
        self.future.as_mut().poll(cx)
    }
}

/// Holds a scope on this thread. Restores what was before when it is dropped, by a panic too.
#[derive(Debug)]
pub struct Guard {
    before: Suppression,
    /// A scope is a thread's affair: a guard that moved would restore it elsewhere.
    not_send: PhantomData<*const ()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        CURRENT.set(std::mem::take(&mut self.before));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;

    fn seen() -> (bool, bool) {
        (is_suppressed("a"), is_suppressed("b"))
    }

    #[test]
    fn all_is_more_than_some() {
        assert!(!is_all_suppressed());
        let _some = suppress(["a"]).guard();
        assert!(!is_all_suppressed());
        {
            let _all = suppress_all().guard();
            assert!(is_all_suppressed());
            let _lifted = unsuppress().guard();
            assert!(!is_all_suppressed());
        }
        assert!(!is_all_suppressed());
    }

    #[test]
    fn scopes_add_up_and_unsuppress_lifts_all() {
        type Make = fn() -> Suppression;
        let table: [(Make, Make, (bool, bool)); 8] = [
            (|| suppress(["a"]), || suppress(["b"]), (true, true)),
            (|| suppress(["a"]), || suppress(["a"]), (true, false)),
            (|| suppress(["a"]), suppress_all, (true, true)),
            (suppress_all, || suppress(["a"]), (true, true)),
            (|| suppress(["a"]), unsuppress, (false, false)),
            (suppress_all, unsuppress, (false, false)),
            (unsuppress, || suppress(["b"]), (false, true)),
            (|| suppress(Vec::<String>::new()), || suppress(["b"]), (false, true)),
        ];
        for (outer, inner, expected) in table {
            let _outer = outer().guard();
            let before = seen();
            {
                let _inner = inner().guard();
                assert_eq!(seen(), expected);
            }
            assert_eq!(seen(), before);
        }
        assert_eq!(seen(), (false, false));
    }

    #[test]
    fn a_future_has_its_scope_at_every_step_and_leaves_none_behind() {
        let mut work = Box::pin(suppress(["a"]).scope(async {
            assert_eq!(seen(), (true, false));
            tokio::task::yield_now().await;
            suppress(["b"]).scope(async { assert_eq!(seen(), (true, true)) }).await;
            assert_eq!(seen(), (true, false));
        }));
        assert!(work.as_mut().now_or_never().is_none());
        assert_eq!(seen(), (false, false), "a future that gave way left its scope on the thread");
        let mut dropped = Box::pin(suppress_all().scope(tokio::task::yield_now()));
        assert!(dropped.as_mut().now_or_never().is_none());
        drop(dropped);
        assert_eq!(seen(), (false, false));
        assert!(work.now_or_never().is_some());
    }

    #[test]
    fn a_panic_restores_what_was_before() {
        let _outer = suppress(["b"]).guard();
        let panicking = AssertUnwindSafe(|| {
            let _inner = suppress_all().guard();
            panic!("as planned");
        });
        assert!(catch_unwind(panicking).is_err());
        let future = suppress_all().scope(async { panic!("as planned") });
        assert!(AssertUnwindSafe(future).catch_unwind().now_or_never().unwrap().is_err());
        assert_eq!(seen(), (false, true));
    }

    /// One scope of a nesting: what it suppresses, how it is entered, and how it is left.
    #[derive(Debug, Clone)]
    struct Layer {
        kind: u8,
        form: Form,
        fate: Fate,
    }

    #[derive(Debug, Clone, Copy)]
    enum Form {
        Guard,
        Future,
    }

    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Returns,
        Panics,
        /// Its future is dropped after so many polls, wherever it is then.
        Dropped(u8),
    }

    fn layers() -> impl Strategy<Value = Vec<Layer>> {
        let form = prop_oneof![Just(Form::Guard), Just(Form::Future)];
        let fate = prop_oneof![4 => Just(Fate::Returns), 1 => Just(Fate::Panics), 2 => (0_u8..4).prop_map(Fate::Dropped)];
        let layer = (0_u8..4, form, fate).prop_map(|(kind, form, fate)| Layer { kind, form, fate });
        prop::collection::vec(layer, 0..10)
    }

    /// Enters scope after scope, each with work that gives way, and checks after each, however it was left, that it was restored.
    fn nest(layers: &[Layer]) -> BoxFuture<'_, ()> {
        async move {
            let Some((Layer { kind, form, fate }, deeper)) = layers.split_first() else { return };
            let before = current();
            let scope = match kind {
                0 => suppress(["a"]),
                1 => suppress(["b"]),
                2 => suppress_all(),
                _ => unsuppress(),
            };
            match form {
                Form::Guard => {
                    let inside = AssertUnwindSafe(|| {
                        let _scope = scope.guard();
                        poll_while(nest(deeper), u8::MAX);
                        assert!(!matches!(fate, Fate::Panics), "as planned");
                    });
                    assert_eq!(catch_unwind(inside).is_err(), matches!(fate, Fate::Panics));
                }
                Form::Future => {
                    let inside = scope.scope(async {
                        let entered = current();
                        tokio::task::yield_now().await;
                        nest(deeper).await;
                        tokio::task::yield_now().await;
                        assert_eq!(current(), entered, "a scope within changed it");
                        assert!(!matches!(fate, Fate::Panics), "as planned");
                    });
                    let mut inside = Box::pin(AssertUnwindSafe(inside).catch_unwind());
                    let mut polls = 0;
                    let outcome = poll_fn(|context| {
                        let Fate::Dropped(last) = fate else { return inside.as_mut().poll(context).map(Some) };
                        polls += 1;
                        if polls > *last { Poll::Ready(None) } else { inside.as_mut().poll(context).map(Some) }
                    });
                    let ended = outcome.await.map(|result| result.is_err());
                    assert!(matches!(
                        (fate, ended),
                        (Fate::Panics, Some(true)) | (Fate::Returns, Some(false)) | (Fate::Dropped(_), None | Some(false))
                    ));
                    drop(inside);
                }
            }
            assert_eq!(current(), before);
        }
        .boxed()
    }

    /// Polls until it is ready, at most so often, and checks that it leaves nothing behind when it gives way.
    fn poll_while(mut work: BoxFuture<'_, ()>, polls: u8) {
        let before = current();
        for _ in 0..polls {
            let ready = work.as_mut().now_or_never().is_some();
            assert_eq!(current(), before, "what gave way left its scope on the thread");
            if ready {
                return;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_nesting_restores_each_scope(layers in layers()) {
            poll_while(nest(&layers), u8::MAX);
            prop_assert!(current().is_empty());
        }
    }
}
