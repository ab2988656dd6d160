//! The gate, the daemon and the store together, on hand-made runs and a clock moved by hand.

mod cases;
mod daemons;
mod simulation;
mod stage;
mod trouble;
