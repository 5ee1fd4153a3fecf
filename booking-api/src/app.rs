//! What every request handler can reach, and how it is put together.

use std::sync::Arc;
use std::time::Duration;

use lock_service_client::{LockClient, LockClientConfig, LockError};
use service_kit::{Process, RateLimit};

use crate::auth::{Passwords, Tokens};
use crate::catalogue::{Catalogue, CatalogueError, REMEMBER_KEYS};
use crate::config::Config;
use crate::idempotency::Fingerprints;
use crate::sale::Sale;

/// How often remembered keys are looked through.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// The state of the service. Clones are cheap and share everything.
#[derive(Clone)]
pub(crate) struct App {
    /// The configuration as it was loaded.
    pub(crate) config: Arc<Config>,
    /// Users, plans, shows, performances.
    pub(crate) catalogue: Catalogue,
    /// Who may have a seat.
    pub(crate) locks: LockClient,
    /// The rules of selling, and the ledger behind them.
    pub(crate) sale: Sale,
    /// Signs and checks bearer tokens.
    pub(crate) tokens: Tokens,
    /// Hashes and compares passwords, few at a time.
    pub(crate) passwords: Passwords,
    /// Tells requests under one idempotency key apart.
    pub(crate) fingerprints: Fingerprints,
    /// Of each customer, and of each address without a token.
    pub(crate) rate_limit: RateLimit,
    /// The process around it: readiness, metrics, background work.
    pub(crate) process: Process,
}

/// Why the service cannot start. Stores that are away are no reason.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The URL of the catalogue makes no sense.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The HTTP client could not be built.
    #[error(transparent)]
    Locks(#[from] LockError),
    /// Selling could not be set up.
    #[error(transparent)]
    Sale(#[from] crate::sale::SaleStartError),
}

impl App {
    /// Puts everything together and starts what runs in the background.
    pub(crate) fn start(config: Config, process: Process) -> Result<Self, StartError> {
        let catalogue = Catalogue::new(&config.catalogue_url, &config.catalogue)?;
        let locks = LockClient::new(LockClientConfig {
            instances: config.lock_services.clone(),
            try_timeout: Duration::from_millis(config.locks.try_timeout_ms),
            away_for: Duration::from_millis(config.locks.away_for_ms),
        })?;
        let sale = Sale::start(&config, catalogue.clone(), locks.clone(), &process)?;
        let app = Self {
            tokens: Tokens::new(&config.jwt_secret),
            passwords: Passwords::new(&config.accounts),
            fingerprints: Fingerprints::new(&config.booking_secret),
            rate_limit: RateLimit::new(config.rate_limit),
            config: Arc::new(config),
            catalogue,
            locks,
            sale,
            process,
        };
        app.watch_catalogue();
        app.forget_keys();
        Ok(app)
    }

    /// Migrates as soon as the catalogue is there, then watches it. It is
    /// optional: shows that are known are booked without it.
    fn watch_catalogue(&self) {
        let catalogue = self.catalogue.clone();
        let component = self.process.readiness.optional("catalogue");
        let every = Duration::from_millis(self.config.catalogue.probe_every_ms);
        self.process.background.supervise("catalogue", move || {
            let (catalogue, component) = (catalogue.clone(), component.clone());
            async move {
                if let Err(error) = catalogue.migrate().await {
                    component.down(error.to_string());
                    return Err(error);
                }
                loop {
                    match catalogue.probe().await {
                        Ok(()) => component.up(),
                        Err(error) => component.down(error.to_string()),
                    }
                    tokio::time::sleep(every).await;
                }
            }
        });
    }

    /// Forgets idempotency keys after their day, in small bites.
    fn forget_keys(&self) {
        let catalogue = self.catalogue.clone();
        self.process.background.supervise("forget-keys", move || {
            let catalogue = catalogue.clone();
            async move {
                loop {
                    tokio::time::sleep(FORGET_EVERY).await;
                    let age = i64::try_from(REMEMBER_KEYS.as_millis()).unwrap_or(i64::MAX);
                    let before_ms = service_kit::clock::now().as_millis().saturating_sub(age);
                    while catalogue.forget_keys(before_ms).await? {}
                }
                #[expect(unreachable_code, reason = "names the type of the error")]
                Ok::<(), CatalogueError>(())
            }
        });
    }
}
