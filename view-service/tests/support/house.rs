//! What there is to look at: shows in a real catalogue, and instances of
//! view-service that show them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use service_kit::Background;
use view_service_client::ViewClient;

use super::catalogue::{Catalogue, Instance, instance};
use super::{Feed, Server, eventually, free_port, mariadb, redis, redis_url};

/// One show with one performance, everything it needs, and one instance.
pub(crate) struct House {
    pub(crate) feed: Feed,
    pub(crate) client: ViewClient,
    pub(crate) config: serde_json::Value,
    pub(crate) background: Background,
    _servers: (Server, Server),
    _dir: tempfile::TempDir,
}

impl House {
    /// `None` where no MariaDB is installed. `more` goes into the configuration.
    pub(crate) async fn open(more: serde_json::Value) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (database, url) = mariadb(dir.path()).await?;
        let mut catalogue = Catalogue::new(&url).await;
        catalogue.show("hamlet").await;
        let at = "2026-11-23T19:00:00.000Z";
        catalogue.performance("hamlet", "h-1", "Wien", at, "2026-11-23").await;
        let port = free_port();
        let store = redis(port).await;
        let feed = Feed::start().await;
        let mut config = serde_json::json!({
            "name": "view-service-t", "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:1",
            "lock_services": [feed.url], "redis": {"mode": "single", "url": redis_url(port)},
            "catalogue_replica_urls": [], "catalogue_primary_url": url,
        });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let Instance { client, background, readiness, .. } = instance(config.clone()).await;
        eventually("nothing is missing", || async { readiness.missing().is_empty().then_some(()) })
            .await;
        let _servers = (database, store);
        Some(Self { feed, client, config, background, _servers, _dir: dir })
    }
}
