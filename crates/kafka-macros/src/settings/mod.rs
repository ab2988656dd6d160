//! Attributes that more than one derive takes. Each file reads one of them, checks it, and has the
//! builder call that it becomes. Not what they do: that is in the crates whose builders are called.

pub(crate) mod batch;
pub(crate) mod concurrency;
pub(crate) mod dead_letter_limit;
pub(crate) mod relations;
pub(crate) mod retry;
pub(crate) mod subject;
pub(crate) mod suppress;
