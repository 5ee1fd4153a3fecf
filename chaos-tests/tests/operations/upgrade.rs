//! docs/operations/upgrade.md: another build of every service is rolled out in
//! the documented order and rolled back in reverse, while people buy and look.
//!
//! The other build is the faulty one with no bug planted and no fail point
//! armed: another program of the same version.

use std::fs;
use std::sync::Arc;

use chaos_tests::stage::Stage;
use chaos_tests::visited;
use local_cluster::{Direction, Progress, ProgressSink, StartedCluster, service};

use crate::crowd::{Crowd, VISITORS, anybody, halls, pages};

/// Prints how long each instance took.
fn telling(what: &'static str) -> ProgressSink {
    Arc::new(move |progress| {
        if let Progress::Ready { node, after } = progress {
            println!("{what}: {node} serves again after {:.1} s", after.as_secs_f32());
        }
    })
}

/// Every instance of a kind that has two builds runs the wanted one.
fn all_run(cluster: &StartedCluster, faulty: bool) {
    let nodes = cluster.nodes().expect("the nodes");
    for node in nodes.iter().filter(|node| node.kind.has_faulty_build()) {
        let pid = node.pid.unwrap_or_else(|| panic!("{} does not run", node.name));
        let program = fs::read_link(format!("/proc/{pid}/exe")).expect("its program");
        let wanted = service::program_file(node.kind, faulty);
        assert!(program.ends_with(&wanted), "{} runs {}", node.name, program.display());
    }
}

async fn there_and_back(stage: &Stage) {
    let next = stage.cluster.reconfigure(|topology, _| topology.faulty = true).await;
    let next = next.expect("another build");
    next.roll_out(Direction::Forward, &telling("upgrade")).await.expect("rolled out");
    all_run(&next, true);
    let previous = next.reconfigure(|topology, _| topology.faulty = false).await;
    let previous = previous.expect("the build before");
    previous.roll_out(Direction::Back, &telling("rollback")).await.expect("rolled back");
    all_run(&previous, false);
}

pub(crate) async fn another_build_is_rolled_out_and_back_while_people_buy(stage: &Stage) {
    let halls = halls(stage, "upgrade").await;
    all_run(&stage.cluster, false);
    let crowd = Crowd::new(stage, &halls, "upgrade");
    let buying = crowd.buys(there_and_back(stage));
    let (visits, seen) = visited(&anybody(stage), VISITORS, &pages(&halls), buying).await;
    println!("upgrade: {} views, the longest {:?}", visits.answered, visits.longest);
    assert!(visits.failed.is_empty(), "{:#?}", visits.failed);
    assert!(visits.answered >= 200, "people were looking: {}", visits.answered);
    seen.judge("upgrade");
    // An instance that ends leaves the load balancer before it closes its doors.
    assert_eq!(seen.unanswered, 0, "requests without an answer");
    seen.is_what_the_stores_hold(stage, &halls).await;
}
