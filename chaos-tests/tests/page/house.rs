//! What the journeys take place in: the demo's shows for those who look, and a
//! small hall with a show of its own for each journey that sells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chaos_tests::{Caller, Coverage, eventually};
use local_cluster::{Role, StartedCluster, demo_world};
use serde_json::{Value, json};

use crate::browser::Browsers;
use crate::driver::Driver;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The running platform, and who uses it.
pub(crate) struct House {
    pub(crate) cluster: StartedCluster,
    pub(crate) driver: Driver,
    pub(crate) anybody: Caller,
    organiser: Caller,
    plan_id: String,
}

/// A show with one performance.
pub(crate) struct Show {
    pub(crate) show_id: String,
    performance_id: String,
}

impl Show {
    /// Where its map is.
    pub(crate) fn place(&self) -> String {
        format!("#/show/{}/{}", self.show_id, self.performance_id)
    }

    pub(crate) fn book_path(&self) -> String {
        format!("/v1/book/{}", self.show_id)
    }

    /// Books exactly these seats.
    pub(crate) fn named(&self, seats: &[&str]) -> Value {
        json!({"performance_id": self.performance_id, "seats": seats})
    }
}

impl House {
    pub(crate) async fn open(cluster: StartedCluster) -> Result<Self, String> {
        let driver = Driver::start().await?;
        demo_world::load(&cluster).await.map_err(|error| error.to_string())?;
        let anybody = Caller::new(cluster.base_url(), Arc::new(Coverage::default()));
        let organiser = anybody.with_token(token_of(&cluster, "organiser-1", Role::Organiser));
        let plan = serde_json::to_value(demo_world::cinema()).map_err(|error| error.to_string())?;
        let plan = organiser.post("/v1/admin/plans", plan).expect(201).await.json();
        let plan_id = plan["plan_id"].as_str().unwrap_or_default().to_owned();
        Ok(Self { cluster, driver, anybody, organiser, plan_id })
    }

    pub(crate) fn browsers(&self) -> Browsers<'_> {
        Browsers::new(&self.driver, self.cluster.base_url())
    }

    pub(crate) fn token(&self, user: &str, role: Role) -> String {
        token_of(&self.cluster, user, role)
    }

    /// A customer nobody else is, and their token.
    pub(crate) fn customer(&self, name: &str) -> (Caller, String) {
        let user = format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let token = self.token(&user, Role::Customer);
        (self.anybody.with_token(token.clone()), token)
    }

    /// A fresh show in a small hall, which the view knows.
    pub(crate) async fn show(&self, name: &str, changes: Value) -> Show {
        let show_id = format!("page-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let body = json!({"show_id": show_id, "name": name});
        self.organiser.post_once("/v1/admin/shows", body).expect(201).await;
        let starts = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 12);
        let mut body = json!({
            "location": "Berlin", "venue": "Kino Lumen", "time_zone": "Europe/Berlin",
            "starts_at": format!("{}T19:15:00.000Z", starts.strftime("%Y-%m-%d")),
            "plan_id": self.plan_id, "prices": {
                "Front": {"price": 900, "currency": "EUR"},
                "Standard": {"price": 1150, "currency": "EUR"},
                "Premium": {"price": 1400, "currency": "EUR"},
            },
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let path = format!("/v1/admin/shows/{show_id}/performances");
        let made = self.organiser.post_once(path, body).expect(201).await.json();
        let performance_id = made["performance_id"].as_str().unwrap_or_default().to_owned();
        let path = format!("/v1/show/{show_id}/performances/{performance_id}/seats");
        eventually(Duration::from_secs(5), || async {
            let answer = self.anybody.get(path.clone()).send().await;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        })
        .await;
        Show { show_id, performance_id }
    }
}

fn token_of(cluster: &StartedCluster, user: &str, role: Role) -> String {
    cluster.mint_token(user, role, Duration::from_secs(3600)).expect("a token")
}
