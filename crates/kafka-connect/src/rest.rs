//! The calls of Connect's REST API, typed. All of them may be repeated, so a retry does no harm.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{ConnectClient, Method, Request};
use crate::config::{CLASS, ConnectorConfig};
use crate::error::ConnectError;
use crate::wire::{ConnectorInfo, ConnectorStatus, Expanded, LoggerLevel, Offsets, Plugin, Topics, Validation, WorkerInfo};

/// What became of a connector that was to be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Created,
    /// It was there and has this config now.
    Updated,
}

/// What became of a connector that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Now,
    /// It was not there.
    Before,
}

/// What a restart includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// The connector itself, not its tasks.
    Connector,
    /// The connector and all tasks.
    All,
    /// What has failed of connector and tasks.
    Failed,
}

impl ConnectClient {
    /// `GET /`: the worker's version and cluster.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn worker(&self) -> Result<WorkerInfo, ConnectError> {
        self.send(Request::new(Method::Get, &[])).await?.json()
    }

    /// `GET /connectors`: the names of all connectors, sorted.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn connectors(&self) -> Result<Vec<String>, ConnectError> {
        let mut names: Vec<String> = self.send(Request::new(Method::Get, &["connectors"])).await?.json()?;
        names.sort_unstable();
        Ok(names)
    }

    /// `GET /connectors?expand=info&expand=status`: all connectors with their configs and how they are.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn expanded(&self) -> Result<BTreeMap<String, Expanded>, ConnectError> {
        self.send(Request::new(Method::Get, &["connectors"]).query("expand=info&expand=status")).await?.json()
    }

    /// `GET /connectors/{name}`.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn connector(&self, name: &str) -> Result<ConnectorInfo, ConnectError> {
        self.send(Request::new(Method::Get, &["connectors", name])).await?.json()
    }

    /// `GET /connectors/{name}/config`.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn config(&self, name: &str) -> Result<ConnectorConfig, ConnectError> {
        let entries: BTreeMap<String, String> = self.send(Request::new(Method::Get, &["connectors", name, "config"])).await?.json()?;
        Ok(entries.into())
    }

    /// `PUT /connectors/{name}/config`: makes the connector, or gives it this config in place of the one it has.
    ///
    /// # Errors
    /// When the request fails; 400 when the config is not valid.
    pub async fn put_config(&self, name: &str, config: &ConnectorConfig) -> Result<Put, ConnectError> {
        let request = Request::new(Method::Put, &["connectors", name, "config"]).json(&json!(config.entries())).hiding(config.secrets());
        let answer = self.send(request).await?;
        Ok(if answer.status() == 201 { Put::Created } else { Put::Updated })
    }

    /// `PATCH /connectors/{name}/config`: changes some keys; those with null are removed. Workers before 3.8 do not know it.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn patch_config(&self, name: &str, changes: &BTreeMap<String, Option<String>>) -> Result<(), ConnectError> {
        let mut secrets = crate::secrets::Secrets::default();
        changes.iter().for_each(|(key, value)| secrets.learn(key, value.as_deref().unwrap_or_default()));
        let request = Request::new(Method::Patch, &["connectors", name, "config"]).json(&json!(changes)).hiding(secrets);
        self.send(request).await.map(drop)
    }

    /// `DELETE /connectors/{name}`. One that is not there is fine: a repeated request finds none.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn delete(&self, name: &str) -> Result<Deleted, ConnectError> {
        match self.send(Request::new(Method::Delete, &["connectors", name])).await {
            Ok(_) => Ok(Deleted::Now),
            Err(error) if error.is_not_found() => Ok(Deleted::Before),
            Err(error) => Err(error),
        }
    }

    /// `PUT /connector-plugins/{class}/config/validate`, where the class is the last part of `connector.class`. What is wrong is in the
    /// answer, which is no error.
    ///
    /// # Errors
    /// When the config has no `connector.class`, or the request fails; 500 when the worker has no such plugin.
    pub async fn validate(&self, name: &str, config: &ConnectorConfig) -> Result<Validation, ConnectError> {
        let class = config.get(CLASS).filter(|class| !class.is_empty());
        let class = class.ok_or_else(|| ConnectError::NoClass { connector: name.to_owned() })?;
        let short = class.rsplit('.').next().unwrap_or(class);
        let mut body = json!(config.entries());
        body["name"] = Value::from(name);
        let secrets = config.secrets();
        let request = Request::new(Method::Put, &["connector-plugins", short, "config", "validate"]).json(&body).hiding(secrets.clone());
        let mut validation: Validation = self.send(request).await?.json()?;
        for message in validation.configs.iter_mut().flat_map(|field| &mut field.value.errors) {
            *message = secrets.scrub(message);
        }
        Ok(validation)
    }

    /// `GET /connectors/{name}/status`.
    ///
    /// # Errors
    /// When the request fails; 404 when there is no such connector, or its status is not known yet.
    pub async fn status(&self, name: &str) -> Result<ConnectorStatus, ConnectError> {
        self.send(Request::new(Method::Get, &["connectors", name, "status"])).await?.json()
    }

    /// `POST /connectors/{name}/restart`. Answers before it is done.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn restart(&self, name: &str, what: Restart) -> Result<(), ConnectError> {
        let request = Request::new(Method::Post, &["connectors", name, "restart"]);
        let request = match what {
            Restart::Connector => request,
            Restart::All => request.query("includeTasks=true"),
            Restart::Failed => request.query("includeTasks=true&onlyFailed=true"),
        };
        self.send(request).await.map(drop)
    }

    /// `POST /connectors/{name}/tasks/{task}/restart`. Answers before it is done.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn restart_task(&self, name: &str, task: u32) -> Result<(), ConnectError> {
        self.send(Request::new(Method::Post, &["connectors", name, "tasks", &task.to_string(), "restart"])).await.map(drop)
    }

    /// `PUT /connectors/{name}/pause`. Its tasks keep what they hold. Answers before it is done.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn pause(&self, name: &str) -> Result<(), ConnectError> {
        self.send(Request::new(Method::Put, &["connectors", name, "pause"])).await.map(drop)
    }

    /// `PUT /connectors/{name}/resume`. Answers before it is done.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn resume(&self, name: &str) -> Result<(), ConnectError> {
        self.send(Request::new(Method::Put, &["connectors", name, "resume"])).await.map(drop)
    }

    /// `PUT /connectors/{name}/stop`. Its tasks are given up. Answers before it is done.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn stop(&self, name: &str) -> Result<(), ConnectError> {
        self.send(Request::new(Method::Put, &["connectors", name, "stop"])).await.map(drop)
    }

    /// `GET /connectors/{name}/offsets`.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn offsets(&self, name: &str) -> Result<Offsets, ConnectError> {
        self.send(Request::new(Method::Get, &["connectors", name, "offsets"])).await?.json()
    }

    /// `PATCH /connectors/{name}/offsets`: Connect's own message on success. Partitions that are not named keep their place. Debezium's
    /// sources take partitions that do not exist; look at [`offsets`](Self::offsets) for the right ones.
    ///
    /// # Errors
    /// When the request fails; 400 when the connector is not stopped.
    pub async fn alter_offsets(&self, name: &str, offsets: &Offsets) -> Result<String, ConnectError> {
        let request = Request::new(Method::Patch, &["connectors", name, "offsets"]).json(&json!(offsets));
        Ok(self.send(request).await?.message())
    }

    /// `DELETE /connectors/{name}/offsets`: Connect's own message on success.
    ///
    /// # Errors
    /// When the request fails; 400 when the connector is not stopped.
    pub async fn reset_offsets(&self, name: &str) -> Result<String, ConnectError> {
        Ok(self.send(Request::new(Method::Delete, &["connectors", name, "offsets"])).await?.message())
    }

    /// `GET /connectors/{name}/topics`: the topics it has used, sorted.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn topics(&self, name: &str) -> Result<Vec<String>, ConnectError> {
        let answer = self.send(Request::new(Method::Get, &["connectors", name, "topics"])).await?;
        let mut named: BTreeMap<String, Topics> = answer.json()?;
        let mut topics = named.remove(name).unwrap_or_default().topics;
        topics.sort_unstable();
        Ok(topics)
    }

    /// `PUT /connectors/{name}/topics/reset`: forgets the topics it has used.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn reset_topics(&self, name: &str) -> Result<(), ConnectError> {
        self.send(Request::new(Method::Put, &["connectors", name, "topics", "reset"])).await.map(drop)
    }

    /// `GET /connector-plugins?connectorsOnly=false`: all installed plugins, sorted.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn plugins(&self) -> Result<Vec<Plugin>, ConnectError> {
        let request = Request::new(Method::Get, &["connector-plugins"]).query("connectorsOnly=false");
        let mut plugins: Vec<Plugin> = self.send(request).await?.json()?;
        plugins.sort_unstable();
        Ok(plugins)
    }

    /// `GET /admin/loggers`: the loggers whose levels were set.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn loggers(&self) -> Result<BTreeMap<String, LoggerLevel>, ConnectError> {
        self.send(Request::new(Method::Get, &["admin", "loggers"])).await?.json()
    }

    /// `GET /admin/loggers/{name}`.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn logger(&self, name: &str) -> Result<LoggerLevel, ConnectError> {
        self.send(Request::new(Method::Get, &["admin", "loggers", name])).await?.json()
    }

    /// `PUT /admin/loggers/{name}?scope=cluster`: sets the level on all workers. Workers before 3.7 set only their own.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn set_logger(&self, name: &str, level: &str) -> Result<(), ConnectError> {
        let request = Request::new(Method::Put, &["admin", "loggers", name]).query("scope=cluster").json(&json!({"level": level}));
        self.send(request).await.map(drop)
    }
}
