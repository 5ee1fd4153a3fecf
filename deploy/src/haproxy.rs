//! HAProxy: the load balancer's configuration and the errors it makes itself.
//! It must not know what the services answer; only which requests may be sent
//! twice.

use seat_model::{Code, Problem};

use crate::plan::{ConfigFile, Layout, NodePlan, address, args, http};
use crate::readiness::Probe;
use crate::topology::{NodeKind, NodeSpec};

const TEMPLATE: &str = include_str!("../haproxy/haproxy.cfg");

/// Filled in by HAProxy where it can: a body from a file is sent as it is.
const REQUEST_ID: &str = "%[unique-id]";

pub(crate) fn plan(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let ports = layout.ports(&node.name);
    let folder = layout.folder.node(&node.name);
    let config = folder.join("haproxy.cfg");
    let mut plan =
        layout.node(node, Probe::Http { url: format!("{}/readyz", http(ports.at_second())) });
    // -db: stay in the foreground; the session is ours already.
    plan.launch.args = args(["-db".to_owned(), "-f".to_owned(), config.display().to_string()]);
    plan.after = layout.names_of(&[NodeKind::BookingApi, NodeKind::ViewService]);
    let mut text = TEMPLATE
        .replace("@ADDRESS@", &address(ports.at_main()))
        .replace("@ADMIN_ADDRESS@", &address(ports.at_second()))
        .replace("@BOOKING_SERVERS@", &servers(layout, NodeKind::BookingApi))
        .replace("@BOOKING_TRACKERS@", &trackers(layout, NodeKind::BookingApi, "booking"))
        .replace("@VIEW_SERVERS@", &servers(layout, NodeKind::ViewService))
        .replace("@VIEW_TRACKERS@", &trackers(layout, NodeKind::ViewService, "views"))
        .replace("@IN_ROTATION@", &rotation(layout));
    for (word, code, status, detail) in generated() {
        text = text.replace(word, &http_error(code, status, detail));
    }
    text = text.replace("@NOT_FOUND@", &not_found());
    for (word, name, code, detail) in FROM_FILE {
        let path = folder.join(name);
        text = text.replace(word, &path.display().to_string());
        plan.files.push(ConfigFile { path, text: raw_answer(code, detail) });
    }
    plan.files.push(ConfigFile { path: config, text });
    plan
}

/// Asks whether the load balancer gives a service's instance requests; none for
/// what is not behind it.
pub(crate) fn in_rotation(node: &NodeSpec, layout: Layout<'_>) -> Option<Probe> {
    let balancer = layout.names_of(&[NodeKind::LoadBalancer]).pop()?;
    let at = layout.ports(&balancer).at_second();
    backend_of(node.kind)?;
    Some(Probe::Http { url: format!("{}/readyz/{}", http(at), node.name) })
}

/// The backend whose health checks decide about a kind's instances.
const fn backend_of(kind: NodeKind) -> Option<&'static str> {
    match kind {
        NodeKind::BookingApi => Some("booking"),
        NodeKind::ViewService => Some("views"),
        _ => None,
    }
}

fn rotation(layout: Layout<'_>) -> String {
    let mut lines = Vec::new();
    for kind in [NodeKind::BookingApi, NodeKind::ViewService] {
        let Some(backend) = backend_of(kind) else { continue };
        for name in layout.names_of(&[kind]) {
            let at = format!("if {{ path /readyz/{name} }}");
            let answer = "content-type text/plain string";
            lines.push(format!(
                "    http-request return status 200 {answer} \"ok\" {at} {{ srv_is_up({backend}/{name}) }}\n    \
                 http-request return status 503 {answer} \"the load balancer gives {name} no requests\" {at}"
            ));
        }
    }
    lines.join("\n")
}

/// Errors whose own status is the contract's: HAProxy fills in the request id.
const fn generated() -> [(&'static str, Code, u16, &'static str); 4] {
    [
        ("@ERROR_400@", Code::InvalidRequest, 400, "The request could not be read as HTTP."),
        ("@ERROR_500@", Code::Internal, 500, "The load balancer could not handle the request."),
        (
            "@ERROR_503@",
            Code::Unavailable,
            503,
            "No instance of the service can be reached; the request was not handed to any.",
        ),
        (
            "@ERROR_504_BOOKING@",
            Code::OutcomeUnknown,
            504,
            "The service took the request and did not answer in time.",
        ),
    ]
}

/// Errors that the contract gives another status than HAProxy does.
const FROM_FILE: [(&str, &str, Code, &str); 4] = [
    ("@FILE_408@", "408.http", Code::InvalidRequest, "The request did not arrive whole in time."),
    (
        "@FILE_502_BOOKING@",
        "502-booking.http",
        Code::OutcomeUnknown,
        "The service took the request and the connection to it broke.",
    ),
    (
        "@FILE_502_READ@",
        "502-read.http",
        Code::Unavailable,
        "No instance of the service answered; nothing was changed.",
    ),
    (
        "@FILE_504_READ@",
        "504-read.http",
        Code::Unavailable,
        "No instance of the service answered in time; nothing was changed.",
    ),
];

fn http_error(code: Code, status: u16, detail: &str) -> String {
    let retry_after = if code == Code::Unavailable { " hdr Retry-After 1" } else { "" };
    let body = body(code, detail, REQUEST_ID);
    format!(
        "http-error status {status} content-type application/problem+json lf-string '{body}'{retry_after}"
    )
}

fn not_found() -> String {
    let body = body(Code::NotFound, "The load balancer has /livez, /readyz and /metrics.", "");
    format!("content-type application/problem+json string '{body}'")
}

fn raw_answer(code: Code, detail: &str) -> String {
    let body = body(code, detail, "");
    let reason = match code.status() {
        400 => "Bad Request",
        503 => "Service Unavailable",
        _ => "Gateway Timeout",
    };
    let retry_after = if code == Code::Unavailable { "Retry-After: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: application/problem+json\r\n\
         Cache-Control: no-cache\r\nConnection: close\r\n{retry_after}\
         Content-Length: {}\r\n\r\n{body}",
        code.status(),
        body.len(),
    )
}

/// The same type every service answers with, so the two cannot drift apart.
fn body(code: Code, detail: &str, request_id: &str) -> String {
    let mut problem = Problem::new(code, detail);
    request_id.clone_into(&mut problem.request_id);
    serde_json::to_string(&problem).unwrap_or_default()
}

fn servers(layout: Layout<'_>, kind: NodeKind) -> String {
    lines(layout, kind, |ports, _| format!("check port {}", ports.second))
}

/// The same instances in another backend, without a second set of checks.
fn trackers(layout: Layout<'_>, kind: NodeKind, checked_in: &str) -> String {
    lines(layout, kind, |_, name| format!("track {checked_in}/{name}"))
}

fn lines(
    layout: Layout<'_>,
    kind: NodeKind,
    how: impl Fn(crate::ports::NodePorts, &str) -> String,
) -> String {
    let line = |name: &String| {
        let ports = layout.ports(name);
        format!("    server {name} {} {}", address(ports.at_main()), how(ports, name))
    };
    layout.names_of(&[kind]).iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::plan::Plan;
    use crate::plan::tests::sample;
    use crate::programs;
    use crate::state::ClusterFolder;
    use crate::topology::Profile;

    fn files(folder: &ClusterFolder) -> Vec<ConfigFile> {
        let (state, _, programs) = sample(Profile::Ha);
        let plan = Plan::new(&state, folder, &programs);
        plan.nodes.into_iter().find(|node| node.kind == NodeKind::LoadBalancer).unwrap().files
    }

    #[test]
    fn haproxy_accepts_the_configuration() {
        let Some(haproxy) = programs::HAPROXY.find() else {
            println!("skipped: haproxy is not installed");
            return;
        };
        let home = tempfile::tempdir().unwrap();
        let folder = ClusterFolder::new(home.path().to_owned(), "sample");
        std::fs::create_dir_all(folder.node("load-balancer")).unwrap();
        let files = files(&folder);
        for file in &files {
            std::fs::write(&file.path, &file.text).unwrap();
        }
        let config = &files.last().unwrap().path;
        let output = Command::new(haproxy).arg("-c").arg("-f").arg(config).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("WARNING"), "{said}");
    }

    #[test]
    fn every_answer_from_a_file_is_a_problem_of_its_status() {
        let home = tempfile::tempdir().unwrap();
        let folder = ClusterFolder::new(home.path().to_owned(), "sample");
        let mut seen = 0;
        for file in files(&folder) {
            let Some((head, body)) = file.text.split_once("\r\n\r\n") else { continue };
            seen += 1;
            let problem: Problem = serde_json::from_str(body).unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {} ", problem.status)), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        }
        assert_eq!(seen, FROM_FILE.len());
    }

    #[test]
    fn no_word_is_left_and_only_bookings_leave_the_outcome_open() {
        let home = tempfile::tempdir().unwrap();
        let folder = ClusterFolder::new(home.path().to_owned(), "sample");
        let text = files(&folder).pop().unwrap().text;
        assert!(!text.contains('@'), "{text}");
        let booking = text.split("\nbackend booking\n").nth(1).unwrap();
        let (booking, others) = booking.split_once("\nbackend ").unwrap();
        assert!(booking.contains("502-booking.http") && booking.contains("outcome_unknown"));
        assert!(booking.contains("retry-on conn-failure\n"), "{booking}");
        assert!(!others.contains("outcome_unknown"));
    }
}
