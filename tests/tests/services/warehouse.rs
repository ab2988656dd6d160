//! Messages that wait for their rows: three tables with foreign keys, their messages in any order, on real servers.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, heavy};
use kafka_tests::until::{throughout, until};
use kafka_tests::warehouse::{TABLES, Warehouse, customer, order, order_line, tombstone};

/// A dead member is noticed as soon as the broker allows.
pub(crate) const QUICK: [&str; 6] =
    ["--set", "session.timeout.ms=1000", "--set", "heartbeat.interval.ms=300", "--set", "auto.commit.interval.ms=100"];

/// How long a machine with much else to do may take.
pub(crate) const LONG: Duration = Duration::from_secs(900);

/// What is sent: so many customers, orders (in two versions) and lines.
pub(crate) struct Load {
    pub(crate) customers: i64,
    pub(crate) orders: i64,
    pub(crate) lines: i64,
    /// How many messages of one kind follow one another at most.
    pub(crate) piece: usize,
}

const LARGE: Load = Load { customers: 10_000, orders: 20_000, lines: 50_000, piece: 2_500 };

impl Load {
    /// Pieces of all topics in random order, but most children before their parents.
    pub(crate) fn send(&self, warehouse: &Warehouse) {
        let mut pieces: Vec<(u64, &str, Vec<Record>)> = Vec::new();
        let lines: Vec<_> = (0..self.lines).map(|id| order_line(id, id * 7 % self.orders)).collect();
        let first: Vec<_> = (0..self.orders).map(|id| order(id, (id % 10 != 0).then(|| id * 3 % self.customers), 1)).collect();
        let second: Vec<_> = (0..self.orders).map(|id| order(id, (id % 10 != 0).then(|| id * 3 % self.customers), 2)).collect();
        let customers: Vec<_> = (0..self.customers).map(customer).collect();
        for (weight, table, records) in
            [(0, "order_lines", lines), (1, "orders", first), (3, "orders", second), (4, "customers", customers)]
        {
            for (at, piece) in records.chunks(self.piece).enumerate() {
                pieces.push((weight * 1_000 + RandomState::new().hash_one(at) % 1_500, table, piece.to_vec()));
            }
        }
        // The versions of an order keep their order; all else is mixed.
        pieces.sort_by_key(|(place, _, _)| *place);
        for (_, table, records) in pieces {
            warehouse.send(table, records);
        }
    }

    pub(crate) fn has_landed(&self, warehouse: &mut Warehouse) -> bool {
        let waiting = warehouse.database.count("kafka_waiting_messages");
        let second = warehouse.database.number("SELECT count(*) AS number FROM orders WHERE note = '2'").unwrap_or(0);
        waiting == 0
            && second == self.orders
            && TABLES.map(|table| warehouse.database.count(table)) == [self.customers, self.orders, self.lines]
    }
}

/// Notes every write of an order, in the order in which they came.
pub(crate) fn watch_orders(warehouse: &mut Warehouse) {
    until("tables to watch", SOON, || warehouse.database.count("order_lines") >= 0);
    warehouse.database.run(
        "CREATE TABLE written (n BIGINT GENERATED ALWAYS AS IDENTITY, id BIGINT, note TEXT);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO written (id, note) VALUES (NEW.id, NEW.note); RETURN NULL; END $$;
         CREATE TRIGGER note AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION note();",
    );
}

#[track_caller]
pub(crate) fn were_written_in_order(warehouse: &mut Warehouse) {
    let back = "SELECT count(*) AS number FROM written AS earlier JOIN written AS later USING (id) WHERE earlier.n < later.n AND earlier.note > later.note";
    assert_eq!(warehouse.database.number(back), Some(0), "versions of an order were written in order");
}

#[test]
fn a_hundred_thousand_messages_in_any_order_all_land() {
    let _place = heavy();
    let mut warehouse = Warehouse::new("warehouse");
    LARGE.send(&warehouse);
    let started = Instant::now();
    let process = warehouse.start(&QUICK);
    watch_orders(&mut warehouse);
    until("everything landed", LONG, || LARGE.has_landed(&mut warehouse));
    println!("100,000 messages landed in {:?}", started.elapsed());
    were_written_in_order(&mut warehouse);
    assert_eq!((process.logged("violates"), process.logged("failed")), (0, 0));
    process.stop(SOON);
    warehouse.is_at_the_end();
}

#[test]
fn two_processes_and_ten_kills_lose_nothing() {
    let _place = heavy();
    let mut warehouse = Warehouse::new("warehouse-kills");
    LARGE.send(&warehouse);
    let mut processes = [warehouse.start(&QUICK), warehouse.start(&QUICK)];
    until("tables to watch", SOON, || warehouse.database.count("order_lines") >= 0);
    let progress = "SELECT (SELECT count(*) FROM order_lines) + (SELECT count(*) FROM orders) + (SELECT count(*) FROM customers)
        + (SELECT coalesce(max(id), 0) FROM kafka_waiting_messages) AS number";
    for kill in 0..10 {
        let from = warehouse.database.number(progress).unwrap_or(0);
        let growth = 2_000 + i64::try_from(RandomState::new().hash_one(kill) % 5_000).unwrap_or(0);
        until("work to kill in", SOON, || {
            warehouse.database.number(progress).unwrap_or(0) > from + growth || LARGE.has_landed(&mut warehouse)
        });
        let next = warehouse.start(&QUICK);
        std::mem::replace(&mut processes[kill % 2], next).kill_9();
    }
    until("everything landed", LONG, || LARGE.has_landed(&mut warehouse));
    for process in processes {
        assert_eq!(process.logged("violates"), 0);
        process.stop(SOON);
    }
    warehouse.is_at_the_end();
}

#[test]
fn a_tombstone_supersedes_what_waits_and_nothing_else() {
    let mut warehouse = Warehouse::new("warehouse-tombstones");
    let process = warehouse.start(&QUICK);
    warehouse.send("orders", [order(1, Some(5), 1), order(2, Some(5), 1)]);
    until("both wait", SOON, || warehouse.database.count("kafka_waiting_messages") == 2);
    warehouse.send("orders", [tombstone(1)]);
    until("one waits", SOON, || warehouse.database.count("kafka_waiting_messages") == 1);
    // What comes after the deletion is a new life of the key.
    warehouse.send("orders", [order(4, Some(5), 1), order(1, None, 7)]);
    until("the new life", SOON, || {
        warehouse.database.number("SELECT count(*) AS number FROM orders WHERE id = 1 AND note = '7'") == Some(1)
    });
    warehouse.send("customers", [customer(5)]);
    until("the others land", SOON, || warehouse.database.count("orders") == 3 && warehouse.database.count("kafka_waiting_messages") == 0);
    // A deleted parent takes its children with it; a child that comes then waits for the parent's return.
    warehouse.send("customers", [tombstone(5)]);
    until("the cascade", SOON, || warehouse.database.count("orders") == 1);
    warehouse.send("orders", [order(2, Some(5), 2)]);
    until("it waits", SOON, || warehouse.database.count("kafka_waiting_messages") == 1);
    throughout("it waits", Duration::from_millis(300), || warehouse.database.count("orders") == 1);
    warehouse.send("customers", [customer(5)]);
    until("it lands", SOON, || warehouse.database.count("orders") == 2);
    process.stop(SOON);
    warehouse.is_at_the_end();
}

#[test]
fn without_a_daemon_messages_wait_and_a_message_of_a_released_key_pauses() {
    let mut warehouse = Warehouse::new("warehouse-none");
    let process = warehouse.start(&[&QUICK[..], &["--daemon", "none"]].concat());
    warehouse.send("orders", [order(1, Some(5), 1)]);
    until("it waits", SOON, || warehouse.database.count("kafka_waiting_messages") == 1);
    warehouse.send("customers", [customer(5)]);
    until("the parent", SOON, || warehouse.database.count("customers") == 1);
    // Its relation exists, and an earlier message still waits for it: the partition pauses.
    warehouse.send("orders", [order(4, Some(5), 1)]);
    throughout("nothing overtakes", Duration::from_secs(1), || warehouse.database.count("orders") == 0);
    assert_eq!(warehouse.database.count("kafka_waiting_messages"), 1);
    let daemon = warehouse.start(&QUICK);
    until("both land", SOON, || warehouse.database.count("orders") == 2);
    daemon.stop(SOON);
    process.stop(SOON);
    warehouse.is_at_the_end();
}
