//! Signals that end the application: SIGTERM and Ctrl-C.

/// How soon to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Finish what is in flight: the first signal.
    Soft,
    /// Now: the second signal.
    Hard,
}

/// Listens for SIGTERM and Ctrl-C from when it is made.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    next: Urgency,
}

impl Signals {
    /// Starts to listen. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system lets no handler be installed.
    pub fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, next: Urgency::Soft })
        }
        #[cfg(not(unix))]
        Ok(Self { next: Urgency::Soft })
    }

    /// Resolves on the next signal: the first is soft, every later one hard.
    pub async fn next(&mut self) -> Urgency {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        std::mem::replace(&mut self.next, Urgency::Hard)
    }
}
