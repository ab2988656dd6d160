//! What every derive stands on: errors, attributes, the root path, the fallback. Not the meaning of
//! any attribute.

pub(crate) mod attr;
pub(crate) mod duration;
pub(crate) mod errors;
pub(crate) mod fallback;
pub(crate) mod item;
pub(crate) mod nearest;
pub(crate) mod root;
pub(crate) mod topic_name;
