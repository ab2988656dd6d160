CREATE TABLE IF NOT EXISTS kafka_waiting_messages (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fence BIGINT NOT NULL,
    reason_id BIGINT NOT NULL,
    message_offset BIGINT NOT NULL,
    parked_at_ms BIGINT NOT NULL,
    timestamp_ms BIGINT,
    message_partition INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    timestamp_type SMALLINT NOT NULL,
    group_id TEXT COLLATE "C" NOT NULL,
    declared_topic TEXT COLLATE "C" NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    message_key BYTEA,
    message_value BYTEA,
    headers BYTEA NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS kafka_waiting_messages_place
    ON kafka_waiting_messages (group_id, topic, message_partition, message_offset);
CREATE INDEX IF NOT EXISTS kafka_waiting_messages_fence
    ON kafka_waiting_messages (fence, topic, message_partition, message_offset);
CREATE INDEX IF NOT EXISTS kafka_waiting_messages_reason
    ON kafka_waiting_messages (group_id, reason_id);
CREATE INDEX IF NOT EXISTS kafka_waiting_messages_parked
    ON kafka_waiting_messages (group_id, parked_at_ms);
-- The fences whose messages are being replayed. Rows of messages are never updated for that: it would cost more than all the rest.
CREATE TABLE IF NOT EXISTS kafka_resolving_fences (
    fence BIGINT PRIMARY KEY,
    group_id TEXT COLLATE "C" NOT NULL,
    declared_topic TEXT COLLATE "C" NOT NULL
);
CREATE OR REPLACE FUNCTION kafka_resolver_appeared() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key TEXT;
    kind TEXT;
    news TEXT;
    rows BIGINT;
BEGIN
    SELECT count(*) INTO rows FROM appeared;
    IF rows > 200 THEN
        PERFORM pg_notify(TG_ARGV[0], '');
    ELSE
        FOR key, kind IN EXECUTE
            format('SELECT %1$I::text, pg_typeof(%1$I)::text FROM appeared WHERE %1$I IS NOT NULL', TG_ARGV[2])
        LOOP
            -- Of other types the reader makes what the text looks like.
            news := CASE
                WHEN kind IN ('smallint', 'integer', 'bigint')
                    THEN json_build_array(TG_ARGV[1], TG_ARGV[2], key, json_build_object('int', key::bigint))
                WHEN kind IN ('text', 'character varying', 'character', 'name', 'citext')
                    THEN json_build_array(TG_ARGV[1], TG_ARGV[2], key, json_build_object('text', key))
                WHEN kind = 'uuid'
                    THEN json_build_array(TG_ARGV[1], TG_ARGV[2], key, json_build_object('uuid', key))
                ELSE json_build_array(TG_ARGV[1], TG_ARGV[2], key)
            END::text;
            -- More is refused, and with it the rows.
            PERFORM pg_notify(TG_ARGV[0], CASE WHEN octet_length(news) < 8000 THEN news ELSE '' END);
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
