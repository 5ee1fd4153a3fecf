//! A catalogue in a real database, and view-service as a whole in front of it.

use std::time::Duration;

use prometheus::Registry;
use service_kit::{Background, Process, Readiness};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use view_service::{Config, build};
use view_service_client::ViewClient;

const TABLES: [&str; 2] = [
    include_str!("../../../booking-api/migrations/catalogue/0001_catalogue.sql"),
    include_str!("../../../booking-api/migrations/catalogue/0010_analytics.sql"),
];

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
        for tables in TABLES {
            sqlx::raw_sql(tables).execute(&mut connection).await.unwrap();
        }
        let mut catalogue = Self(connection);
        catalogue.run(format!("INSERT INTO plans VALUES ('plan','Hall','{PLAN}',3,'[]',0)")).await;
        catalogue
    }

    pub(crate) async fn run(&mut self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.0).await.unwrap();
    }

    pub(crate) async fn show(&mut self, id: &str) {
        self.show_called(id, &id.to_uppercase(), id).await;
    }

    /// `key` is what the name is searched by.
    pub(crate) async fn show_called(&mut self, id: &str, name: &str, key: &str) {
        self.run(format!("INSERT INTO shows VALUES ('{id}','{name}','{key}',0)")).await;
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

/// How often performances were looked at, as far as it was added up.
pub(crate) async fn views_added(url: &str) -> i64 {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(views), 0) AS SIGNED) FROM performance_demand_hour",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap()
}

/// A whole view-service.
pub(crate) struct Instance {
    pub(crate) client: ViewClient,
    pub(crate) url: String,
    pub(crate) background: Background,
    pub(crate) readiness: Readiness,
    pub(crate) registry: Registry,
}

pub(crate) async fn instance(config: serde_json::Value) -> Instance {
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
    let client = ViewClient::new(&url, Duration::from_secs(15)).unwrap();
    let Process { readiness, registry, background } = process;
    Instance { client, url, background, readiness, registry }
}
