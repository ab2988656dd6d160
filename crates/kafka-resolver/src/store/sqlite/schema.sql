CREATE TABLE IF NOT EXISTS kafka_waiting_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fence BIGINT NOT NULL,
    reason_id BIGINT NOT NULL,
    message_offset BIGINT NOT NULL,
    parked_at_ms BIGINT NOT NULL,
    timestamp_ms BIGINT,
    message_partition INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    timestamp_type SMALLINT NOT NULL,
    group_id TEXT NOT NULL,
    declared_topic TEXT NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    message_key BLOB,
    message_value BLOB,
    headers BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS kafka_waiting_messages_place
    ON kafka_waiting_messages (group_id, topic, message_partition, message_offset);
CREATE INDEX IF NOT EXISTS kafka_waiting_messages_fence
    ON kafka_waiting_messages (fence, topic, message_partition, message_offset);
CREATE INDEX IF NOT EXISTS kafka_waiting_messages_reason
    ON kafka_waiting_messages (group_id, reason_id);
CREATE INDEX IF NOT EXISTS kafka_waiting_messages_parked
    ON kafka_waiting_messages (group_id, parked_at_ms);
-- The fences whose messages are being replayed, by whom, and until when that holds if nothing more is heard of them.
CREATE TABLE IF NOT EXISTS kafka_resolving_fences (
    fence BIGINT PRIMARY KEY,
    group_id TEXT NOT NULL,
    declared_topic TEXT NOT NULL,
    holder TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS kafka_resolving_fences_holder ON kafka_resolving_fences (holder);
