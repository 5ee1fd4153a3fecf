//! Configuration: one TOML file, overridden by environment variables. Unknown
//! keys are errors, and so are values outside their bounds or that do not fit
//! together.

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::listen::ListenConfig;
use crate::reference;
use crate::telemetry::TelemetryConfig;

/// Why a configuration is refused; the text names the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Unreadable, an unknown key, a value of the wrong type.
    #[error("{0}")]
    Shape(#[from] Box<figment::Error>),
    /// A value outside its bounds, or values that do not fit together.
    #[error("{0}")]
    Value(String),
}

/// What every service's configuration has. Give the type `deny_unknown_fields`,
/// each key a comment, and numbers their bounds with `#[schemars(range(…))]`: all
/// of it is printed as the reference, and the bounds are checked.
pub trait ServiceConfig: DeserializeOwned + JsonSchema + Send + 'static {
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
///
/// # Errors
/// See [`ConfigError`].
pub fn load_config<C: ServiceConfig>(path: &Path, prefix: &str) -> Result<C, ConfigError> {
    let text =
        Figment::new().merge(Toml::file_exact(path)).merge(Env::prefixed(prefix).split("__"));
    let config: C = text.extract().map_err(Box::new)?;
    let values: Value = text.extract().map_err(Box::new)?;
    reference::check_bounds(&reference::schema::<C>(), &values).map_err(ConfigError::Value)?;
    config.check().map_err(ConfigError::Value)?;
    config.telemetry().check().map_err(ConfigError::Value)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Config {
        name: String,
        #[schemars(range(min = 1))]
        places: u32,
        #[serde(default)]
        telemetry: TelemetryConfig,
    }

    impl ServiceConfig for Config {
        fn name(&self) -> &str {
            &self.name
        }

        fn listen(&self) -> ListenConfig {
            let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
            ListenConfig::new(nowhere, nowhere)
        }

        fn telemetry(&self) -> &TelemetryConfig {
            &self.telemetry
        }

        fn check(&self) -> Result<(), String> {
            if self.places > 9 { Err("too many places".to_owned()) } else { Ok(()) }
        }
    }

    fn read(text: &str) -> Result<u32, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        // A prefix that no variable of this machine has.
        let config = load_config::<Config>(&path, "SEATLOCK_NOBODY_SETS_");
        config.map(|config| config.places).map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_keys_bounds_and_relations_are_refused_by_name() {
        assert_eq!(read("name = \"a\"\nplaces = 9"), Ok(9));
        assert!(read("name = \"a\"\nplaces = 9\nplace = 1").unwrap_err().contains("place"));
        assert_eq!(read("name = \"a\"\nplaces = 0").unwrap_err(), "places must be at least 1");
        assert_eq!(read("name = \"a\"\nplaces = 10").unwrap_err(), "too many places");
    }
}
