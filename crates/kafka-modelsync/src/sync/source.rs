//! What a sync adds to the shared source connector. Pure data; merged with the connector's own config at assembly.

use kafka_connect::config::{ConfigValue, Fragment};
use kafka_connect::skip;

use super::names::SyncNames;
use super::spec::{Direction, Fields, ReplicaIdentity, Source, SyncSpec};

/// Takes `kafka_skip` out of what is sent, behind whatever flattens.
const DROP: &str = "kafka_skip_drop";

/// Which columns the connector sends of tables that say nothing of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns<'a> {
    /// All; no table of the connector says anything.
    Unsaid,
    /// All, said: what one table says would hold for all others.
    Said {
        /// The tables of the connector that are synced; any others are its own.
        synced: &'a [String],
    },
}

/// The piece of one sync. `topic_prefix` is that of the settings.
#[must_use]
pub fn fragment(spec: &SyncSpec, source: &Source, names: &SyncNames, columns: Columns<'_>, topic_prefix: Option<&str>) -> Fragment {
    let table = &names.table;
    let mut fragment = Fragment::new(format!("model sync of {}", spec.name)).list("table.include.list", [table.as_str()]);
    if let Some(prefix) = topic_prefix {
        fragment = fragment.set("topic.prefix", prefix);
    }
    let bidirectional = spec.direction == Direction::Bidirectional;
    if let Some(identity) = source.replica_identity.or(bidirectional.then_some(ReplicaIdentity::Full)) {
        let identity = match identity {
            ReplicaIdentity::Default => "DEFAULT",
            ReplicaIdentity::Full => "FULL",
        };
        fragment = fragment.list("replica.identity.autoset.values", [format!("{table}:{identity}")]);
    }
    if !source.message_key.is_empty() {
        fragment = fragment.list_separated("message.key.columns", ';', [format!("{table}:{}", source.message_key.join(","))]);
    }
    if let Columns::Said { synced } = columns {
        fragment = fragment.list_made_of("column.include.list", "table.include.list", synced, "\\..*");
    }
    let included = included(spec, source, table, columns);
    if !included.is_empty() {
        fragment = fragment.list("column.include.list", included);
    }
    if let Some(topic) = names.raw.as_deref().filter(|_| names.is_rerouted()) {
        fragment = rerouted(fragment, spec, names, topic);
    }
    if bidirectional { skipping(fragment) } else { fragment }
}

/// Whether a sync says which columns are sent.
#[must_use]
pub fn says_columns(spec: &SyncSpec) -> bool {
    spec.fields != Fields::All
}

/// Debezium takes each item as a regular expression over `schema.table.column`.
fn included(spec: &SyncSpec, source: &Source, table: &str, columns: Columns<'_>) -> Vec<String> {
    match (&spec.fields, columns) {
        (Fields::All, Columns::Unsaid) => Vec::new(),
        (Fields::All, Columns::Said { .. }) => vec![format!("{}\\..*", escaped(table))],
        (Fields::Only(_) | Fields::Except(_), _) => {
            // The filter looks at the flag, so it has to be there.
            let flag = spec.table.has(skip::COLUMN).then_some(skip::COLUMN);
            let written = spec.written();
            // The key is made of what is sent.
            let of_key = source.message_key.iter().map(String::as_str).filter(|column| !written.contains(column));
            let columns = written.iter().copied().chain(of_key).chain(flag);
            columns.map(|column| format!("{}\\.{}", escaped(table), escaped(column))).collect()
        }
    }
}

/// Before whatever flattens: the router renames the envelope.
fn rerouted(fragment: Fragment, spec: &SyncSpec, names: &SyncNames, topic: &str) -> Fragment {
    // A point would end the name of the transform.
    let name = format!("route_{}", spec.name.replace('.', "_"));
    let own = names.by_table.as_deref().unwrap_or_default();
    let settings: [(&str, ConfigValue); 4] = [
        ("type", "io.debezium.transforms.ByLogicalTableRouter".into()),
        ("topic.regex", escaped(own).into()),
        ("topic.replacement", topic.replace('$', "\\$").into()),
        // Keys stay those of the table: it is alone in its topic.
        ("key.enforce.uniqueness", false.into()),
    ];
    let fragment = fragment.list_before("transforms", [name.as_str()]);
    settings.into_iter().fold(fragment, |fragment, (key, value)| fragment.set(format!("transforms.{name}.{key}"), value))
}

/// The filter before whatever flattens, on the envelope; the removal behind it.
fn skipping(fragment: Fragment) -> Fragment {
    let filter = skip::COLUMN;
    let settings: [(String, ConfigValue); 7] = [
        (format!("transforms.{filter}.type"), "io.debezium.transforms.Filter".into()),
        (format!("transforms.{filter}.language"), "jsr223.groovy".into()),
        (format!("transforms.{filter}.condition"), skip::FILTER.into()),
        (format!("transforms.{filter}.null.handling.mode"), "keep".into()),
        (format!("transforms.{DROP}.type"), "org.apache.kafka.connect.transforms.ReplaceField$Value".into()),
        (format!("transforms.{DROP}.exclude"), filter.into()),
        // The connector's own tombstone would follow a deletion that was filtered.
        ("tombstones.on.delete".to_owned(), false.into()),
    ];
    let fragment = fragment.list_before("transforms", [filter]).list("transforms", [DROP]);
    settings.into_iter().fold(fragment, |fragment, (key, value)| fragment.set(key, value))
}

/// A name as a regular expression that matches nothing else.
fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, character| {
        if !character.is_alphanumeric() && character != '_' {
            text.push('\\');
        }
        text.push(character);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::settings::ModelSyncSettings;
    use crate::table::Table;
    use kafka_connect::config::ConnectorConfig;

    fn merged(own: ConnectorConfig, specs: &[SyncSpec]) -> String {
        let settings = ModelSyncSettings { topic_prefix: Some("app".to_owned()), ..ModelSyncSettings::default() };
        let synced: Vec<_> = specs.iter().map(|spec| SyncNames::of(spec, &settings).table).collect();
        let columns = if specs.iter().any(says_columns) { Columns::Said { synced: &synced } } else { Columns::Unsaid };
        let mut config = own;
        for spec in specs {
            let names = SyncNames::of(spec, &settings);
            let fragment = fragment(spec, spec.source.as_ref().unwrap(), &names, columns, Some("app"));
            config.merge(&fragment).unwrap();
        }
        config.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }

    fn orders() -> SyncSpec {
        SyncSpec::new("Orders", Table::named("orders", ["id", "note"], ["id"])).source(Source::shared())
    }

    fn customers() -> SyncSpec {
        SyncSpec::new("Customers", Table::named("crm.customers", ["id", "name", "secret", "kafka_skip"], ["id"]))
    }

    #[test]
    fn a_plain_source_adds_its_table() {
        insta::assert_snapshot!(merged(ConnectorConfig::new().set("table.include.list", "public.own"), &[orders()]), @r"
        table.include.list = public.own,public.orders
        topic.prefix = app
        ");
    }

    #[test]
    fn columns_that_one_table_chooses_are_said_for_all() {
        let source = Source::shared().message_key(["secret", "id"]).replica_identity(ReplicaIdentity::Default);
        let customers = customers().source(source).fields(Fields::Except(vec!["secret".to_owned()]));
        // Those of the connector's own tables too, and of the key.
        let own = ConnectorConfig::new().set("table.include.list", "public.own, crm.some_.*");
        insta::assert_snapshot!(merged(own, &[orders(), customers]), @r"
        column.include.list = public.own\..*,crm.some_.*\..*,public\.orders\..*,crm\.customers\.id,crm\.customers\.name,crm\.customers\.secret,crm\.customers\.kafka_skip
        message.key.columns = crm.customers:secret,id
        replica.identity.autoset.values = crm.customers:DEFAULT
        table.include.list = public.own,crm.some_.*,public.orders,crm.customers
        topic.prefix = app
        ");
    }

    #[test]
    fn a_bidirectional_one_filters_reroutes_and_removes_the_flag() {
        let both = customers().source(Source::shared()).bidirectional().topic("shared.$customers");
        let none: [(&str, &str); 0] = [];
        let own = ConnectorConfig::new().transform("unwrap", "io.debezium.transforms.ExtractNewRecordState", none);
        insta::assert_snapshot!(merged(own, &[both, orders().topic("orders")]), @r"
        replica.identity.autoset.values = crm.customers:FULL
        table.include.list = crm.customers,public.orders
        tombstones.on.delete = false
        topic.prefix = app
        transforms = route_Orders,kafka_skip,route_Customers,unwrap,kafka_skip_drop
        transforms.kafka_skip.condition = value == null || valueSchema.field('before')?.schema()?.field('kafka_skip') == null || (value.op == 'd' ? header?.containsKey('__debezium.newkey') || !value.before?.kafka_skip : !value.after?.kafka_skip)
        transforms.kafka_skip.language = jsr223.groovy
        transforms.kafka_skip.null.handling.mode = keep
        transforms.kafka_skip.type = io.debezium.transforms.Filter
        transforms.kafka_skip_drop.exclude = kafka_skip
        transforms.kafka_skip_drop.type = org.apache.kafka.connect.transforms.ReplaceField$Value
        transforms.route_Customers.key.enforce.uniqueness = false
        transforms.route_Customers.topic.regex = app\.crm\.customers
        transforms.route_Customers.topic.replacement = shared.\$customers
        transforms.route_Customers.type = io.debezium.transforms.ByLogicalTableRouter
        transforms.route_Orders.key.enforce.uniqueness = false
        transforms.route_Orders.topic.regex = app\.public\.orders
        transforms.route_Orders.topic.replacement = orders
        transforms.route_Orders.type = io.debezium.transforms.ByLogicalTableRouter
        transforms.unwrap.type = io.debezium.transforms.ExtractNewRecordState
        ");
    }
}
