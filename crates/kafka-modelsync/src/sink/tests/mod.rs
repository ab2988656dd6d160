//! Sinks against SQLite and against a model of a table. PostgreSQL is in the stories.

mod answers;
mod conversions;
mod equality;
mod guarding;
mod moving;
mod positions;
mod refusals;
mod stage;
mod types;
