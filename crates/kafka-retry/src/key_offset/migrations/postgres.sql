-- The latest offset of every key of the topics that the key offset tracker follows.
-- Written by it alone. Can be run again at any time.
CREATE TABLE IF NOT EXISTS kafka_key_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    -- The key; of one over 1024 bytes its SHA-256, because an index takes no longer ones.
    key bytea NOT NULL,
    latest_offset bigint NOT NULL,
    -- The timestamp of that message, in milliseconds since the epoch.
    written_at bigint,
    -- The key first: it tells rows apart, and the comparison ends there.
    PRIMARY KEY (key, partition, topic)
)
-- Room in every page for the new version of a row, so that an update touches no index.
WITH (fillfactor = 60);
