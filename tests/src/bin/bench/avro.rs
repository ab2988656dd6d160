//! `overhead`, the cases of Avro: our format beside the Avro library's own ways between the same bytes and the same type.
//!
//! Ours goes the whole way that a message takes, framing and look-up of the schema by its id included.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use anyhow::{Context, bail};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use kafka_kit::AvroSchema;
use kafka_kit::format::{Avro, Decode, Encode, Field, Format, FormatContext, FormatTarget, Part, SchemaText};
use kafka_kit::names::TopicName;
use kafka_kit::settings::{SchemaRegistrySettings, Settings, SubjectStrategy};
use serde::{Deserialize, Serialize};

use crate::Plan;
use crate::report::{Case, compare};
use crate::side::{Figures, Side, processor_time};

/// How many values a side reads or writes.
const VALUES: u64 = 200_000;

#[derive(Debug, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "bench")]
struct Order {
    id: i64,
    customer_id: i64,
    cents: i64,
    currency: String,
    note: Option<String>,
    open: bool,
    weight: f64,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "bench")]
struct Line {
    sku: String,
    quantity: i32,
    cents: i64,
}

fn order() -> Order {
    let line = |sku: &str| Line { sku: sku.to_owned(), quantity: 3, cents: 1995 };
    Order {
        id: 1_234_567,
        customer_id: 42,
        cents: 5985,
        currency: "EUR".to_owned(),
        note: Some("leave it at the door".to_owned()),
        open: true,
        weight: 1.25,
        lines: vec![line("A-1001"), line("B-2002"), line("C-3003")],
    }
}

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    // By way of the library's value, and by its serde without one.
    for (name, what, baseline) in [
        ("avro decode", "decode", "value"),
        ("avro decode direct", "decode", "serde"),
        ("avro encode", "encode", "value"),
        ("avro encode direct", "encode", "serde"),
    ] {
        let side = |kind: &str| Side::new(["overhead", "avro", what, kind]);
        compare(plan, &Case { name: name.to_owned(), unit: "msg/s", ours: side("ours"), baseline: side(baseline) })?;
    }
    Ok(())
}

pub(crate) fn side(runtime: &tokio::runtime::Runtime, words: &[&str]) -> anyhow::Result<Figures> {
    let text = SchemaText::of::<Order>();
    let schema = Schema::parse_str(text.as_str())?;
    let reader = GenericDatumReader::builder(&schema).build()?;
    let writer = GenericDatumWriter::builder(&schema).build()?;
    let bytes = writer.write_ser_to_vec(&order())?;
    let order = order();
    match words {
        [what @ ("decode" | "encode"), "ours"] => runtime.block_on(ours(what, &bytes, &order)),
        ["decode", "value"] => timed(|| {
            #[allow(deprecated, reason = "the way that most users of the library take")]
            let value = apache_avro::from_avro_datum(&schema, &mut &*bytes, None)?;
            Ok(apache_avro::from_value::<Order>(&value)?)
        }),
        ["decode", "serde"] => timed(|| Ok(reader.read_deser::<Order>(&mut &*bytes)?)),
        ["encode", "value"] => timed(|| {
            let value = apache_avro::to_value(&order)?.resolve(&schema)?;
            Ok(writer.write_value_to_vec(value)?)
        }),
        ["encode", "serde"] => timed(|| Ok(writer.write_ser_to_vec(&order)?)),
        other => bail!("{other:?} is no side of Avro"),
    }
}

fn timed<T>(mut once: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<Figures> {
    black_box(once()?);
    let (start, before) = (Instant::now(), processor_time());
    for _ in 0..VALUES {
        black_box(once()?);
    }
    Ok(Figures::of(VALUES, start.elapsed(), before))
}

async fn ours(what: &str, bytes: &[u8], order: &Order) -> anyhow::Result<Figures> {
    let settings = Settings::default().schema_registry(SchemaRegistrySettings::new(registry(SchemaText::of::<Order>().as_str())?));
    let context = FormatContext { topic: "bench", field: Field::Value, settings: &settings, subject: SubjectStrategy::Topic };
    let (format, topic) = (Avro::<Order>::build(&context)?, TopicName::new("bench")?);
    let framed = [&[0, 0, 0, 0, 1], bytes].concat();
    let part = Part { bytes: &framed, field: Field::Value, topic: &topic };
    let target = FormatTarget { field: Field::Value, topic: &topic };
    let mut into = Vec::new();
    // The first one asks the registry.
    format.decode(part).await?;
    format.encode(order, &target, &mut into).await?;
    anyhow::ensure!(into == framed, "both write the same bytes");
    let (start, before) = (Instant::now(), processor_time());
    for _ in 0..VALUES {
        if what == "decode" {
            black_box(format.decode(part).await?);
        } else {
            let mut into = Vec::new();
            format.encode(order, &target, &mut into).await?;
            black_box(into);
        }
    }
    Ok(Figures::of(VALUES, start.elapsed(), before))
}

/// A registry that knows one schema, which has the id 1.
fn registry(schema: &str) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let answer = serde_json::json!({ "id": 1, "schema": schema }).to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = reply(stream, &answer) {
                eprintln!("the benchmark's registry: {error:#}");
            }
        }
    });
    Ok(url)
}

fn reply(mut stream: TcpStream, answer: &str) -> anyhow::Result<()> {
    let (mut length, mut lines) = (0, BufReader::new(stream.try_clone()?));
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().context("a length")?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    lines.read_exact(&mut vec![0; length])?;
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    stream.write_all((head + answer).as_bytes())?;
    Ok(())
}
