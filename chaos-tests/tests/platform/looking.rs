//! Promise 4: people can look, and what they see says how old it is.

use std::time::{Duration, Instant};

use chaos_tests::eventually;
use futures_util::StreamExt;
use seat_model::Code;
use serde_json::{Value, json};

use crate::world::{CITY, Show, World, date_in};

pub(crate) async fn a_show_and_its_tiers(world: &World) {
    let show = world.show("looking").await;
    let path = format!("/v1/show/{}?date={}&loc={CITY}", show.show_id, show.date);
    let seen = eventually(Duration::from_secs(5), || async {
        let answer = world.anybody.get(path.clone()).send().await;
        if answer.status == 200 { Ok(answer) } else { Err(answer.text()) }
    })
    .await;
    assert!(!seen.header("etag").is_empty() && !seen.header("x-seatlock-source").is_empty());
    assert!(seen.header("age").parse::<u64>().is_ok(), "Age: {:?}", seen.header("age"));
    let body = seen.json();
    assert_eq!(body["show_id"], show.show_id.as_str());
    let performance = &body["performances"][0];
    assert_eq!(performance["performance_id"], show.performance_id.as_str());
    assert_eq!(performance["time_zone"], "Europe/Berlin");
    assert_eq!(performance["location"], CITY);
    let tiers = performance["tiers"].as_array().expect("tiers");
    let stalls = tiers.iter().find(|tier| tier["tier"] == "Stalls").expect("the stalls");
    assert_eq!(stalls["seats_total"], 50);
    assert_eq!(stalls["price"], 4500);
    world.customer("c").post_once(show.book_path(), show.best("Stalls", 3)).expect(201).await;
    eventually(Duration::from_secs(5), || async {
        // The other instance may have looked before the performance was made.
        let answer = world.anybody.get(path.clone()).send().await;
        if answer.status != 200 {
            return Err(answer.text());
        }
        let tiers = answer.json()["performances"][0]["tiers"].clone();
        let stalls = tiers.as_array().expect("tiers").iter().find(|t| t["tier"] == "Stalls");
        let left = stalls.expect("the stalls")["seats_available"].clone();
        if left == 47 { Ok(()) } else { Err(format!("{left} seats left")) }
    })
    .await;
    let base = format!("/v1/show/{}", show.show_id);
    world.anybody.get("/v1/show/no-such-show").refused(Code::NotFound).await;
    world.anybody.get(format!("{base}?date=2026-13-01")).refused(Code::InvalidRequest).await;
    let elsewhere = format!("{base}?date={}&loc=Nowhere", show.date);
    world.anybody.get(elsewhere).refused(Code::NotFound).await;
    world.anybody.get(format!("{base}/performances/none/seats")).refused(Code::NotFound).await;
}

pub(crate) async fn lists_are_filtered_and_paged(world: &World) {
    let made = [world.show("listed").await, world.show("listed").await, world.show("listed").await];
    let ids = |page: &Value| -> Vec<String> {
        let shows = page["shows"].as_array().expect("shows");
        shows.iter().map(|show| show["show_id"].as_str().expect("an id").to_owned()).collect()
    };
    let all = eventually(Duration::from_secs(5), || async {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/shows?date={}&loc={CITY}&limit=2{cursor}", made[0].date);
            let page = world.anybody.get(path).expect(200).await.json();
            assert!(ids(&page).len() <= 2);
            all.extend(ids(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if made.iter().all(|show| all.contains(&show.show_id)) { Ok(all) } else { Err("not all") }
    })
    .await;
    let mut once = all.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all.len(), "no show on two pages");
    let found = world.anybody.get(format!("/v1/shows?q={}", made[1].show_id)).expect(200).await;
    assert_eq!(ids(&found.json()), [made[1].show_id.clone()]);
    let none = world.anybody.get(format!("/v1/shows?date={}&loc={CITY}", date_in(300)));
    assert_eq!(ids(&none.expect(200).await.json()), Vec::<String>::new());
    for bad in ["date=yesterday", "limit=0", "limit=x", "cursor=%00"] {
        world.anybody.get(format!("/v1/shows?{bad}")).refused(Code::InvalidRequest).await;
    }
}

/// Where and when (in UTC), and the date there. Late evenings and small hours,
/// on the days when clocks change, at the ends of the earth, and far away.
const DATES: [(&str, &str, &str); 9] = [
    ("Europe/Berlin", "2027-03-28T21:30:00.000Z", "2027-03-28"),
    ("Europe/Berlin", "2027-03-27T23:30:00.000Z", "2027-03-28"),
    ("Europe/Berlin", "2027-10-31T22:30:00.000Z", "2027-10-31"),
    ("America/New_York", "2027-11-08T04:30:00.000Z", "2027-11-07"),
    ("America/New_York", "2027-03-15T03:30:00.000Z", "2027-03-14"),
    ("Pacific/Kiritimati", "2026-12-31T13:30:00.000Z", "2027-01-01"),
    ("Pacific/Pago_Pago", "2027-01-02T10:30:00.000Z", "2027-01-01"),
    ("Asia/Kathmandu", "2027-05-05T18:05:00.000Z", "2027-05-05"),
    ("Europe/Berlin", "2099-12-31T22:30:00.000Z", "2099-12-31"),
];

pub(crate) async fn a_performance_is_on_the_date_people_go_out(world: &World) {
    for (zone, starts_at, date) in DATES {
        let changes = json!({"time_zone": zone, "starts_at": starts_at});
        let show = world.show_with("dated", changes).await;
        let listed = async |date: &str| {
            let path = format!("/v1/shows?date={date}&q={}", show.show_id);
            let page = world.anybody.get(path).expect(200).await.json();
            page["shows"].as_array().expect("shows").len()
        };
        eventually(Duration::from_secs(5), || async {
            if listed(date).await == 1 { Ok(()) } else { Err(format!("not on {date} in {zone}")) }
        })
        .await;
        let day: jiff::civil::Date = date.parse().expect("a date");
        for other in [day.yesterday(), day.tomorrow()] {
            let other = other.expect("a date").to_string();
            assert_eq!(listed(&other).await, 0, "{starts_at} in {zone} is on {other}");
            let path = format!("/v1/show/{}?date={other}", show.show_id);
            world.anybody.get(path).refused(Code::NotFound).await;
        }
        world.anybody.get(format!("/v1/show/{}?date={date}", show.show_id)).expect(200).await;
        // What is found can be booked by the same words.
        let body = json!({"tier": "Stalls", "date": date, "location": CITY.to_uppercase()});
        world.customer("dated").post_once(show.book_path(), body).expect(201).await;
    }
}

pub(crate) async fn names_are_found_without_their_accents(world: &World) {
    let show_id = world.fresh_show_id("accents");
    let body = json!({"show_id": show_id, "name": format!("Götterdämmerung  {show_id}")});
    world.organiser.post_once("/v1/admin/shows", body).expect(201).await;
    let performance = world.performance(&show_id, json!({"location": "Bayreuth-Süd"})).await;
    for typed in ["gotterdammerung", "G%C3%96TTERD%C3%84MM", "d%C3%A4mmerung%20accents"] {
        for place in ["bayreuth-sud", "BAYREUTH-S%C3%9CD"] {
            eventually(Duration::from_secs(5), || async {
                let path = format!("/v1/shows?q={typed}&loc={place}&limit=100");
                let page = world.anybody.get(path).expect(200).await.json();
                let shows = page["shows"].as_array().expect("shows");
                let mut found = shows.iter().map(|show| &show["performances"][0]);
                let there = found.any(|one| one["performance_id"] == performance.as_str());
                if there { Ok(()) } else { Err(format!("{typed} in {place}: {page}")) }
            })
            .await;
        }
    }
}

pub(crate) async fn an_unchanged_view_is_not_sent_again(world: &World) {
    let show = world.show("etag").await;
    world.seats(&show).await;
    let first = world.anybody.get(show.seats_path()).expect(200).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "a weak ETag, not {tag:?}");
    // From whichever instance the load balancer chooses.
    for _ in 0..6 {
        let again = world.anybody.get(show.seats_path()).header("if-none-match", &tag);
        again.expect(304).await;
    }
    world.customer("c").post_once(show.book_path(), show.named(&["S-A-1"])).expect(201).await;
    world.seats_become(&show, json!({"S-A-1": "held"})).await;
    let changed = world.anybody.get(show.seats_path()).header("if-none-match", &tag);
    let changed = changed.expect(200).await.json();
    assert_eq!(changed["seats_total"], 65);
    assert_eq!(changed["seats_available"], 64);
    assert_eq!(changed["stale"], false);
    assert_eq!(changed["plan_id"], world.plan_id.as_str());
}

/// The next event of a stream: (event, id, data).
struct Events {
    stream: std::pin::Pin<Box<dyn futures_util::Stream<Item = Vec<u8>> + Send>>,
    buffer: String,
}

impl Events {
    async fn open(world: &World, show: &Show, last: Option<&str>) -> Self {
        let url = format!("{}{}/events", world.anybody.base_url(), show.seats_path());
        let mut request = world.anybody.http().get(url).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        world.coverage.saw_success("GET", &format!("{}/events", show.seats_path()));
        let stream = response.bytes_stream().map(|part| part.map(Vec::from).unwrap_or_default());
        Self { stream: Box::pin(stream), buffer: String::new() }
    }

    async fn next(&mut self) -> (String, String, Value) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                let field = |name: &str| -> String {
                    block
                        .lines()
                        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                        .map(str::trim_start)
                        .collect()
                };
                if !field("event").is_empty() {
                    let data = serde_json::from_str(&field("data")).expect("JSON data");
                    return (field("event"), field("id"), data);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let part = tokio::time::timeout(left, self.stream.next()).await;
            let part = part.expect("an event in time").expect("the stream goes on");
            self.buffer.push_str(&String::from_utf8_lossy(&part));
        }
    }
}

pub(crate) async fn changes_are_seen_live(world: &World) {
    let show = world.show("live").await;
    world.seats(&show).await;
    let mut events = Events::open(world, &show, None).await;
    let (event, id, snapshot) = events.next().await;
    assert_eq!(event, "snapshot");
    assert_eq!(id, snapshot["revision"].to_string());
    assert_eq!(snapshot["seats"], json!({}));
    let buyer = world.customer("live");
    let held = buyer.post_once(show.book_path(), show.named(&["S-A-1"])).expect(201).await.json();
    let (event, first_id, change) = events.next().await;
    assert_eq!((event.as_str(), &change["seats"]), ("change", &json!({"S-A-1": "held"})));
    assert!(change["revision"].as_u64() >= snapshot["revision"].as_u64());
    buyer.delete(show.booking_path(&held)).expect(200).await;
    let (_, last_id, change) = events.next().await;
    assert_eq!(change["seats"], json!({"S-A-1": "free"}));
    drop(events);

    // Resumed: either the changes since, or a whole new snapshot; never a gap.
    let mut resumed = Events::open(world, &show, Some(&first_id)).await;
    let (event, _, data) = resumed.next().await;
    if event == "change" {
        assert_eq!(data["seats"], json!({"S-A-1": "free"}));
    } else {
        assert_eq!((event.as_str(), &data["seats"]), ("snapshot", &json!({})));
    }
    buyer.post_once(show.book_path(), show.named(&["S-A-2"])).expect(201).await;
    let mut up_to_date = Events::open(world, &show, Some(&last_id)).await;
    let seen = up_to_date.next().await.2;
    assert_eq!(seen["seats"], json!({"S-A-2": "held"}));
}

pub(crate) async fn the_page_and_the_documentation_are_there(world: &World) {
    let page = world.anybody.get("/").expect(200).await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(!page.text().contains("https://"), "the page needs nothing from elsewhere");
    assert!(!page.header("content-security-policy").contains("unsafe"));
    let text = page.text();
    let script = text.split("src=\"").nth(1).and_then(|rest| rest.split('"').next());
    let script = script.expect("the page has a script");
    let get = || world.anybody.get(script);
    let kept = get().header("accept-encoding", "br, gzip").expect(200).await;
    assert_eq!(kept.header("content-encoding"), "br");
    assert!(kept.header("cache-control").contains("immutable"));
    let plain = get().expect(200).await;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(kept.text.len() < plain.text.len() / 2);
    // In the middle of an upgrade the other version answers, and nobody keeps that.
    let other = script.replace(script.split('/').nth(2).expect("a version"), "0123456789abcdef");
    let other = world.anybody.get(other).expect(200).await;
    assert_eq!(other.header("cache-control"), "no-store");
    world.anybody.get("/page/x/nothing.js").refused(Code::NotFound).await;
    let docs = world.anybody.get("/docs/").send().await;
    assert!(docs.status.is_success(), "{}", docs.text());
    world.coverage.saw_success("GET", "/docs");
    let openapi = world.anybody.get("/openapi.json").expect(200).await.json();
    assert!(openapi["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
}

pub(crate) async fn what_is_made_is_seen_within_two_seconds(world: &World) {
    let show = world.show("visible").await;
    let made = Instant::now();
    world.seats(&show).await;
    let took = made.elapsed();
    assert!(took < Duration::from_secs(5), "a generous deadline, but it took {took:?}");
}
