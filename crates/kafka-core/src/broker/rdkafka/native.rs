//! Native messages.

use crate::message::Timestamp;

/// A message in librdkafka's memory.
#[derive(Debug)]
pub struct NativeMessage(());

impl NativeMessage {
    pub(crate) fn offset(&self) -> i64 {
        0
    }
    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::NotAvailable
    }
    pub(crate) fn key(&self) -> Option<&[u8]> {
        None
    }
    pub(crate) fn value(&self) -> Option<&[u8]> {
        None
    }
    pub(crate) fn visit_headers(&self, _visit: &mut dyn FnMut(&[u8], Option<&[u8]>)) {}
}
