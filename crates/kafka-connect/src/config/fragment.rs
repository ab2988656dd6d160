//! Pieces of a config that a plugin adds to a connector: model sync shares one source connector among many models.

use super::ConnectorConfig;
use crate::config::ConfigValue;

/// A piece of a config. Lists meet item by item; any other key that is there with another value is a conflict.
///
/// ```
/// use kafka_connect::config::{ConnectorConfig, Fragment};
///
/// let mut config = ConnectorConfig::new().set("table.include.list", "public.a").set("transforms", "unwrap");
/// let customers = Fragment::new("model sync of Customer")
///     .list("table.include.list", ["public.customers"])
///     .list_before("transforms", ["filter"])
///     .set("transforms.filter.type", "io.debezium.transforms.Filter");
/// config.merge(&customers).unwrap();
/// assert_eq!(config.get("table.include.list"), Some("public.a,public.customers"));
/// assert_eq!(config.get("transforms"), Some("filter,unwrap"));
/// ```
#[derive(Debug, Clone)]
pub struct Fragment {
    origin: String,
    values: ConnectorConfig,
    lists: Vec<List>,
    made: Vec<Made>,
}

/// Items that are made of those of another list.
#[derive(Debug, Clone)]
struct Made {
    key: String,
    from: String,
    except: Vec<String>,
    ending: String,
}

#[derive(Debug, Clone)]
struct List {
    key: String,
    separator: char,
    items: Vec<String>,
    place: Place,
}

/// Where the items of a list go, beside those there are.
#[derive(Debug, Clone, Copy)]
enum Place {
    Before,
    Behind,
}

/// A key that a fragment wants otherwise than it is. Values are as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is `{present}` and {origin} wants `{wanted}`; change one of the two")]
#[non_exhaustive]
pub struct MergeConflict {
    /// The key.
    pub key: String,
    /// What it is.
    pub present: String,
    /// What the fragment wants.
    pub wanted: String,
    /// Whose fragment it is.
    pub origin: String,
}

impl Fragment {
    /// An empty fragment; the origin says in errors whose it is.
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), values: ConnectorConfig::new(), lists: Vec::new(), made: Vec::new() }
    }

    /// A value. The same value from elsewhere is fine, another one is a conflict.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<ConfigValue>) -> Self {
        self.values = self.values.set(key, value);
        self
    }

    /// Items of a list that is separated by commas, behind those there are. An item that is there already is not added.
    #[must_use]
    pub fn list<T: Into<String>>(self, key: &str, items: impl IntoIterator<Item = T>) -> Self {
        self.list_with(key, ',', items, Place::Behind)
    }

    /// The same, before those there are: a filter stands before what flattens the record.
    #[must_use]
    pub fn list_before<T: Into<String>>(self, key: &str, items: impl IntoIterator<Item = T>) -> Self {
        self.list_with(key, ',', items, Place::Before)
    }

    /// Items of a list with another separator, such as `;` of `message.key.columns`.
    #[must_use]
    pub fn list_separated<T: Into<String>>(self, key: &str, separator: char, items: impl IntoIterator<Item = T>) -> Self {
        self.list_with(key, separator, items, Place::Behind)
    }

    /// Items of a list that is separated by commas, made of those that are in another: each with this ending. Those in `except` are left
    /// out, and those that an item of the list begins with already.
    ///
    /// ```
    /// # use kafka_connect::config::{ConnectorConfig, Fragment};
    /// let mut config = ConnectorConfig::new().set("table.include.list", "public.a,public.b").set("column.include.list", "public.b.id");
    /// config.merge(&Fragment::new("x").list_made_of("column.include.list", "table.include.list", ["public.c"], "\\..*")).unwrap();
    /// assert_eq!(config.get("column.include.list"), Some("public.b.id,public.a\\..*"));
    /// ```
    #[must_use]
    pub fn list_made_of<T: Into<String>>(mut self, key: &str, from: &str, except: impl IntoIterator<Item = T>, ending: &str) -> Self {
        let except = except.into_iter().map(Into::into).collect();
        self.made.push(Made { key: key.to_owned(), from: from.to_owned(), except, ending: ending.to_owned() });
        self
    }

    fn list_with<T: Into<String>>(mut self, key: &str, separator: char, items: impl IntoIterator<Item = T>, place: Place) -> Self {
        let items = items.into_iter().map(Into::into).collect();
        self.lists.push(List { key: key.to_owned(), separator, items, place });
        self
    }
}

impl ConnectorConfig {
    /// Adds a fragment.
    ///
    /// # Errors
    /// All keys that are there with another value; those that fit are added all the same.
    pub fn merge(&mut self, fragment: &Fragment) -> Result<(), Vec<MergeConflict>> {
        let mut conflicts = Vec::new();
        self.marked.extend(fragment.values.marked.iter().cloned());
        for (key, wanted) in &fragment.values.entries {
            match self.entries.get(key) {
                Some(present) if present != wanted => conflicts.push(MergeConflict {
                    key: key.clone(),
                    present: self.show(key, present),
                    wanted: self.show(key, wanted),
                    origin: fragment.origin.clone(),
                }),
                Some(_) => {}
                None => drop(self.entries.insert(key.clone(), wanted.clone())),
            }
        }
        for made in &fragment.made {
            let items = self.items_of(made);
            if !items.is_empty() {
                self.merge_list(&List { key: made.key.clone(), separator: ',', items, place: Place::Behind });
            }
        }
        fragment.lists.iter().for_each(|list| self.merge_list(list));
        if conflicts.is_empty() { Ok(()) } else { Err(conflicts) }
    }

    fn items_of(&self, made: &Made) -> Vec<String> {
        let items = |key: &str| {
            let list = self.entries.get(key).map(String::as_str).unwrap_or_default();
            list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        // Whether a point is escaped or not.
        let plain = |text: &str| text.replace('\\', "");
        let there: Vec<String> = items(&made.key).iter().map(|item| plain(item)).collect();
        let is_said = |item: &str| there.iter().any(|known| known.starts_with(&format!("{}.", plain(item))));
        let wanted = items(&made.from).into_iter().filter(|item| !made.except.contains(item) && !is_said(item));
        wanted.map(|item| item + &made.ending).collect()
    }

    fn merge_list(&mut self, list: &List) {
        let present = self.entries.remove(&list.key).unwrap_or_default();
        let mut items: Vec<String> =
            present.split(list.separator).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect();
        let mut added: Vec<String> = Vec::new();
        for item in &list.items {
            if !items.contains(item) && !added.contains(item) {
                added.push(item.clone());
            }
        }
        match list.place {
            Place::Behind => items.append(&mut added),
            Place::Before => items.splice(0..0, added).for_each(drop),
        }
        self.entries.insert(list.key.clone(), items.join(&list.separator.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_meet_and_values_agree() {
        let mut config = ConnectorConfig::new().set("l", "a, b").set("k", "v");
        let one = Fragment::new("one").list("l", ["b", "c", "c"]).set("k", "v").set("new", 1).list_separated("m", ';', ["t:id"]);
        let two = Fragment::new("two").list_before("l", ["z", "a"]).list_separated("m", ';', ["u:id", "t:id"]);
        assert_eq!(config.merge(&one).and_then(|()| config.merge(&two)), Ok(()));
        let pairs: Vec<_> = config.iter().collect();
        assert_eq!(pairs, [("k", "v"), ("l", "z,a,b,c"), ("m", "t:id;u:id"), ("new", "1")]);
    }

    #[test]
    fn another_value_is_a_conflict_that_shows_no_secret() {
        let mut config = ConnectorConfig::new().set("slot.name", "a").set("database.password", "hunter2");
        let fragment = Fragment::new("model sync of Order").set("slot.name", "b").set("database.password", "hunter3").set("x", 1);
        let conflicts = config.merge(&fragment).unwrap_err();
        let texts: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "`database.password` is `…` and model sync of Order wants `…`; change one of the two",
                "`slot.name` is `a` and model sync of Order wants `b`; change one of the two",
            ]
        );
        assert_eq!(config.get("x"), Some("1"));
    }
}
