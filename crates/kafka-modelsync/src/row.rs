//! A row: values by the names of their columns. Rows of one schema share their names.

use std::sync::Arc;

use crate::value::Value;

/// The names of a row's columns, in order. Shared by all rows of a schema: who keeps something by the names compares the pointer first.
pub type Names = Arc<[Arc<str>]>;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    names: Names,
    values: Vec<Value>,
}

/// A message's key.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// Columns by their names, as Debezium sends it.
    Row(Row),
    /// One value without a name.
    Whole(Value),
}

impl Row {
    /// A row of as many values as names; what is missing is null, and what is too much is left out.
    #[must_use]
    pub fn new(names: Names, mut values: Vec<Value>) -> Self {
        values.resize(names.len(), Value::Null);
        Self { names, values }
    }

    /// The names of the columns.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The values in the order of the names.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The place of a column.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| **known == *name)
    }

    /// The value of a column.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.index_of(name).map(|at| &self.values[at])
    }

    /// The value of a column, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.index_of(name).map(|at| &mut self.values[at])
    }

    /// The value at a place, to change it.
    pub fn at_mut(&mut self, index: usize) -> Option<&mut Value> {
        self.values.get_mut(index)
    }

    /// Every column with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.names.iter().zip(&self.values)
    }

    /// Sets a column, which is added behind the others if there is none of the name. Adding costs new names for this row alone.
    pub fn set(&mut self, name: &str, value: Value) {
        match self.index_of(name) {
            Some(at) => self.values[at] = value,
            None => {
                self.names = self.names.iter().cloned().chain([name.into()]).collect();
                self.values.push(value);
            }
        }
    }

    /// Takes a column out. Costs new names for this row alone.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.index_of(name)?;
        self.names = self.names.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, name)| Arc::clone(name)).collect();
        Some(self.values.remove(at))
    }

    /// The names and the values.
    #[must_use]
    pub fn into_parts(self) -> (Names, Vec<Value>) {
        (self.names, self.values)
    }
}

impl<N: Into<Arc<str>>> FromIterator<(N, Value)> for Row {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(columns: I) -> Self {
        let (names, values): (Vec<Arc<str>>, Vec<Value>) = columns.into_iter().map(|(name, value)| (name.into(), value)).unzip();
        Self { names: names.into(), values }
    }
}

impl Key {
    /// A column of the key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Row(row) => row.get(name),
            Self::Whole(_) => None,
        }
    }
}
