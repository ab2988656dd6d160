//! Hears the store's news, and passes them on within the process: to the daemon, and to partitions that pause.

use kafka_core::app::Surroundings;
use kafka_core::consumer::Backoff;
use kafka_core::error::in_full;

use super::Parking;
use crate::store::{News, StoreError};

/// Listens until it is told to stop; begins again when the connection is lost.
pub(crate) async fn listen(parking: &Parking, surroundings: &Surroundings) {
    let mut stop = surroundings.stop.clone();
    let work = async {
        let mut troubles = 0;
        loop {
            let Err(error) = hear(parking, &mut troubles).await else { return };
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

async fn hear(parking: &Parking, troubles: &mut u32) -> Result<(), StoreError> {
    let Some(listener) = parking.store.listen() else { return Ok(()) };
    let mut listener = listener.await?;
    // Whatever came while nobody listened.
    parking.hints.many();
    parking.drained.wake();
    loop {
        let news = listener.next().await?;
        *troubles = 0;
        match news {
            News::Appeared(relation) => parking.hints.appeared([relation]),
            News::Many => parking.hints.many(),
            News::Drained => parking.drained.wake(),
        }
    }
}
