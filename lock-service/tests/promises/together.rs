//! Operations that travel together: each has its own answer, whatever becomes
//! of the others.

use std::sync::Arc;

use lock_service_client::wire::{
    Acquired, Answer, AnswerLine, MAX_OPERATIONS, OPERATIONS, Operation,
};
use seat_model::Code;

use crate::world::*;

async fn post(world: &World, body: String) -> (u16, String) {
    let url = format!("{}{OPERATIONS}", world.services[0].url);
    let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn line(operation: &Operation) -> String {
    serde_json::to_string(operation).unwrap()
}

/// The answers by their operation's place.
fn sorted(body: &str) -> Vec<Answer> {
    let mut lines: Vec<AnswerLine> =
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|AnswerLine(at, _)| *at);
    assert!(lines.iter().map(|AnswerLine(at, _)| *at).eq(0..lines.len()), "one each: {body}");
    lines.into_iter().map(|AnswerLine(_, answer)| answer).collect()
}

pub(crate) async fn each_operation_has_its_own_answer(world: Arc<World>) {
    let (first, second) = (named("side-by-side", &["A1"]), named("side-by-side", &["A1"]));
    let mut never = named("side-by-side", &["A3"]);
    never.ttl_ms = 1;
    let body = [
        line(&Operation::Acquire(first.clone())),
        "{\"acquire\": 7}".to_owned(),
        line(&Operation::Acquire(second)),
        line(&Operation::Acquire(never)),
        "not JSON".to_owned(),
        line(&Operation::Acquire(named("side-by-side", &["A2"]))),
    ];
    let (status, text) = post(&world, body.join("\n")).await;
    assert_eq!(status, 200, "{text}");
    let answers = sorted(&text);
    assert_eq!(answers.len(), 6);
    let took = |at: usize| matches!(answers[at], Answer::Acquired(Acquired::Taken { .. }));
    let lost = |at: usize| matches!(answers[at], Answer::Acquired(Acquired::SeatTaken { .. }));
    assert!((took(0) && lost(2)) || (took(2) && lost(0)), "one of the two has A1: {answers:?}");
    assert!(took(5), "{answers:?}");
    for at in [1, 3, 4] {
        let Answer::Problem(problem) = &answers[at] else { panic!("{:?}", answers[at]) };
        assert_eq!(problem.code, Code::InvalidRequest, "{at}");
    }
    let looks = [line(&Operation::Booking(first.booking)), line(&Operation::Booking(booking()))];
    let answers = sorted(&post(&world, looks.join("\n")).await.1);
    let Answer::Booking(seats) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(seats.is_some(), took(0), "{answers:?}");
    assert_eq!(answers[1], Answer::Booking(None));
}

pub(crate) async fn a_request_has_a_bound(world: Arc<World>) {
    let look = line(&Operation::Booking(booking()));
    let (status, text) = post(&world, vec![look.as_str(); MAX_OPERATIONS].join("\n")).await;
    assert_eq!((status, sorted(&text).len()), (200, MAX_OPERATIONS));
    let (status, text) = post(&world, vec![look.as_str(); MAX_OPERATIONS + 1].join("\n")).await;
    assert_eq!(status, 400, "{text}");
    let (status, text) = post(&world, " ".repeat(5 << 20)).await;
    assert_eq!(status, 413, "{text}");
    assert_eq!(post(&world, String::new()).await, (200, String::new()));
}

pub(crate) async fn what_was_begun_is_finished_when_the_caller_hangs_up(world: Arc<World>) {
    let client = world.client();
    for round in 0..20 {
        let request = named("hung-up", &[&format!("H{round}")]);
        let url = format!("{}{OPERATIONS}", world.services[0].url);
        let operation = line(&Operation::Acquire(request.clone()));
        // The head of the answer comes before any verdict.
        let answer = reqwest::Client::new().post(url).body(operation).send().await.unwrap();
        drop(answer);
        // The same again is a replay or waits its turn: never two owners, never
        // a seat reserved by nobody.
        let again = client.acquire(&request).await.unwrap();
        let (Acquired::Taken { seats } | Acquired::Replay { seats }) = again else {
            panic!("{again:?}")
        };
        assert_eq!(names(&seats), vec![format!("H{round}").as_str()]);
    }
}
