//! Hears the store's news, and passes them on within the process: to the daemon, and to partitions that pause.

use std::time::Duration;

use kafka_core::app::Surroundings;
use kafka_core::clock::Clock;
use kafka_core::consumer::Backoff;
use kafka_core::error::in_full;

use super::Parking;
use super::release::PATIENCE;
use crate::store::{Listener, News, StoreError};

/// Listens until it is told to stop; begins again when the connection is lost.
pub(crate) async fn listen(parking: &Parking, surroundings: &Surroundings) {
    let mut stop = surroundings.stop.clone();
    let work = async {
        let mut troubles = 0;
        loop {
            let Err(error) = hear(parking, &surroundings.clock, &mut troubles).await else { return };
            troubles += 1;
            tracing::warn!(error = %in_full(&error), "news of the store of parked messages are not heard; the interval has to do meanwhile");
            surroundings.clock.sleep(Backoff::FRAMEWORK.after(troubles)).await;
        }
    };
    tokio::select! {
        biased;
        () = stop.woken() => {}
        () = work => stop.woken().await,
    }
}

async fn hear(parking: &Parking, clock: &Clock, troubles: &mut u32) -> Result<(), StoreError> {
    let Some(listener) = parking.store.listen() else { return Ok(()) };
    let mut listener = listener.await?;
    // Whatever came while nobody listened.
    parking.hints.many();
    parking.drained.wake();
    loop {
        let news = next(&mut *listener, clock, parking.settings.interval).await?;
        *troubles = 0;
        match news {
            News::Appeared(relation) => parking.hints.appeared([relation]),
            News::Many => parking.hints.many(),
            News::Drained => parking.drained.wake(),
        }
    }
}

/// The next piece of news. Where there are none for an interval, the listener is asked whether it would hear any: a host that is gone
/// closes no connection.
async fn next(listener: &mut dyn Listener, clock: &Clock, interval: Duration) -> Result<News, StoreError> {
    loop {
        tokio::select! {
            biased;
            news = listener.next() => return news,
            () = clock.sleep(interval) => {}
        }
        tokio::select! {
            biased;
            answer = listener.check() => answer?,
            () = clock.sleep(PATIENCE) => {
                return Err(StoreError::Unreachable { source: format!("it has not answered for {PATIENCE:?}").into() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::store::Answer;

    /// Its host is gone.
    #[derive(Debug)]
    struct Cut;

    impl Listener for Cut {
        fn next(&mut self) -> Answer<'_, News> {
            Box::pin(std::future::pending())
        }

        fn check(&mut self) -> Answer<'_, ()> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn a_listener_that_is_cut_off_is_given_up() {
        let (clock, hand) = Clock::manual();
        let interval = Duration::from_secs(5);
        let mut cut = Cut;
        let mut heard = Box::pin(next(&mut cut, &clock, interval));
        assert!((&mut heard).now_or_never().is_none());
        hand.advance(interval);
        assert!((&mut heard).now_or_never().is_none());
        hand.advance(PATIENCE);
        assert!(matches!((&mut heard).now_or_never(), Some(Err(StoreError::Unreachable { .. }))));
    }
}
