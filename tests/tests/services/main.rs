//! What the framework promises, shown on a real Kafka: stories of the example `ledger`, and of applications in this process.
//!
//! `cargo xtask test --only services` runs them; `cargo xtask test -- NAME` runs one.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a story may panic, and says what it saw")]

mod avro;
mod benchmarks;
mod bidirectional;
mod command_line;
mod configuration;
mod connect;
mod crashes;
mod dead_letter_topics;
mod dead_letters;
mod django_kafka;
mod exactly_once;
mod failures;
mod frozen_members;
mod in_process;
mod json_schema;
mod kafka_skip;
mod key_offset_tracker;
mod keys;
mod mirror;
mod odd_messages;
mod outages;
mod parking;
mod patterns;
mod polymorphic;
mod protobuf;
mod rebalances;
mod registered;
mod reproducer;
mod retries;
mod scripts;
mod secured;
mod sinks;
mod slow_handlers;
mod static_members;
mod stopping;
#[cfg(feature = "temporal")]
mod temporal;
mod transactions;
mod waiting_room;
mod warehouse;

/// What a member of a group says to use one of the three ways to share partitions, with quick sessions where the client may say so.
mod protocol {
    pub(crate) const EAGER: &[(&str, &str)] =
        &[("partition.assignment.strategy", "range"), ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "300")];
    pub(crate) const COOPERATIVE: &[(&str, &str)] =
        &[("partition.assignment.strategy", "cooperative-sticky"), ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "300")];
    /// KIP-848: the broker decides; see [`quick_heartbeats`].
    pub(crate) const CONSUMER: &[(&str, &str)] = &[("group.protocol", "consumer")];

    /// Makes the broker ask members of this group often, so that they hear of a change soon.
    pub(crate) fn quick_heartbeats(group: &str) {
        kafka_tests::wire::configure_group(group, &[("consumer.heartbeat.interval.ms", "300"), ("consumer.session.timeout.ms", "6000")]);
    }
}
