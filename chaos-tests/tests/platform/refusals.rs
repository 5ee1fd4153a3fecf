//! Requests that are wrong as requests: each is answered with its problem and
//! changes nothing.

use std::time::Duration;

use local_cluster::Role;
use reqwest::Method;
use seat_model::Code;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{World, token};

pub(crate) async fn wrong_paths_and_methods(world: &World) {
    let buyer = world.customer("lost");
    for path in ["/v1/nowhere", "/v1/book", "/v2/shows", "/v1/admin/nothing", "/v1/bookings/x/y/z"]
    {
        buyer.get(path).refused(Code::NotFound).await;
    }
    for (method, path) in [
        (Method::DELETE, "/v1/shows"),
        (Method::PUT, "/v1/users"),
        (Method::PATCH, "/v1/book/some-show"),
        (Method::POST, "/v1/show/some-show"),
    ] {
        buyer.call(method, path).refused(Code::MethodNotAllowed).await;
    }
}

pub(crate) async fn wrong_bodies(world: &World) {
    let show = world.show("bodies").await;
    let buyer = world.customer("garbled");
    let post = || buyer.post_once(show.book_path(), json!({}));
    for bytes in ["{", "", "[]", "null", "{\"tier\":\"Stalls\"}{}", "\u{0}"] {
        post().bytes(bytes).refused(Code::InvalidRequest).await;
    }
    let good = show.best("Stalls", 1).to_string();
    let text = post().bytes(good.clone()).header("content-type", "text/plain");
    text.refused(Code::UnsupportedMediaType).await;
    let padding = " ".repeat(65 << 10);
    post().bytes(format!("{padding}{good}")).refused(Code::PayloadTooLarge).await;
    post().bytes(format!("{}{good}", " ".repeat(2 << 20))).refused(Code::PayloadTooLarge).await;
    let plan = " ".repeat((8 << 20) + 1);
    let plan = world.organiser.post_once("/v1/admin/plans", json!({})).bytes(plan);
    plan.refused(Code::PayloadTooLarge).await;
    assert_eq!(world.seats(&show).await["seats"], json!({}), "nothing was taken");
}

pub(crate) async fn a_half_sent_request_is_answered_and_forgotten(world: &World) {
    let show = world.show("half").await;
    let token = token(&world.cluster, "half", Role::Customer);
    let address = world.anybody.base_url().trim_start_matches("http://").to_owned();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: seatlock\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: half\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n\
         {{\"tier\": \"Sta",
        show.book_path()
    );
    // A head that never ends is not a request yet: HAProxy refuses it in its
    // own words, which cannot be changed. A body that never ends is ours.
    let half_a_head = "GET /v1/shows HTTP/1.1\r\nHost: sea";
    for (request, is_request) in [(head.as_str(), true), (half_a_head, false)] {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("half of it is sent");
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let ended = tokio::time::timeout(Duration::from_secs(30), read).await;
        assert!(ended.is_ok(), "the half-sent request is still open");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
        assert_eq!(answer.contains("application/problem+json"), is_request, "{answer}");
        assert_eq!(answer.contains("\"invalid_request\""), is_request, "{answer}");
    }
    // A request that breaks off leaves nothing behind either.
    let mut stream = TcpStream::connect(&address).await.expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("half of it is sent");
    drop(stream);
    assert_eq!(world.seats(&show).await["seats"], json!({}), "nothing was taken");
}

pub(crate) async fn bytes_that_are_not_http(world: &World) {
    let address = world.anybody.base_url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.expect("a connection");
    stream.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("an end").expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}
