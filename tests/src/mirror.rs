//! The example `mirror` as processes, between two databases of its own; and changes of every kind to its source.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::cluster;
use crate::connectors::connect_url;
use crate::database::{self, Database};
use crate::process::{Running, example};
use crate::story::unique;

/// The columns that a mirror has to have like its source: all but `kafka_skip`, which is each database's own affair.
const COLUMNS: &str =
    "id, is_new, small, whole, large, single, double, price, exact, name, code, fixed, mood, raw, born, at_time, at_time_tz,
    at_stamp, at_stamp_tz, lasting, ext, doc, docb, address, network, hardware, flags, numbers, words, amounts, story";

/// Values for all columns but the first and `kafka_skip`. What Debezium keeps nothing of is not among them: zones of times other than UTC.
const VALUES: &str = "random() < 0.5, (random() * 60000 - 30000)::smallint, (random() * 4e9 - 2e9)::integer, (random() * 1.8e19 - 9e18)::bigint,
    (random() * 1e6)::real, random() * 1e12 - 5e11, (random() * 1e9 - 5e8)::numeric(12, 2),
    (random() * 1e6)::numeric / (1 + (random() * 1000)::integer)::numeric, nullif('näme ' || (random() * 1e6)::integer, 'x'),
    substr(md5(random()::text), 1, (random() * 30)::integer), substr(md5(random()::text), 1, 5), (ARRAY['sad', 'calm', 'happy'])[1 + (random() * 2)::integer]::item_mood,
    decode(md5(random()::text), 'hex'), date '2000-01-01' + (random() * 20000 - 10000)::integer, time '00:00' + random() * interval '86399 seconds',
    ((time '00:00' + random() * interval '86399 seconds')::text || '+00')::timetz,
    timestamp '2000-01-01' + (random() - 0.5) * interval '60 years', timestamptz '2000-01-01 00:00:00Z' + (random() - 0.5) * interval '60 years',
    make_interval((random() * 10)::integer, (random() * 11)::integer, 0, (random() * 27)::integer, (random() * 23)::integer, (random() * 59)::integer, (random() * 59)::integer),
    gen_random_uuid(), json_build_object('n', (random() * 1000)::integer, 'text', 'a \"b\" ''c'''), jsonb_build_object('n', (random() * 1000)::integer, 'list', jsonb_build_array(1, null, true)),
    ('10.' || (random() * 255)::integer || '.0.' || (random() * 255)::integer)::inet, ('10.' || (random() * 255)::integer || '.0.0/16')::cidr,
    ('08:00:2b:01:02:' || lpad(to_hex((random() * 255)::integer), 2, '0'))::macaddr, ltrim((random() * 65535)::integer::bit(16)::text, '0')::varbit,
    CASE WHEN random() < 0.1 THEN NULL ELSE ARRAY[(random() * 100)::integer, NULL, -1] END, ARRAY['a,b', '{c}', 'd\"e', NULL, (random() * 1000)::integer::text],
    ARRAY[(random() * 100)::numeric(10, 2), 1.50]";

/// A story that is long enough for PostgreSQL to keep it elsewhere, and that does not compress.
const STORY: &str = "(SELECT string_agg(md5(random()::text || n || id), '') FROM generate_series(1, 120) AS n)";

/// Two databases, a connector between one and a topic, and a group.
#[derive(Debug)]
pub struct Mirror {
    /// What connector and topic are called.
    pub name: String,
    /// The group of the mirrors that are started from now on.
    pub group: String,
    /// Where the changes are made.
    pub source: Database,
    /// Where they are mirrored.
    pub sink: Database,
    dir: tempfile::TempDir,
    started: u32,
}

impl Mirror {
    /// Makes the databases and the source's table.
    ///
    /// # Panics
    /// When PostgreSQL does not answer.
    #[must_use]
    pub fn new(word: &str) -> Self {
        let name = unique(word).replace('-', "_");
        let [mut source, sink] = ["source", "sink"].map(|side| Database::of_its_own(&format!("{name}_{side}")));
        let schema = Command::new(program()).arg("schema").output().expect("the program runs");
        source.run(&String::from_utf8_lossy(&schema.stdout));
        Self { group: name.clone(), name, source, sink, dir: tempfile::tempdir().expect("a directory"), started: 0 }
    }

    /// The topic that the source's changes go to.
    #[must_use]
    pub fn topic(&self) -> String {
        format!("{}.public.items", self.name)
    }

    /// Runs `mirror connect …`; its answer.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn connect(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program());
        command.arg("connect").args(arguments);
        command.args(["--connect-url", &connect_url(), "--source-database-url", &self.source.url, "--prefix", &self.name]);
        let output = command.env("NO_COLOR", "1").output().expect("the program runs");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{answer}\n{}", String::from_utf8_lossy(&output.stderr));
        answer
    }

    /// Starts a mirror with these arguments more.
    #[must_use]
    pub fn start(&mut self, more: &[&str]) -> Running {
        let mut command = Command::new(program());
        let registry = std::env::var("SCHEMA_REGISTRY_URL").unwrap_or_else(|_| "http://127.0.0.1:8081".to_owned());
        command.args(["--bootstrap-servers", &cluster::bootstrap(), "--schema-registry-url", &registry, "--database-url", &self.sink.url]);
        command.args(["--group", &self.group, "--topic", &self.topic()]).args(more);
        command.env("RUST_LOG", "info").env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null());
        self.started += 1;
        Running::start(&mut command, self.dir.path().join(format!("log-{}", self.started)))
    }

    /// Makes changes of every kind to the source, so many at least. How many it were.
    pub fn change(&mut self, changes: usize) -> usize {
        let kinds = [
            format!(
                "INSERT INTO items ({COLUMNS}) SELECT id, {VALUES}, CASE WHEN id % 3 = 0 THEN {STORY} ELSE 'short' END
                FROM (SELECT DISTINCT (random() * 20000)::bigint AS id FROM generate_series(1, 600)) AS new ON CONFLICT (id) DO NOTHING"
            ),
            format!(
                "UPDATE items SET ({}) = (SELECT {VALUES}) WHERE id % 97 = (random() * 96)::integer",
                COLUMNS.trim_start_matches("id, ").trim_end_matches(", story")
            ),
            "UPDATE items SET whole = coalesce(whole, 0) / 2, name = NULL WHERE id % 53 = (SELECT (random() * 52)::integer)".to_owned(),
            format!("UPDATE items SET story = {STORY} WHERE id % 101 = (SELECT (random() * 100)::integer)"),
            // Of every type that Debezium has a placeholder for.
            format!(
                "UPDATE items SET raw = decode({STORY}, 'hex'), doc = json_build_object('long', {STORY}), docb = jsonb_build_object('long', {STORY}),
                numbers = ARRAY(SELECT (random() * 2e9)::integer FROM generate_series(1, 1500)), words = ARRAY[{STORY}, 'short', NULL]
                WHERE id % 89 = (SELECT (random() * 88)::integer)"
            ),
            "DELETE FROM items WHERE id % 41 = (SELECT (random() * 40)::integer)".to_owned(),
            // The long story of a row whose key changes is not sent again: not under the next key, and not under the first one once more.
            "UPDATE items SET id = id + 1000000 WHERE id < 1000000 AND id % 211 = (SELECT (random() * 210)::integer)
                AND NOT EXISTS (SELECT FROM items AS there WHERE there.id = items.id + 1000000)"
                .to_owned(),
            "UPDATE items SET id = id - 1000000, whole = 7 WHERE id >= 1000000 AND id % 7 = (SELECT (random() * 6)::integer)
                AND NOT EXISTS (SELECT FROM items AS there WHERE there.id = items.id - 1000000)"
                .to_owned(),
        ];
        let mut made = 0;
        for kind in kinds.iter().cycle() {
            if made >= changes {
                break;
            }
            made += self.source.run_counted(kind);
        }
        made
    }

    /// Everything in the mirrored table as one text.
    pub fn mirrored(&mut self) -> Option<String> {
        checksum(&mut self.sink)
    }

    /// Whether both tables are equal row by row.
    pub fn is_equal(&mut self) -> bool {
        checksum(&mut self.source) == checksum(&mut self.sink)
    }

    /// The first rows in which the tables differ.
    pub fn differences(&mut self) -> String {
        let sql = format!("SELECT to_json(items.*)::text AS text FROM (SELECT {COLUMNS} FROM items ORDER BY id) AS items");
        let (source, sink) = (self.source.texts(&sql), self.sink.texts(&sql));
        let pairs = source.iter().zip(&sink).filter(|(one, other)| one != other).take(3);
        let pairs: String = pairs.map(|(one, other)| format!("source {one}\nsink   {other}\n")).collect();
        format!("{} rows in the source, {} in the sink\n{pairs}", source.len(), sink.len())
    }
}

impl Drop for Mirror {
    /// A connector that is left behind keeps a replication slot, and a database cannot be dropped with it.
    fn drop(&mut self) {
        let url = format!("{}/connectors/{}.Mirror", connect_url(), self.name);
        drop(Command::new("curl").args(["-s", "-X", "DELETE", &url]).output());
        database::drop_slots_of(&self.source.name);
        if !std::thread::panicking() {
            cluster::delete_topic(&self.topic());
        }
    }
}

/// Everything in a table as one text.
fn checksum(database: &mut Database) -> Option<String> {
    let sql =
        format!("SELECT md5(string_agg(md5(items::text), '' ORDER BY id)) || count(*) AS text FROM (SELECT {COLUMNS} FROM items) AS items");
    database.texts(&sql).pop()
}

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| example("kafka-tests", "mirror"))
}
