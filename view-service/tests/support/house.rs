//! What there is to look at: shows in a real catalogue, and instances of
//! view-service that show them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use prometheus::Registry;
use service_kit::{Background, Process, Readiness};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use view_service::{Config, build};
use view_service_client::ViewClient;

use super::{Feed, Server, eventually, free_port, mariadb, redis, redis_url};

const TABLES: &str = include_str!("../../../booking-api/migrations/catalogue/0001_catalogue.sql");

const PLAN: &str = r#"{"name":"Hall","categories":[{"name":"Stalls"},{"name":"Box"},{"name":"Empty"}],
"size":{"width":10,"height":10},"zones":[{"position":{"x":0,"y":0},"rows":[{"row_number":"1","seats":[
{"seat_guid":"A-1","seat_number":"1","position":{"x":0,"y":0},"category":"Stalls"},
{"seat_guid":"A-2","seat_number":"2","position":{"x":1,"y":0},"category":"Stalls"},
{"seat_guid":"A-3","seat_number":"3","position":{"x":2,"y":0},"category":"Box"}]}]}]}"#;

const PRICES: &str = r#"{"Stalls":{"price":4500,"currency":"EUR"},"Box":{"price":9000,"currency":"EUR"},
"Empty":{"price":1,"currency":"EUR"}}"#;

/// One database of the catalogue.
pub(crate) struct Catalogue(MySqlConnection);

impl Catalogue {
    pub(crate) async fn new(url: &str) -> Self {
        let mut connection = MySqlConnection::connect(url).await.unwrap();
        sqlx::raw_sql(TABLES).execute(&mut connection).await.unwrap();
        let mut catalogue = Self(connection);
        catalogue.run(format!("INSERT INTO plans VALUES ('plan','Hall','{PLAN}',3,'[]',0)")).await;
        catalogue
    }

    pub(crate) async fn run(&mut self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.0).await.unwrap();
    }

    /// A show that is called as its id in capitals.
    pub(crate) async fn show(&mut self, id: &str) {
        let name = id.to_uppercase();
        self.run(format!("INSERT INTO shows VALUES ('{id}','{name}','{id}',0)")).await;
    }

    /// `at` is UTC, `date` the venue's own.
    pub(crate) async fn performance(
        &mut self,
        show: &str,
        id: &str,
        place: &str,
        at: &str,
        date: &str,
    ) {
        let at: seat_model::Timestamp = at.parse().unwrap();
        let (at, key) = (at.as_millis(), place.to_lowercase());
        self.run(format!(
            "INSERT INTO performances VALUES ('{id}','{show}','{place}','{key}','House',\
             'Europe/Vienna',{at},'{date}','plan','{PRICES}',NULL,600000,1800000,10,'off',0,0)"
        ))
        .await;
    }
}

/// An instance of view-service in this process.
pub(crate) async fn instance(config: serde_json::Value) -> (ViewClient, Background, Readiness) {
    let config: Config = serde_json::from_value(config).unwrap();
    let process = Process {
        readiness: Readiness::default(),
        registry: Registry::new(),
        background: Background::default(),
    };
    let router = build(config, process.clone()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let client = ViewClient::new(&url, Duration::from_secs(3)).unwrap();
    (client, process.background, process.readiness)
}

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
            "lock_services": [feed.url], "redis_url": redis_url(port),
            "catalogue_replica_urls": [], "catalogue_primary_url": url,
        });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let (client, background, readiness) = instance(config.clone()).await;
        eventually("nothing is missing", || async { readiness.missing().is_empty().then_some(()) })
            .await;
        let _servers = (database, store);
        Some(Self { feed, client, config, background, _servers, _dir: dir })
    }
}
