//! What a number, text or bytes stand for: Avro's logical types, and the semantic types of Connect and Debezium.

use serde_json::{Map, Value};

/// What a value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Itself.
    Plain,
    /// Days since 1970-01-01.
    Date,
    /// Since midnight.
    Time(Unit),
    /// Since the epoch, in UTC.
    Timestamp(Unit),
    /// As `Timestamp`, but of a clock on some wall.
    LocalTimestamp(Unit),
    /// Big-endian two's complement, with so many digits behind the point.
    Decimal { scale: u32 },
    /// A record of scale and bytes.
    VariableScaleDecimal,
    /// Avro's `big-decimal`: length, bytes and scale in the bytes.
    BigDecimal,
    /// Text or 16 bytes.
    Uuid,
    /// A date or time as text, with its zone at the end.
    Zoned,
}

/// The unit of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    pub(crate) fn per_second(self) -> i64 {
        match self {
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }
}

impl Meaning {
    /// What the attributes of a type say. What does not fit the type is passed over, as Avro demands.
    pub(super) fn of(base: &str, attributes: &Map<String, Value>) -> Self {
        let word = |key| attributes.get(key).and_then(Value::as_str);
        let meant = word("logicalType").map(|name| Self::logical(name, attributes));
        let meant = meant.filter(|meaning| *meaning != Self::Plain);
        let meant = meant.or_else(|| word("connect.name").map(|name| Self::connect(name, attributes))).unwrap_or(Self::Plain);
        if meant.fits(base, attributes) { meant } else { Self::Plain }
    }

    fn logical(name: &str, attributes: &Map<String, Value>) -> Self {
        match name {
            "date" => Self::Date,
            "time-millis" => Self::Time(Unit::Millis),
            "time-micros" => Self::Time(Unit::Micros),
            "timestamp-millis" => Self::Timestamp(Unit::Millis),
            "timestamp-micros" => Self::Timestamp(Unit::Micros),
            "timestamp-nanos" => Self::Timestamp(Unit::Nanos),
            "local-timestamp-millis" => Self::LocalTimestamp(Unit::Millis),
            "local-timestamp-micros" => Self::LocalTimestamp(Unit::Micros),
            "local-timestamp-nanos" => Self::LocalTimestamp(Unit::Nanos),
            "decimal" => attributes.get("scale").map_or(Some(0), Value::as_u64).map_or(Self::Plain, decimal),
            "big-decimal" => Self::BigDecimal,
            "uuid" => Self::Uuid,
            _ => Self::Plain,
        }
    }

    /// Debezium's JSON, XML, enumerations, intervals and bits are the text, number or bytes that they are.
    fn connect(name: &str, attributes: &Map<String, Value>) -> Self {
        match name {
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Self::Date,
            "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => Self::Time(Unit::Millis),
            "io.debezium.time.MicroTime" => Self::Time(Unit::Micros),
            "io.debezium.time.NanoTime" => Self::Time(Unit::Nanos),
            // PostgreSQL's `timestamp`, which has no zone; one that has comes as a `ZonedTimestamp`.
            "io.debezium.time.Timestamp" => Self::LocalTimestamp(Unit::Millis),
            "io.debezium.time.MicroTimestamp" => Self::LocalTimestamp(Unit::Micros),
            "io.debezium.time.NanoTimestamp" => Self::LocalTimestamp(Unit::Nanos),
            "org.apache.kafka.connect.data.Timestamp" => Self::Timestamp(Unit::Millis),
            "org.apache.kafka.connect.data.Decimal" => {
                // Connect says the scale as a text among its parameters.
                let parameters = attributes.get("connect.parameters").and_then(|parameters| parameters.get("scale"));
                let scale = parameters.or_else(|| attributes.get("scale"));
                scale.and_then(|scale| scale.as_u64().or_else(|| scale.as_str()?.parse().ok())).map_or(Self::Plain, decimal)
            }
            "io.debezium.data.VariableScaleDecimal" => Self::VariableScaleDecimal,
            "io.debezium.data.Uuid" => Self::Uuid,
            "io.debezium.time.ZonedTimestamp" | "io.debezium.time.ZonedTime" => Self::Zoned,
            // What `time.precision.mode=isostring` writes.
            "io.debezium.time.IsoDate" | "io.debezium.time.IsoTime" | "io.debezium.time.IsoTimestamp" => Self::Zoned,
            _ => Self::Plain,
        }
    }

    fn fits(self, base: &str, attributes: &Map<String, Value>) -> bool {
        match self {
            Self::Plain => true,
            Self::Date | Self::Time(Unit::Millis) => base == "int",
            Self::Time(_) | Self::Timestamp(_) | Self::LocalTimestamp(_) => base == "long",
            Self::Decimal { .. } => base == "bytes" || base == "fixed",
            Self::VariableScaleDecimal => base == "record",
            Self::BigDecimal => base == "bytes",
            Self::Zoned => base == "string",
            Self::Uuid => match base {
                "string" | "bytes" => true,
                "fixed" => attributes.get("size").and_then(Value::as_u64) == Some(16),
                _ => false,
            },
        }
    }
}

fn decimal(scale: u64) -> Meaning {
    u32::try_from(scale).map_or(Meaning::Plain, |scale| Meaning::Decimal { scale })
}
