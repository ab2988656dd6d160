//! Turning loops by hand until there is nothing to do.

/// Whoever has loops that are turned by hand, and tasks beside them.
pub(super) trait Turning {
    /// Which loop.
    type At;

    /// Lets all tasks go on until none can.
    fn rest(&self);

    /// The loops whose threads would not be parked, in an order in which each can be turned whatever the one before does.
    fn awake(&self) -> Vec<Self::At>;

    /// Turns a loop once.
    fn turn(&mut self, at: Self::At);

    /// Turns and polls until nothing happens any more at this instant, or for too long.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            self.rest();
            let awake = self.awake();
            if awake.is_empty() {
                return;
            }
            awake.into_iter().for_each(|at| self.turn(at));
        }
    }
}
