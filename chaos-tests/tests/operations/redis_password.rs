//! docs/operations/secrets.md, Redis password: Redis takes two at once, so
//! that every view-service can change from one to the other while people look.
//!
//! The launcher's Redis begins without any password: giving it the first one
//! is another procedure, and is tested on the way.

use std::time::Duration;

use chaos_tests::stage::Stage;
use chaos_tests::{eventually, visited};
use local_cluster::{NodeKind, StartedCluster};
use redis::aio::MultiplexedConnection;
use toml::{Table, Value};

use crate::crowd::{VISITORS, anybody, halls, pages};
use crate::jwt_secret::fresh_secret;

/// What comes back by itself comes back within this.
const SOON: Duration = Duration::from_secs(10);

/// Where Redis is, for somebody with a password.
fn url_with(cluster: &StartedCluster, password: &str) -> String {
    let url = cluster.redis_url().expect("a Redis");
    url.replacen("redis://", &format!("redis://:{password}@"), 1)
}

/// A connection that Redis answers.
async fn connected(url: &str) -> Result<MultiplexedConnection, String> {
    let text = |error: redis::RedisError| error.to_string();
    let client = redis::Client::open(url).map_err(text)?;
    let mut connection = client.get_multiplexed_async_connection().await.map_err(text)?;
    redis::cmd("PING").exec_async(&mut connection).await.map_err(text)?;
    Ok(connection)
}

/// Changes the passwords of the account that everybody is.
async fn set(connection: &mut MultiplexedConnection, rules: &[&str]) {
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("default").arg(rules);
    command.exec_async(connection).await.expect("Redis takes the rules");
}

/// Takes every password away again.
pub(crate) async fn put_back(cluster: &StartedCluster) {
    let url = cluster.redis_url().expect("a Redis");
    if connected(&url).await.is_err() {
        // Whoever knew the password has gone: Redis forgets it with its process.
        cluster.restart("redis").await.expect("restarted");
    }
}

/// Tells every view-service another password, one after the other.
async fn tell_views(stage: &Stage, password: &str) {
    let url = url_with(&stage.cluster, password);
    let next = stage.cluster.reconfigure(|topology, _| {
        let servers = Table::from_iter([
            ("mode".to_owned(), Value::from("single")),
            ("url".to_owned(), Value::from(url)),
        ]);
        let view = topology.overrides.entry(NodeKind::ViewService).or_default();
        view.insert("redis".to_owned(), servers.into());
    });
    let next = next.await.expect("another password");
    for node in next.topology().of_kind(NodeKind::ViewService) {
        next.renew(&node.name).await.expect("it serves with the other password");
    }
}

/// Every view-service is let in: none passes Redis over.
async fn views_are_let_in(stage: &Stage) {
    let (cluster, anybody) = (&stage.cluster, anybody(stage));
    for view in cluster.topology().of_kind(NodeKind::ViewService) {
        let node = cluster.node(&view.name).expect("a node");
        let url = format!("http://{}/metrics", node.admin_address.expect("an admin address"));
        eventually(SOON, || async {
            let metrics = async { anybody.http().get(&url).send().await?.text().await }.await;
            let metrics = metrics.map_err(|error| error.to_string())?;
            let open = metrics.lines().find(|line| {
                line.starts_with("view_breakers_open") && line.contains("layer=\"redis\"")
            });
            match open {
                Some(line) if line.ends_with(" 0") => Ok(()),
                other => Err(format!("{}: {other:?}", view.name)),
            }
        })
        .await;
    }
}

/// Empties Redis and waits until the views have filled it again.
async fn views_fill_it(connection: &mut MultiplexedConnection) {
    redis::cmd("FLUSHALL").exec_async(connection).await.expect("emptied");
    eventually(SOON, || {
        let mut connection = connection.clone();
        async move {
            match redis::cmd("DBSIZE").query_async::<i64>(&mut connection).await {
                Ok(0) => Err("Redis is empty".to_owned()),
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        }
    })
    .await;
}

/// The steps of the page, from no password to one, and from one to another.
async fn rotate(stage: &Stage) {
    let cluster = &stage.cluster;
    let bare = cluster.redis_url().expect("a Redis");
    let (first, second) = (fresh_secret(), fresh_secret());
    let (with_first, with_second) = (url_with(cluster, &first), url_with(cluster, &second));

    let mut there = connected(&bare).await.expect("without a password");
    set(&mut there, &[&format!(">{first}")]).await;
    // Whoever was there stays; whoever comes needs it.
    redis::cmd("PING").exec_async(&mut there).await.expect("still there");
    let refused = connected(&bare).await.expect_err("a password is wanted");
    assert!(refused.contains("NOAUTH") || refused.contains("uthentication"), "{refused}");
    tell_views(stage, &first).await;
    views_are_let_in(stage).await;

    let mut there = connected(&with_first).await.expect("the first password");
    set(&mut there, &[&format!(">{second}")]).await;
    connected(&with_first).await.expect("both are good");
    connected(&with_second).await.expect("both are good");
    tell_views(stage, &second).await;
    set(&mut there, &[&format!("<{first}")]).await;
    connected(&with_first).await.expect_err("the first is taken away");
    let mut there = connected(&with_second).await.expect("the second stays");
    views_fill_it(&mut there).await;
    views_are_let_in(stage).await;
}

pub(crate) async fn two_passwords_bridge_the_change_while_people_look(stage: &Stage) {
    let pages = pages(&halls(stage, "redis").await);
    let (visits, ()) = visited(&anybody(stage), VISITORS, &pages, rotate(stage)).await;
    println!("Redis password: {} views, the longest {:?}", visits.answered, visits.longest);
    assert!(visits.failed.is_empty(), "{:#?}", visits.failed);
    assert!(visits.answered >= 200, "people were looking: {}", visits.answered);
}
