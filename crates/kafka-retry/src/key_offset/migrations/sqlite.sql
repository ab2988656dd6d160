-- The latest offset of every key of the topics that the key offset tracker follows.
-- Written by it alone. Can be run again at any time.
CREATE TABLE IF NOT EXISTS kafka_key_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    key blob NOT NULL,
    latest_offset bigint NOT NULL,
    -- The timestamp of that message, in milliseconds since the epoch.
    written_at bigint,
    PRIMARY KEY (topic, partition, key)
) WITHOUT ROWID;
