//! The scope of a transaction: whatever is produced in it is of the transaction.
//!
//! A scope belongs to the code that runs in it, as a suppression does: a future and all that it awaits, blocking handlers included.
//! Tasks spawned within do not inherit it; what they produce is of no transaction.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::broker::{Broker, ProducerClient, Properties, TransactionError, TransactionalClient};

thread_local! {
    static CURRENT: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// A transaction that records can be part of.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) client: Arc<dyn TransactionalClient>,
    /// Producers of another cluster are none of its business.
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) address: Option<Arc<str>>,
}

/// The cluster's address.
pub(crate) fn address(properties: &Properties) -> Option<&str> {
    ["bootstrap.servers", "metadata.broker.list"].iter().find_map(|key| properties.get(*key)).map(String::as_str)
}

/// The transaction of the present scope, to be carried to another thread.
pub(crate) fn current() -> Option<Scope> {
    CURRENT.with_borrow(Clone::clone)
}

/// The client that a producer of this cluster has to use here.
pub(super) fn client(broker: &Arc<dyn Broker>, properties: &Properties) -> Option<Arc<dyn ProducerClient>> {
    CURRENT.with_borrow(|current| {
        let scope = current.as_ref()?;
        let same = Arc::ptr_eq(&scope.broker, broker) && scope.address.as_deref() == address(properties);
        same.then(|| Arc::clone(&scope.client) as Arc<dyn ProducerClient>)
    })
}

/// Throws away what was produced in the present scope so far, if it is a transaction's.
pub(crate) async fn start_over() -> Result<(), TransactionError> {
    let Some(scope) = current() else { return Ok(()) };
    scope.client.abort().await?;
    scope.client.begin()
}

impl Scope {
    /// Runs a future in the scope.
    pub(crate) fn scope<F: Future>(self, future: F) -> Scoped<F> {
        Scoped { scope: self, future: Box::pin(future) }
    }
}

/// Holds a scope on this thread until it is dropped.
pub(crate) fn guard(scope: Option<Scope>) -> Guard {
    Guard { before: CURRENT.replace(scope), not_send: PhantomData }
}

pub(crate) struct Scoped<F> {
    scope: Scope,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _scope = guard(Some(self.scope.clone()));
        self.future.as_mut().poll(cx)
    }
}

pub(crate) struct Guard {
    before: Option<Scope>,
    not_send: PhantomData<*const ()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("client", &self.client).finish_non_exhaustive()
    }
}
