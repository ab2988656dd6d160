CREATE TABLE IF NOT EXISTS kafka_row_tombstones (
    table_name text NOT NULL,
    row_key text NOT NULL,
    lsn bigint,
    kafka_partition integer,
    kafka_offset bigint,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, row_key)
);
CREATE TABLE IF NOT EXISTS kafka_positions (
    group_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint,
    epoch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (group_id, topic, partition)
);
CREATE TABLE IF NOT EXISTS kafka_moved_rows (
    table_name text NOT NULL,
    row_key text NOT NULL,
    former_key text NOT NULL,
    source_lsn bigint NOT NULL,
    kafka_partition integer,
    kafka_offset bigint,
    held jsonb NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, row_key, former_key, source_lsn)
);
