//! Configuration: one TOML file, overridden by environment variables. Unknown
//! keys are errors, and so are values that do not fit together.

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::de::DeserializeOwned;

use crate::listen::ListenConfig;
use crate::telemetry::TelemetryConfig;

/// Why a configuration is refused; the text names the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Unreadable, an unknown key, a value of the wrong type.
    #[error("{0}")]
    Shape(#[from] Box<figment::Error>),
    /// Each value is fine, together they are not.
    #[error("{0}")]
    Relation(String),
}

/// What every service's configuration has. Give the type `deny_unknown_fields`.
pub trait ServiceConfig: DeserializeOwned + Send + 'static {
    /// The process's own name, such as `booking-api-0`.
    fn name(&self) -> &str;

    /// Where and how it listens.
    fn listen(&self) -> ListenConfig;

    /// Which requests leave a trace.
    fn telemetry(&self) -> &TelemetryConfig;

    /// Checks relations between values.
    ///
    /// # Errors
    /// A sentence that names the keys.
    fn check(&self) -> Result<(), String>;
}

/// Loads a file; `PREFIX_KEY` overrides `key`, `PREFIX_A__B` overrides `a.b`.
pub(crate) fn load<C: ServiceConfig>(path: &Path, prefix: &str) -> Result<C, ConfigError> {
    let config: C = Figment::new()
        .merge(Toml::file_exact(path))
        .merge(Env::prefixed(prefix).split("__"))
        .extract()
        .map_err(Box::new)?;
    config.check().map_err(ConfigError::Relation)?;
    config.telemetry().check().map_err(ConfigError::Relation)?;
    Ok(config)
}
