//! What tests act on: a small hall, and a fresh show in it for every test, so
//! that tests do not meet.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chaos_tests::{Caller, Coverage, eventually};
use local_cluster::{NodeKind, Role, StartedCluster};
use serde_json::{Value, json};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The running platform and those who use it.
pub(crate) struct World {
    pub(crate) cluster: StartedCluster,
    pub(crate) coverage: Arc<Coverage>,
    /// Without a token.
    pub(crate) anybody: Caller,
    pub(crate) organiser: Caller,
    pub(crate) plan_id: String,
    /// Everybody who ever bought or tried to.
    customers: Mutex<BTreeSet<String>>,
}

/// A bearer token for the length of a test run.
pub(crate) fn token(cluster: &StartedCluster, user: &str, role: Role) -> String {
    cluster.mint_token(user, role, Duration::from_secs(3600)).expect("a token")
}

/// A show with one performance.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    pub(crate) show_id: String,
    pub(crate) performance_id: String,
    pub(crate) date: String,
}

/// Where every test performance takes place.
pub(crate) const CITY: &str = "Testville";

impl World {
    pub(crate) async fn new(cluster: StartedCluster) -> Self {
        let coverage = Arc::new(Coverage::default());
        let anybody = Caller::new(cluster.base_url(), Arc::clone(&coverage));
        let organiser = anybody.with_token(token(&cluster, "organiser-1", Role::Organiser));
        let plan = organiser.post("/v1/admin/plans", hall()).expect(201).await.json();
        let plan_id = plan["plan_id"].as_str().expect("a plan id").to_owned();
        let customers = Mutex::default();
        Self { cluster, coverage, anybody, organiser, plan_id, customers }
    }

    /// For tests that break nothing: leave the platform as it is.
    pub(crate) fn stay(&self) -> impl Future<Output = ()> + use<> {
        std::future::ready(())
    }

    /// The names of the nodes of a kind.
    pub(crate) fn names_of(&self, kind: NodeKind) -> Vec<String> {
        self.cluster.topology().of_kind(kind).map(|node| node.name.clone()).collect()
    }

    /// A customer nobody else is.
    pub(crate) fn customer(&self, name: &str) -> Caller {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.customer_named(&format!("{name}-{number}"))
    }

    /// A customer by name.
    pub(crate) fn customer_named(&self, user: &str) -> Caller {
        self.customers.lock().expect("no test panics with it").insert(user.to_owned());
        self.anybody.with_token(token(&self.cluster, user, Role::Customer))
    }

    /// Everybody there was so far, by name.
    pub(crate) fn customers(&self) -> BTreeSet<String> {
        self.customers.lock().expect("no test panics with it").clone()
    }

    /// A show id nobody else uses.
    pub(crate) fn fresh_show_id(&self, name: &str) -> String {
        format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A fresh show with a performance in ten days, as the test wants it.
    pub(crate) async fn show_with(&self, name: &str, changes: Value) -> Show {
        let show_id = self.fresh_show_id(name);
        self.show_called(&show_id, changes).await
    }

    pub(crate) async fn show_called(&self, show_id: &str, changes: Value) -> Show {
        let body = json!({"show_id": show_id, "name": format!("The {show_id}")});
        self.organiser.post_once("/v1/admin/shows", body).expect(201).await;
        let performance_id = self.performance(show_id, changes).await;
        Show { show_id: show_id.to_owned(), performance_id, date: date_in(10) }
    }

    /// A fresh show as it comes.
    pub(crate) async fn show(&self, name: &str) -> Show {
        self.show_with(name, json!({})).await
    }

    /// Another performance of a show.
    pub(crate) async fn performance(&self, show_id: &str, changes: Value) -> String {
        let mut body = performance_body(&self.plan_id);
        for (key, value) in changes.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let path = format!("/v1/admin/shows/{show_id}/performances");
        let made = self.organiser.post_once(path, body).expect(201).await.json();
        made["performance_id"].as_str().expect("a performance id").to_owned()
    }

    /// The seat map once the view knows the performance.
    pub(crate) async fn seats(&self, show: &Show) -> Value {
        let path = show.seats_path();
        eventually(Duration::from_secs(5), || async {
            let answer = self.anybody.get(path.clone()).send().await;
            if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
        })
        .await
    }

    /// What Prometheus answers at a path of its API.
    pub(crate) async fn prometheus(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, String> {
        let base = format!("{}/api/v1/{path}", self.cluster.prometheus_url());
        let url = reqwest::Url::parse_with_params(&base, parameters).map_err(text)?;
        let answer = self.anybody.http().get(url).send().await.map_err(text)?;
        let body: Value = answer.json().await.map_err(text)?;
        if body["status"] == "success" { Ok(body["data"].clone()) } else { Err(body.to_string()) }
    }

    /// The series that an expression has now.
    pub(crate) async fn measured(&self, expression: &str) -> Result<Vec<Value>, String> {
        let found = self.prometheus("query", &[("query", expression)]).await?;
        Ok(found["result"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until the view shows exactly these seats as not free.
    pub(crate) async fn seats_become(&self, show: &Show, wanted: Value) {
        eventually(Duration::from_secs(8), || async {
            let seats = self.seats(show).await["seats"].clone();
            if seats == wanted { Ok(()) } else { Err(format!("{seats} instead of {wanted}")) }
        })
        .await;
    }
}

impl Show {
    pub(crate) fn book_path(&self) -> String {
        format!("/v1/book/{}", self.show_id)
    }

    pub(crate) fn booking_path(&self, booking: &Value) -> String {
        format!("{}/{}", self.book_path(), booking["booking_id"].as_str().expect("a booking id"))
    }

    pub(crate) fn seats_path(&self) -> String {
        format!("/v1/show/{}/performances/{}/seats", self.show_id, self.performance_id)
    }

    /// Books by tier, date and location, as the seeds did.
    pub(crate) fn best(&self, tier: &str, quantity: u32) -> Value {
        json!({"tier": tier, "date": self.date, "location": CITY, "quantity": quantity})
    }

    /// Books exactly these seats.
    pub(crate) fn named(&self, seats: &[&str]) -> Value {
        json!({"performance_id": self.performance_id, "seats": seats})
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(crate) fn performance_body(plan_id: &str) -> Value {
    json!({
        "location": CITY, "venue": "The Hall", "time_zone": "Europe/Berlin",
        "starts_at": format!("{}T18:00:00.000Z", date_in(10)), "plan_id": plan_id,
        "prices": {
            "Stalls": {"price": 4500, "currency": "EUR"},
            "Box": {"price": 9000, "currency": "EUR"},
            "Balcony": {"price": 2500, "currency": "EUR"},
        },
    })
}

/// A date so many days from now (UTC; evenings in Berlin are on the same date).
pub(crate) fn date_in(days: i64) -> String {
    let day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
    day.strftime("%Y-%m-%d").to_string()
}

fn row(prefix: &str, name: &str, y: f64, xs: &[f64], category: &str) -> Value {
    let seats: Vec<Value> = xs
        .iter()
        .enumerate()
        .map(|(i, x)| {
            json!({"seat_guid": format!("{prefix}-{name}-{}", i + 1),
                "seat_number": (i + 1).to_string(), "position": {"x": x, "y": 0.0},
                "category": category})
        })
        .collect();
    json!({"row_number": name, "position": {"x": 0.0, "y": y}, "seats": seats})
}

/// 50 stalls in five rows, a box of a pair and a trio with an aisle between, a balcony
/// of ten with two accessible seats and a companion's.
pub(crate) fn hall() -> Value {
    let even: Vec<f64> = (0..10).map(|i| f64::from(i) * 10.0).collect();
    let stalls: Vec<Value> = ["A", "B", "C", "D", "E"]
        .iter()
        .zip([0.0, 10.0, 20.0, 30.0, 40.0])
        .map(|(name, y)| row("S", name, y, &even, "Stalls"))
        .collect();
    json!({
        "name": "The Hall", "size": {"width": 200, "height": 200},
        "categories": [{"name": "Stalls"}, {"name": "Box"}, {"name": "Balcony"}],
        "zones": [
            {"name": "Stalls", "position": {"x": 0.0, "y": 10.0}, "rows": stalls},
            {"name": "Box", "position": {"x": 120.0, "y": 10.0},
                "rows": [row("X", "1", 0.0, &[0.0, 10.0, 40.0, 50.0, 60.0], "Box")]},
            {"name": "Balcony", "position": {"x": 0.0, "y": 80.0},
                "rows": [row("B", "1", 0.0, &even, "Balcony")]},
        ],
        "x-seatlock": {
            "focal_point": {"x": 45.0, "y": 0.0},
            "seats": {"B-1-1": {"accessible": true}, "B-1-2": {"accessible": true},
                "B-1-3": {"companion": true}},
        },
    })
}
