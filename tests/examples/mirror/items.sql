-- The table `items`: a column of every common type. It may be there already, and so may its type.
DO $$ BEGIN
    CREATE TYPE item_mood AS ENUM ('sad', 'calm', 'happy');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
CREATE TABLE IF NOT EXISTS items (
    id bigint PRIMARY KEY,
    is_new boolean,
    small smallint,
    whole integer,
    large bigint,
    single real,
    double double precision,
    price numeric(12, 2),
    exact numeric,
    name text,
    code varchar(40),
    fixed char(8),
    mood item_mood,
    raw bytea,
    born date,
    at_time time,
    at_time_tz timetz,
    at_stamp timestamp,
    at_stamp_tz timestamptz,
    lasting interval,
    ext uuid,
    doc json,
    docb jsonb,
    address inet,
    network cidr,
    hardware macaddr,
    flags bit varying(16),
    numbers integer[],
    words text[],
    amounts numeric(10, 2)[],
    kafka_skip boolean NOT NULL DEFAULT false,
    story text
);
