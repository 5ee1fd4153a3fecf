//! What an operator types, in front of the tests' cluster, and what is printed.

use std::process::Output;

use local_cluster::service;
use serde_json::Value;

use crate::world::World;

/// The command, as an operator types it.
pub(crate) async fn seatlock(world: &World, arguments: &[&str]) -> Output {
    let program = service::default_bin_dir().join("seatlock");
    let home = world.cluster.root().parent().expect("a home").to_owned();
    tokio::process::Command::new(program)
        .args(arguments)
        .args(["--tag", &world.cluster.topology().tag, "--home"])
        .arg(home)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("seatlock is built: cargo build --release --locked --bins")
}

pub(crate) fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    })
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
