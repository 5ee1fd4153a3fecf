//! docs/operations/secrets.md, MariaDB passwords: a second account bridges the
//! change on the shards and the catalogue while people buy, and the first one,
//! which the stored procedures run as, keeps a password that nobody has.

use std::time::Duration;

use chaos_tests::hall::Hall;
use chaos_tests::stage::Stage;
use chaos_tests::{eventually, visited};
use local_cluster::{NodeKind, Role, StartedCluster, Topology};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};
use toml::{Table, Value};

use crate::crowd::{Crowd, VISITORS, anybody, best, book_path, booking_path, halls, pages, token};
use crate::jwt_secret::fresh_secret;

/// The account that the launcher makes, and the one beside it.
const FIRST: &str = "seatlock";
const SECOND: &str = "seatlock_b";

/// Where services come from: the cluster has no hosts of its own.
const FROM: &str = "127.0.0.1";

/// How long a replica may be behind, and a connection stay after its process.
const SOON: Duration = Duration::from_secs(10);

/// The servers that are written to: the replica gets accounts by replication.
fn primaries(cluster: &StartedCluster) -> Vec<String> {
    names_of(cluster, |kind| matches!(kind, NodeKind::Shard | NodeKind::Catalogue))
}

fn names_of(cluster: &StartedCluster, wanted: impl Fn(NodeKind) -> bool) -> Vec<String> {
    let nodes = cluster.topology().nodes.iter().filter(|node| wanted(node.kind));
    nodes.map(|node| node.name.clone()).collect()
}

async fn administer(cluster: &StartedCluster, node: &str, statement: String) {
    let mut connection = administrator(cluster, node).await;
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
    done.unwrap_or_else(|error| panic!("{node}: {error}"));
}

async fn administrator(cluster: &StartedCluster, node: &str) -> MySqlConnection {
    let url = cluster.database_admin_url(node).expect("a database");
    MySqlConnection::connect(&url).await.unwrap_or_else(|error| panic!("{node}: {error}"))
}

/// Gives the first account its password back, and ends the second.
pub(crate) async fn put_back(cluster: &StartedCluster) {
    for node in primaries(cluster) {
        let password = &cluster.secrets().database;
        let first = format!("ALTER USER '{FIRST}'@'{FROM}' IDENTIFIED BY '{password}'");
        administer(cluster, &node, first).await;
    }
}

/// Ends the second account, once nobody is told of it any more.
pub(crate) async fn drop_second(cluster: &StartedCluster) {
    for node in primaries(cluster) {
        administer(cluster, &node, format!("DROP USER IF EXISTS '{SECOND}'@'{FROM}'")).await;
    }
}

/// The URL of a database with the second account.
fn second_url(cluster: &StartedCluster, node: &str, password: &str) -> String {
    let first = cluster.database_url(node).expect("a database");
    let (_, place) = first.split_once('@').expect("an account");
    format!("mysql://{SECOND}:{password}@{place}")
}

/// Puts the second account into every URL that services are told.
fn use_second(cluster: &StartedCluster, topology: &mut Topology, password: &str) {
    let url = |node: &String| Value::from(second_url(cluster, node, password));
    let of = |kind: NodeKind| names_of(cluster, |other| other == kind);
    let shard = |node: &String| {
        Value::Table(Table::from_iter([
            ("id".to_owned(), Value::from(node.as_str())),
            ("url".to_owned(), url(node)),
        ]))
    };
    let shards: Vec<Value> = of(NodeKind::Shard).iter().map(shard).collect();
    let catalogue = of(NodeKind::Catalogue).iter().map(url).next().expect("a catalogue");
    let replicas: Vec<Value> = of(NodeKind::CatalogueReplica).iter().map(url).collect();
    let api = topology.overrides.entry(NodeKind::BookingApi).or_default();
    api.insert("shards".to_owned(), shards.into());
    api.insert("catalogue_url".to_owned(), catalogue.clone());
    let view = topology.overrides.entry(NodeKind::ViewService).or_default();
    view.insert("catalogue_primary_url".to_owned(), catalogue);
    view.insert("catalogue_replica_urls".to_owned(), replicas.into());
}

/// Whether a new connection is let in.
async fn lets_in(url: &str) -> Result<(), String> {
    let connection = MySqlConnection::connect(url).await.map_err(|error| error.to_string())?;
    connection.close().await.map_err(|error| error.to_string())
}

/// The steps of the page, one after the other.
async fn rotate(stage: &Stage) {
    let cluster = &stage.cluster;
    let password = fresh_secret();
    // 1. The second account, with the same rights.
    for node in primaries(cluster) {
        let url = second_url(cluster, &node, &password);
        let (_, database) = url.rsplit_once('/').expect("a database's name");
        let account = format!("'{SECOND}'@'{FROM}'");
        let made = format!("CREATE USER {account} IDENTIFIED BY '{password}'");
        administer(cluster, &node, made).await;
        administer(cluster, &node, format!("GRANT ALL ON {database}.* TO {account}")).await;
    }
    let databases = names_of(cluster, NodeKind::is_database);
    for node in &databases {
        let url = second_url(cluster, node, &password);
        eventually(SOON, || lets_in(&url)).await;
    }
    // 2. Into the URLs.
    let next = cluster.reconfigure(|topology, _| use_second(cluster, topology, &password)).await;
    let next = next.expect("the second account");
    let told = |kind| matches!(kind, NodeKind::BookingApi | NodeKind::ViewService);
    for node in names_of(cluster, told) {
        next.renew(&node).await.expect("it serves with the second account");
    }
    // 3. When nobody is there with the first one, nobody can be again.
    for node in &databases {
        eventually(SOON, || nobody_is_there(cluster, node)).await;
    }
    for node in primaries(cluster) {
        let nobodys = fresh_secret();
        let end = format!("ALTER USER '{FIRST}'@'{FROM}' IDENTIFIED BY '{nobodys}'");
        administer(cluster, &node, end).await;
    }
    for node in &databases {
        let url = cluster.database_url(node).expect("a database");
        eventually(SOON, || async {
            match lets_in(&url).await {
                Err(why) if why.contains("Access denied") => Ok(()),
                other => Err(format!("{node}: {other:?} with the old password")),
            }
        })
        .await;
    }
}

/// Whether a server has no connection of the first account.
async fn nobody_is_there(cluster: &StartedCluster, node: &str) -> Result<(), String> {
    let there = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = ?";
    let mut connection = administrator(cluster, node).await;
    let left = sqlx::query_scalar::<_, i64>(there).bind(FIRST).fetch_one(&mut connection).await;
    match left {
        Ok(0) => Ok(()),
        other => Err(format!("{node}: {other:?} connections of {FIRST}")),
    }
}

/// Every stored procedure of a shard runs as the first account.
async fn procedures_are_the_firsts(cluster: &StartedCluster, shard: &str) {
    let of = "SELECT definer FROM information_schema.routines WHERE routine_schema = ?";
    let mut connection = administrator(cluster, shard).await;
    let definers = sqlx::query_scalar::<_, String>(of).bind("seatlock_shard");
    let definers = definers.fetch_all(&mut connection).await.expect("the procedures");
    let first = format!("{FIRST}@{FROM}");
    assert!(!definers.is_empty(), "{shard} has procedures");
    assert!(definers.iter().all(|definer| *definer == first), "{shard}: {definers:?}");
}

/// Sells a seat and takes it back, by procedures of the shard.
async fn buys_and_cancels(stage: &Stage, hall: &Hall) {
    let customer = anybody(stage).with_token(token(&stage.cluster, "bea", Role::Customer));
    let mut body = best(hall);
    body["confirm"] = true.into();
    body["payment_token"] = "tok_ok".into();
    let sold = customer.post_once(book_path(hall), body).expect(201).await.json();
    assert_eq!(sold["state"], "confirmed");
    customer.delete(booking_path(hall, &sold)).expect(200).await;
}

pub(crate) async fn two_accounts_bridge_the_change_while_people_buy(stage: &Stage) {
    let halls = halls(stage, "maria").await;
    let buying = Crowd::new(stage, &halls, "maria").buys(rotate(stage));
    let (visits, seen) = visited(&anybody(stage), VISITORS, &pages(&halls), buying).await;
    println!("database password: {} views, the longest {:?}", visits.answered, visits.longest);
    assert!(visits.failed.is_empty(), "{:#?}", visits.failed);
    seen.judge("database password");
    for hall in &halls {
        procedures_are_the_firsts(&stage.cluster, hall.shard.as_str()).await;
        buys_and_cancels(stage, hall).await;
    }
    for page in pages(&halls) {
        anybody(stage).get(page).expect(200).await;
    }
    // Who compares the stores comes with the first account.
    put_back(&stage.cluster).await;
    seen.is_what_the_stores_hold(stage, &halls).await;
}
