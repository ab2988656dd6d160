//! Where the fields of a row stand before and after the transforms: worked out once for all rows of a schema.

use std::sync::{Arc, Mutex, PoisonError};

use super::field::{Field, Kept, Operation};
use crate::row::{Names, Row};
use crate::value::Value;

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

/// Each transform's places, and which places are left at the end.
#[derive(Debug)]
pub(super) struct Plan {
    /// None where the row has not got the source, or the transform is not for this part.
    pub(super) steps: Vec<Option<Step>>,
    width: usize,
    left: Vec<usize>,
    names: Names,
}

#[derive(Debug)]
pub(super) struct Step {
    /// The places to read, the source's first.
    pub(super) sources: Vec<usize>,
    pub(super) target: usize,
}

/// Plans that were made, by the rows' names.
#[derive(Debug, Default)]
pub(super) struct Plans(Mutex<Vec<(Names, Part, Arc<Plan>)>>);

/// A topic whose rows have more different columns than these is planned anew each time.
const MOST: usize = 64;

impl Plans {
    pub(super) fn of(&self, names: &Names, part: Part, fields: &[Field]) -> Arc<Plan> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(known, of, _): &&(Names, Part, _)| *of == part && Arc::ptr_eq(known, names);
        if let Some((.., plan)) = known.iter().find(same) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::new(names, part, fields));
        known.truncate(MOST - 1);
        known.insert(0, (Arc::clone(names), part, Arc::clone(&plan)));
        plan
    }
}

impl Plan {
    fn new(names: &Names, part: Part, fields: &[Field]) -> Self {
        let mut places: Vec<Option<Arc<str>>> = names.iter().map(|name| Some(Arc::clone(name))).collect();
        let mut steps = Vec::with_capacity(fields.len());
        for field in fields {
            let meant = if part == Part::Key { field.parts.has_key() } else { field.parts.has_value() };
            let place = |places: &[Option<Arc<str>>], name: &Arc<str>| places.iter().position(|known| known.as_ref() == Some(name));
            let source = place(&places, &field.source);
            let sources: Vec<usize> = match &field.operation {
                Operation::Coalesce(others) => source.into_iter().chain(others.iter().filter_map(|other| place(&places, other))).collect(),
                _ => source.into_iter().collect(),
            };
            if !meant || (sources.is_empty() && !matches!(field.operation, Operation::Fixed(_))) {
                steps.push(None);
                continue;
            }
            let target = place(&places, &field.target).unwrap_or_else(|| {
                places.push(Some(Arc::clone(&field.target)));
                places.len() - 1
            });
            if let (Some(source), Kept::No) = (source, field.kept)
                && source != target
            {
                places[source] = None;
            }
            steps.push(Some(Step { sources, target }));
        }
        let left = places.iter().enumerate().filter_map(|(place, name)| name.as_ref().map(|_| place)).collect();
        Self { steps, width: places.len(), left, names: places.into_iter().flatten().collect() }
    }

    /// The row's values, with room for what is made.
    pub(super) fn open(&self, row: Row) -> Vec<Value> {
        let (_, mut values) = row.into_parts();
        values.resize(self.width, Value::Null);
        values
    }

    pub(super) fn close(&self, mut values: Vec<Value>) -> Row {
        let values = self.left.iter().map(|place| std::mem::replace(&mut values[*place], Value::Null)).collect();
        Row::new(Arc::clone(&self.names), values)
    }
}
