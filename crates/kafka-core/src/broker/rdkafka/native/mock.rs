//! librdkafka's mock cluster.

use std::ffi::{CString, c_int};
use std::fmt;
use std::ptr::NonNull;

use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t as Code;

use super::error::text;
use super::{Conf, Handle, NativeError};
use crate::broker::{ClientError, Properties};

/// librdkafka's mock cluster: sockets and a thread of its own, inside a client that does nothing else.
pub(crate) struct MockCluster {
    cluster: NonNull<sys::rd_kafka_mock_cluster_t>,
    /// Dropped after the cluster, which lives in it.
    _handle: Handle,
}

// SAFETY: the mock's functions lock, or send an operation to its thread.
unsafe impl Send for MockCluster {}
// SAFETY: as above.
unsafe impl Sync for MockCluster {}

impl MockCluster {
    pub(crate) fn start(brokers: usize) -> Result<Self, ClientError> {
        let handle = Handle::producer(Conf::new(&Properties::new())?)?;
        let count = c_int::try_from(brokers).unwrap_or(c_int::MAX);
        // SAFETY: the client is alive, and outlives the cluster.
        let cluster = unsafe { sys::rd_kafka_mock_cluster_new(handle.as_ptr(), count) };
        let cluster = NonNull::new(cluster).ok_or_else(|| ClientError::fatal("_FAIL", "librdkafka's mock cluster did not start"))?;
        // The delay is for members that start one after the other; under KIP-848 each heartbeat moves a rebalance on by one step.
        // SAFETY: the cluster is alive.
        unsafe {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster.as_ptr(), 0);
            sys::rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(cluster.as_ptr(), 200);
        }
        Ok(Self { cluster, _handle: handle })
    }

    pub(crate) fn bootstrap(&self) -> String {
        // SAFETY: the string is part of the cluster; it is copied.
        unsafe { text(sys::rd_kafka_mock_cluster_bootstraps(self.cluster.as_ptr())) }
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: i32, replication: i32) -> Result<(), NativeError> {
        let name = c_string(name)?;
        // SAFETY: the cluster is alive; the name is copied.
        NativeError::check(unsafe { sys::rd_kafka_mock_topic_create(self.cluster.as_ptr(), name.as_ptr(), partitions, replication) })
    }

    /// Answers the next requests of this kind with these errors, one each.
    pub(crate) fn fail_next(&self, api_key: i16, errors: &[Code]) {
        // SAFETY: the cluster is alive; the errors are copied.
        unsafe {
            sys::rd_kafka_mock_push_request_errors_array(self.cluster.as_ptr(), api_key, errors.len(), errors.as_ptr());
        }
    }

    pub(crate) fn forget_failures(&self, api_key: i16) {
        // SAFETY: the cluster is alive.
        unsafe { sys::rd_kafka_mock_clear_request_errors(self.cluster.as_ptr(), api_key) }
    }

    /// Cuts off a broker's connections, or all brokers' when it is `None`.
    pub(crate) fn down(&self, broker: Option<i32>) -> Result<(), NativeError> {
        // SAFETY: the cluster is alive.
        NativeError::check(unsafe { sys::rd_kafka_mock_broker_set_down(self.cluster.as_ptr(), broker.unwrap_or(-1)) })
    }

    pub(crate) fn up(&self, broker: Option<i32>) -> Result<(), NativeError> {
        // SAFETY: the cluster is alive.
        NativeError::check(unsafe { sys::rd_kafka_mock_broker_set_up(self.cluster.as_ptr(), broker.unwrap_or(-1)) })
    }
}

impl Drop for MockCluster {
    fn drop(&mut self) {
        // SAFETY: the cluster is alive, and its client after it.
        unsafe { sys::rd_kafka_mock_cluster_destroy(self.cluster.as_ptr()) }
    }
}

impl fmt::Debug for MockCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MockCluster").field(&self.bootstrap()).finish()
    }
}

fn c_string(name: &str) -> Result<CString, NativeError> {
    CString::new(name).map_err(|_| NativeError::of(Code::RD_KAFKA_RESP_ERR__INVALID_ARG, format!("{name:?} contains a NUL")))
}
