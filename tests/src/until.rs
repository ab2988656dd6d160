//! Waiting for something with a deadline; the only place of the stories that sleeps.

use std::thread;
use std::time::{Duration, Instant};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until `look` finds something.
///
/// # Panics
/// When it finds nothing in time; the message says what was waited for.
#[track_caller]
pub fn until_some<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} for this, in vain: {what}");
        thread::sleep(LOOK);
    }
}

/// Waits until `look` says yes.
///
/// # Panics
/// When it does not in time.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut look: impl FnMut() -> bool) {
    until_some(what, limit, || look().then_some(()));
}

/// Watches for some time that `look` keeps saying yes.
///
/// # Panics
/// When it says no.
#[track_caller]
pub fn throughout(what: &str, time: Duration, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        assert!(look(), "this did not last {time:?}: {what}");
        thread::sleep(LOOK);
    }
}
