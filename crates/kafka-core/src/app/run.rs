//! Running an application: a thread for each consumer, the first failure stops all, soft before hard.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::assemble::App;
use super::background::Backgrounds;
use super::consumer::AssembledConsumer;
use super::health::{HealthCheck, HealthSource};
use super::sight::Sight;
use crate::broker::{ClientError, ConnectionError, PollWaker, Properties, Unflushed};
use crate::consumer::{
    ConsumeError, ConsumerHandle, ConsumerLoop, LoopConfig, Oversight, Parking, Reporter, Role, Spawner, TopicAtWork, TransactionSource,
    WakeSource, start,
};
use crate::error::{BoxError, in_full};
use crate::producer::Producer;

/// Why an application did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No consumer has this name; the known ones are listed.
    #[error("no consumer is named {name}; there are: {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// There is nothing to run: derive a consumer, or add one to the app.
    #[error("there is no consumer to run; derive one with #[derive(Consumer)], or add one with `.consumer::<C>()`")]
    Nothing,
    /// Something that must be there before the first poll is not, a topic for example; the source says what and what to do.
    #[error("{step} failed")]
    Step {
        /// What was to be done.
        step: &'static str,
        /// Why it was not.
        #[source]
        source: BoxError,
    },
    /// A consumer will never connect with its settings; the source says whether it is the certificate, the user or the protocol.
    #[error("consumer {consumer} cannot connect")]
    Connection {
        /// The consumer's name.
        consumer: String,
        /// What is wrong, and what to write.
        #[source]
        source: ConnectionError,
    },
    /// A consumer's client could not be made; the source says what of its configuration it refuses.
    #[error("the client of consumer {consumer} could not be made")]
    Client {
        /// The consumer's name.
        consumer: String,
        /// What the client library said.
        #[source]
        source: ClientError,
    },
    /// The system gave no thread.
    #[error("no thread for consumer {consumer}")]
    Thread {
        /// The consumer's name.
        consumer: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Why a running application ended other than by being asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A consumer failed; the others were stopped softly.
    #[error(transparent)]
    Consumer(#[from] ConsumeError),
    /// A task of a plugin failed; the consumers were stopped softly.
    #[error("{task} failed")]
    Background {
        /// What it is called.
        task: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// Records were still not acknowledged when the time to flush was over.
    #[error("the producer could not be flushed")]
    Flush(#[from] Unflushed),
}

/// A running application.
#[derive(Debug)]
pub struct Running {
    handles: Vec<ConsumerHandle>,
    outcomes: FuturesUnordered<oneshot::Receiver<Result<(), ConsumeError>>>,
    backgrounds: Backgrounds,
    stop_backgrounds: Arc<WakeSource>,
    producer: Producer,
    health_sources: Arc<[Arc<dyn HealthSource>]>,
    flush_timeout: Duration,
}

impl App {
    /// Looks whether the cluster lets these clients in, does what plugins want done first, then starts the consumers of these
    /// names, or all when none is named. Must be awaited within a tokio runtime.
    ///
    /// # Errors
    /// When a name is unknown, a client cannot be made or will never connect, or a plugin's step fails. A cluster that is down is
    /// no error.
    pub async fn start(self, names: &[String]) -> Result<Running, StartError> {
        let known = || self.consumers.iter().map(|consumer| consumer.name.clone()).collect();
        if let Some(name) = names.iter().find(|name| self.consumers.iter().all(|consumer| consumer.name != **name)) {
            return Err(StartError::Unknown { name: name.clone(), known: known() });
        }
        let named = |consumer: &AssembledConsumer| match &consumer.role {
            Role::Retry { of, .. } if names.contains(of) => true,
            Role::Main | Role::Retry { .. } => names.contains(&consumer.name),
        };
        let chosen: Vec<_> = self.consumers.iter().filter(|consumer| names.is_empty() || named(consumer)).collect();
        self.check_connections(&chosen).await?;
        self.prepare().await?;
        let mut running = self.running();
        for consumer in chosen {
            match self.start_one(consumer) {
                Ok((handle, outcome)) => {
                    running.handles.push(handle);
                    running.outcomes.push(outcome);
                }
                Err(error) => {
                    running.stop();
                    return Err(error);
                }
            }
        }
        if running.handles.is_empty() {
            return Err(StartError::Nothing);
        }
        running.set_backgrounds(self.start_beside(self.topics_at_work(), &Handle::current(), &Sight::default()));
        Ok(running)
    }

    /// Does what plugins want done first, then starts their tasks alone, without a consumer. They run until they are stopped.
    ///
    /// # Errors
    /// When a plugin's step fails.
    pub async fn start_backgrounds(self) -> Result<Running, StartError> {
        self.prepare().await?;
        let mut running = self.running();
        running.set_backgrounds(self.start_beside(self.topics_at_work(), &Handle::current(), &Sight::default()));
        Ok(running)
    }

    /// Starts the tasks of plugins, which work on these topics.
    pub(crate) fn start_beside(&self, topics: Vec<TopicAtWork>, runtime: &Handle, sight: &Sight) -> Backgrounds {
        Backgrounds::start(&self.backgrounds, topics, &self.clock, runtime, sight)
    }

    /// With nothing in it yet.
    fn running(&self) -> Running {
        let backgrounds = Backgrounds::start(&[], Vec::new(), &self.clock, &Handle::current(), &Sight::default());
        Running {
            handles: Vec::new(),
            outcomes: FuturesUnordered::new(),
            stop_backgrounds: backgrounds.stopper(),
            backgrounds,
            producer: self.producer.clone(),
            health_sources: self.health_sources.clone().into(),
            flush_timeout: self.settings.shutdown_timeout,
        }
    }

    /// Does what plugins want done before the first poll.
    pub(crate) async fn prepare(&self) -> Result<(), StartError> {
        for step in &self.start_steps {
            step.run(self).await.map_err(|source| StartError::Step { step: step.name(), source })?;
        }
        Ok(())
    }

    /// Looks at each way to connect once. The producer may never be used, so what is wrong with it alone is a warning.
    async fn check_connections(&self, consumers: &[&AssembledConsumer]) -> Result<(), StartError> {
        let mut seen: Vec<Properties> = Vec::new();
        for consumer in consumers {
            let properties = consumer.properties.properties();
            let connection = self.broker.connection(&properties);
            if !seen.contains(&connection) {
                let outcome = self.broker.check_connection(&properties).await;
                outcome.map_err(|source| StartError::Connection { consumer: consumer.name.clone(), source })?;
                seen.push(connection);
            }
        }
        if !seen.is_empty()
            && !seen.contains(&self.broker.connection(self.producer.properties()))
            && let Err(error) = self.producer.check_connection().await
        {
            tracing::warn!(error = %in_full(&error), "the producer will not connect, while the consumers do");
        }
        Ok(())
    }

    fn start_one(&self, consumer: &AssembledConsumer) -> Result<(ConsumerHandle, oneshot::Receiver<Result<(), ConsumeError>>), StartError> {
        let parking = Parking::default();
        let (consumer_loop, reporter) = self.consumer_loop(consumer, parking.waker(), Spawner::new(Handle::current()))?;
        tracing::info!(consumer = %consumer.name, group = %consumer.group, "starting");
        start(&consumer.name, self.oversight(consumer), parking, reporter, consumer_loop)
            .map_err(|source| StartError::Thread { consumer: consumer.name.clone(), source })
    }

    /// What is needed to look after a consumer.
    pub(crate) fn oversight(&self, consumer: &AssembledConsumer) -> Oversight {
        Oversight {
            subscriptions: consumer.subscriptions.clone().into(),
            clock: self.clock.clone(),
            unhealthy_after: self.settings.unhealthy_after,
        }
    }

    /// Makes the client of a consumer, and the loop over it.
    pub(crate) fn consumer_loop(
        &self,
        consumer: &AssembledConsumer,
        waker: PollWaker,
        spawner: Spawner,
    ) -> Result<(ConsumerLoop, Reporter), StartError> {
        let reporter = Reporter::new(waker.clone());
        let client = self
            .broker
            .consumer(&consumer.group, &consumer.properties.properties(), &consumer.subscriptions, waker)
            .map_err(|source| StartError::Client { consumer: consumer.name.clone(), source })?;
        let config = LoopConfig {
            name: consumer.name.clone(),
            group: consumer.group.clone(),
            topics: consumer.pipelines.clone(),
            storage: consumer.storage.clone(),
            transactions: Some(TransactionSource {
                broker: Arc::clone(&self.broker),
                properties: self.framework_producer().properties().clone(),
            }),
            error_handler: self.error_handler.clone(),
            clock: self.clock.clone(),
            spawner,
            revoke_timeout: self.settings.revoke_timeout,
            shutdown_timeout: self.settings.shutdown_timeout,
            poll_interval: self.settings.polling_frequency,
            max_in_flight_bytes: self.settings.max_in_flight_bytes,
            max_in_flight_messages: consumer.max_in_flight_messages,
        };
        Ok((ConsumerLoop::new(config, client, reporter.clone()), reporter))
    }
}

impl Running {
    /// The running consumers.
    #[must_use]
    pub fn consumers(&self) -> &[ConsumerHandle] {
        &self.handles
    }

    /// Asks for the application's health, from anywhere and while something waits for [`Running::finished`].
    #[must_use]
    pub fn health_check(&self) -> HealthCheck {
        HealthCheck { consumers: self.handles.clone().into(), sources: Arc::clone(&self.health_sources) }
    }

    /// The application's producer.
    #[must_use]
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Stops it from elsewhere, as [`Running::stop`] does, while something waits for [`Running::finished`].
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { handles: self.handles.clone().into(), backgrounds: Arc::clone(&self.stop_backgrounds) }
    }

    fn set_backgrounds(&mut self, backgrounds: Backgrounds) {
        self.stop_backgrounds = backgrounds.stopper();
        self.backgrounds = backgrounds;
    }

    /// Asks all consumers, and the tasks of plugins, to finish what is in flight and leave.
    pub fn stop(&self) {
        self.stopper().stop();
    }

    /// Asks all consumers to leave without waiting for their handlers.
    pub fn abort(&self) {
        self.handles.iter().for_each(ConsumerHandle::abort);
    }

    /// Waits until all consumers have left, and flushes the producer. The first that fails takes the others down softly.
    ///
    /// # Errors
    /// The first failure.
    pub async fn finished(&mut self) -> Result<(), RunError> {
        let (mut first, mut alone) = (None, self.handles.is_empty());
        let mut stop = self.backgrounds.stopped();
        loop {
            let outcome = tokio::select! {
                biased;
                (task, source) = self.backgrounds.failed() => {
                    if first.is_none() {
                        self.stop();
                    }
                    first.get_or_insert(RunError::Background { task, source });
                    continue;
                }
                () = stop.woken(), if alone => {
                    alone = false;
                    continue;
                }
                outcome = self.outcomes.next(), if !alone => outcome,
            };
            let Some(outcome) = outcome else { break };
            // A thread that vanished without a word counts as one that died.
            let outcome = outcome.unwrap_or_else(|_| {
                Err(ConsumeError::Died { consumer: "(unknown)".to_owned(), message: "its thread vanished".to_owned() })
            });
            if let Err(error) = outcome {
                if first.is_none() {
                    self.stop();
                }
                first.get_or_insert(error.into());
            }
        }
        // What they still forward is flushed below.
        self.backgrounds.end(self.flush_timeout).await;
        let flushed = self.producer.flush(self.flush_timeout).await;
        match first {
            Some(error) => Err(error),
            None => Ok(flushed?),
        }
    }

    /// As [`Running::finished`], and stops softly when the future resolves.
    ///
    /// # Errors
    /// The first failure.
    pub async fn finished_or(&mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let stopper = self.stopper();
        let finished = self.finished();
        tokio::pin!(finished, stop);
        tokio::select! {
            result = &mut finished => return result,
            () = &mut stop => stopper.stop(),
        }
        finished.await
    }
}

/// Stops a running application from elsewhere. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stopper {
    handles: Arc<[ConsumerHandle]>,
    backgrounds: Arc<WakeSource>,
}

impl Stopper {
    /// Asks all consumers, and the tasks of plugins, to finish what is in flight and leave.
    pub fn stop(&self) {
        self.backgrounds.wake();
        self.handles.iter().for_each(ConsumerHandle::stop);
    }
}
