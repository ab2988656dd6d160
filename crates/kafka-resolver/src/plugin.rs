//! The resolver as a plugin: gates for the topics that declare relations, the store prepared before the first poll, the daemon.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::future::BoxFuture;
use kafka_core::app::{App, AppBuilder, Background, Component, GateSource, Plugin, StartStep, State, Surroundings, Tools};
use kafka_core::consumer::{ConsumerSpec, Gate, Role, WakeSource};
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::names::GroupId;
use kafka_core::topic::{Concurrency, TopicSpec};

use crate::daemon::{Daemon, EmbeddedDaemon, Parking, SyncMode, SyncedSchedule, listening};
use crate::decision::{Decide, KeepOrder};
use crate::existence::{Existence, Existences};
use crate::gate::RelationGate;
use crate::hints::Hints;
use crate::relations::DeclaredRelations;
use crate::settings::{ResolverSettings, SECTION};
use crate::store::{Store, StoreError};

/// Lets messages wait for the rows they need: `App::from_env().plugin(RelationResolver::new(store))`.
///
/// Topics that declare no relations do not notice it.
#[derive(Debug)]
pub struct RelationResolver {
    store: Arc<dyn Store>,
    kinds: Vec<Arc<dyn Existence>>,
    decide: Arc<dyn Decide>,
    daemon: Arc<dyn Daemon>,
    releases: Releases,
    settings: Option<ResolverSettings>,
    hints: Arc<Hints>,
}

/// Where what waits is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Releases {
    /// In this process.
    Here,
    /// By others, and in this process only when it was started for that alone: `resolver run`.
    Elsewhere,
}

impl RelationResolver {
    /// Parks in this store, and releases by the [`EmbeddedDaemon`].
    pub fn new(store: impl Store + 'static) -> Self {
        Self {
            store: Arc::new(store),
            kinds: Vec::new(),
            decide: Arc::new(KeepOrder),
            daemon: Arc::new(EmbeddedDaemon),
            releases: Releases::Here,
            settings: None,
            hints: Arc::default(),
        }
    }

    /// Looks up relations of a kind of your own.
    #[must_use]
    pub fn kind(mut self, existence: impl Existence + 'static) -> Self {
        self.kinds.push(Arc::new(existence));
        self
    }

    /// Decides otherwise what is done with a message.
    #[must_use]
    pub fn decide(mut self, decide: impl Decide + 'static) -> Self {
        self.decide = Arc::new(decide);
        self
    }

    /// Releases by this daemon instead.
    #[must_use]
    pub fn daemon(mut self, daemon: impl Daemon + 'static) -> Self {
        self.daemon = Arc::new(daemon);
        self.releases = Releases::Here;
        self
    }

    /// Releases nothing beside the consumers: another process does, one that runs `resolver run` for example.
    #[must_use]
    pub fn without_daemon(mut self) -> Self {
        self.releases = Releases::Elsewhere;
        self
    }

    /// Uses these settings instead of the section `relation_resolver`.
    #[must_use]
    pub fn settings(mut self, settings: ResolverSettings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Where a sink says what it has written, so that what waits for it is released at once.
    #[must_use]
    pub fn hints(&self) -> Arc<Hints> {
        Arc::clone(&self.hints)
    }
}

impl Plugin for RelationResolver {
    fn install(self, app: &mut AppBuilder) {
        let Self { store, kinds, decide, daemon, releases, settings, hints } = self;
        let releases = Mutex::new(releases);
        let shared = Arc::new(Installed {
            store,
            kinds,
            decide,
            daemon,
            releases,
            settings,
            hints,
            drained: Arc::default(),
            effective: OnceLock::new(),
        });
        app.push_section(SECTION);
        #[cfg(feature = "temporal")]
        crate::daemon::temporal::SECTIONS.into_iter().for_each(|section| app.push_section(section));
        app.component::<AtBuild>().0 = Some(Arc::clone(&shared));
        app.push_gate(Gates(Arc::clone(&shared)));
        app.push_start_step(Prepare(Arc::clone(&shared)));
        app.push_background(shared);
    }
}

/// The resolver in an application.
#[derive(Debug)]
struct Installed {
    store: Arc<dyn Store>,
    kinds: Vec<Arc<dyn Existence>>,
    decide: Arc<dyn Decide>,
    daemon: Arc<dyn Daemon>,
    releases: Mutex<Releases>,
    settings: Option<ResolverSettings>,
    hints: Arc<Hints>,
    drained: Arc<WakeSource>,
    /// The settings in the end; set when the store is prepared.
    effective: OnceLock<ResolverSettings>,
}

impl Installed {
    fn settings(&self, settings: &kafka_core::settings::Settings) -> Result<ResolverSettings, ConfigErrors> {
        let resolver = match &self.settings {
            Some(settings) => settings.clone(),
            None => settings.read_section(SECTION)?,
        };
        let problems = resolver.problems();
        problems.or_ok(resolver)
    }
}

/// The resolver of an application, for its command line: `app.state::<InstalledResolver>()`.
#[derive(Debug, Clone)]
pub struct InstalledResolver(Arc<Installed>);

impl InstalledResolver {
    /// Brings the schedules of its daemon up to date; empty when it keeps none.
    ///
    /// # Errors
    /// When the settings are wrong, or the scheduler does not answer.
    pub async fn sync_schedules(&self, app: &App, mode: SyncMode) -> Result<Vec<SyncedSchedule>, BoxError> {
        let settings = self.0.settings(app.settings())?;
        self.0.daemon.sync_schedules(&settings, mode).await
    }

    /// Has the application release what waits when it is started, even if it was built [without a
    /// daemon](RelationResolver::without_daemon): what `resolver run` does before it starts nothing else.
    pub fn release_here(&self) {
        *self.0.releases.lock().unwrap_or_else(PoisonError::into_inner) = Releases::Here;
    }

    /// The store, with its tables made or brought up to date.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        self.0.store.prepare().await?;
        Ok(Arc::clone(&self.0.store))
    }
}

/// The resolver while its application is built.
#[derive(Debug, Default)]
struct AtBuild(Option<Arc<Installed>>);

impl Component for AtBuild {
    fn build(self: Box<Self>, tools: &Tools<'_>, made: &mut State) -> Result<(), ConfigErrors> {
        let Some(installed) = self.0 else { return Ok(()) };
        installed.daemon.configure(tools.settings)?;
        made.insert(InstalledResolver(installed));
        Ok(())
    }
}

#[derive(Debug)]
struct Gates(Arc<Installed>);

impl GateSource for Gates {
    fn gate(&self, consumer: &ConsumerSpec, topic: &TopicSpec, tools: &Tools<'_>) -> Result<Option<Arc<dyn Gate>>, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let settings = errors.take(self.0.settings(tools.settings));
        let Some(relations) = topic.declared::<DeclaredRelations>() else { return errors.or_ok(None) };
        if let Concurrency::Unordered { .. } = topic.concurrency {
            errors.push(
                format!("topics.{}.concurrency", topic.name),
                "it declares relations, and what waits could not keep its order with `order = \"unordered\"`; write `order = \"key\"`",
            );
        }
        // What comes back by a retry topic is of its main consumer's group. A group that is no name is reported with the consumer.
        let group = match &consumer.role {
            Role::Main => &consumer.group,
            Role::Retry { group, .. } => group,
        };
        let (Some(settings), Ok(group)) = (settings, GroupId::new(group)) else { return errors.or_ok(None) };
        let gate = RelationGate {
            group,
            topic: topic.name.clone(),
            relations: relations.clone(),
            existences: Existences::new(Arc::clone(&self.0.store), self.0.kinds.clone()),
            decide: Arc::clone(&self.0.decide),
            clock: tools.clock.clone(),
            pause: settings.pause,
            drained: Arc::clone(&self.0.drained),
            hints: Arc::clone(&self.0.hints),
            crowded: AtomicBool::default(),
        };
        errors.or_ok(Some(Arc::new(gate)))
    }
}

#[derive(Debug)]
struct Prepare(Arc<Installed>);

impl StartStep for Prepare {
    fn name(&self) -> &'static str {
        "preparing the store of parked messages"
    }

    fn run<'a>(&'a self, app: &'a App) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let settings = self.0.settings(app.settings())?;
            // Set once: an application starts once.
            drop(self.0.effective.set(settings));
            Ok(self.0.store.prepare().await?)
        })
    }
}

impl Background for Installed {
    fn name(&self) -> &'static str {
        "releasing parked messages"
    }

    fn run(self: Arc<Self>, surroundings: Surroundings) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let parking = Parking {
                store: Arc::clone(&self.store),
                kinds: self.kinds.clone(),
                drained: Arc::clone(&self.drained),
                hints: Arc::clone(&self.hints),
                settings: self.effective.get().cloned().unwrap_or_default(),
            };
            let listening = listening::listen(&parking, &surroundings);
            let releases = *self.releases.lock().unwrap_or_else(PoisonError::into_inner);
            match releases {
                Releases::Here => {
                    let daemon = Arc::clone(&self.daemon).run(parking.clone(), surroundings.clone());
                    futures_util::future::join(listening, daemon).await.1
                }
                Releases::Elsewhere => {
                    listening.await;
                    Ok(())
                }
            }
        })
    }
}
