//! Is a node ready? Always by a real query, never by a sleep or an open port.

use std::time::Duration;

use crate::{etcd, mysql, redis};

/// A single question to a node must be answered within this.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The question that shows a node's readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A linearisable read.
    Etcd {
        /// Client URL of the member.
        endpoint: String,
    },
    /// A query with the services' account.
    Database {
        /// URL of the database.
        url: String,
    },
    /// The same, and replication runs.
    Replica {
        /// URL of the database.
        url: String,
        /// URL with the launcher's account, which may ask about replication.
        launcher_url: String,
    },
    /// A PING.
    Redis {
        /// URL of the server.
        url: String,
    },
    /// A GET that must answer 200.
    Http {
        /// URL of the page.
        url: String,
    },
}

impl Probe {
    /// Asks once.
    ///
    /// # Errors
    /// What is missing, for people.
    pub async fn check(&self) -> Result<(), String> {
        // A paused process accepts connections and answers nothing.
        match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
        }
    }

    /// Asks a service once whether it has everything, also what it could do
    /// without: a shard, the catalogue. Others than services always have.
    ///
    /// # Errors
    /// What is missing, for people.
    pub(crate) async fn check_whole(&self) -> Result<(), String> {
        let Self::Http { url } = self else { return Ok(()) };
        let ask = async {
            let answer = reqwest::get(url).await.map_err(|error| with_causes(&error))?;
            let body: serde_json::Value = answer.json().await.unwrap_or_default();
            match body["missing"].as_object() {
                Some(missing) if !missing.is_empty() => {
                    Err(missing.keys().cloned().collect::<Vec<_>>().join(", "))
                }
                _ => Ok(()),
            }
        };
        tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err("an answer".to_owned()))
    }

    async fn ask(&self) -> Result<(), String> {
        match self {
            Self::Etcd { endpoint } => etcd::check(endpoint, PATIENCE).await,
            Self::Database { url } => mysql::check(url).await,
            Self::Replica { url, launcher_url } => {
                mysql::check(url).await?;
                mysql::check_replication(launcher_url).await
            }
            Self::Redis { url } => redis::check(url).await,
            Self::Http { url } => check_http(url).await,
        }
    }
}

async fn check_http(url: &str) -> Result<(), String> {
    let answer = reqwest::get(url).await.map_err(|error| with_causes(&error))?;
    let status = answer.status();
    if status.as_u16() == 200 {
        return Ok(());
    }
    let text = answer.text().await.unwrap_or_default();
    Err(format!("{status}: {}", text.chars().take(300).collect::<String>()))
}

/// An error with its causes: the outermost alone often says nothing.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
