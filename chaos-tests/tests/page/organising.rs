//! The organiser's desk: a plan with faults, a good one, a show, an evening, its
//! sales as they happen, how it sold, its end.

use std::io::Write as _;
use std::time::Duration;

use chaos_tests::eventually;
use local_cluster::{Role, demo_world};
use seat_model::Code;
use serde_json::json;

use crate::browser::{Browsers, pictures};
use crate::driver::Screen;
use crate::house::House;

pub(crate) async fn an_evening_is_made_sold_and_deleted(house: &House, browsers: &Browsers<'_>) {
    let olga = browsers.open(Screen::Desk).await;
    olga.visit("#/organise").await;
    olga.write("[name=token]", &house.token("olga", Role::Organiser)).await;
    olga.press_words("Go on").await;
    olga.reads(".listing", "The Glass Orchard").await;

    let mut plan = serde_json::to_value(demo_world::cinema()).expect("a plan");
    plan["name"] = json!("Olga's Cinema");
    let good = file("olga.json", &plan.to_string());
    plan["zones"][0]["rows"][0]["seats"][1]["seat_guid"] =
        plan["zones"][0]["rows"][0]["seats"][0]["seat_guid"].clone();
    plan["zones"][0]["rows"][2]["seats"][3]["category"] = json!("Velvet");
    let bad = file("olga-with-faults.json", &plan.to_string());
    olga.choose_file("#plan-file", &bad).await;
    olga.reads("#plans .notice.bad", "was not imported").await;
    olga.reads(".faults", "Velvet").await;
    olga.picture("22-plan-with-faults").await;
    olga.choose_file("#plan-file", &file("olga-cut.json", "{\"name\": \"Olga\",\n  \"zones\": ["))
        .await;
    olga.reads("#plans .notice.bad", "not JSON").await;
    olga.choose_file("#plan-file", &good).await;
    olga.reads("#plans .notice", "is imported: 240 seats").await;
    olga.picture("23-plan-imported").await;

    let show_id = format!("olga-{}", std::process::id());
    olga.write("#new-show [name=name]", "Olga's First Night").await;
    olga.write("#new-show [name=show_id]", &show_id).await;
    olga.press_words("Make the show").await;
    olga.reads("#sales", "No performances yet").await;
    olga.write("[name=location]", "Vienna").await;
    olga.write("[name=venue]", "Kino am Ring").await;
    olga.set("[name=starts]", "2031-07-14T20:30").await;
    olga.write("[name=time_zone]", "Europe/Vienna").await;
    let choose = "const plan = document.querySelector('[name=plan_id]'); \
                  plan.dispatchEvent(new Event('focus')); \
                  plan.value = [...plan.options].find((one) => one.text.includes('Olga')).value; \
                  plan.dispatchEvent(new Event('change'));";
    olga.script(choose, vec![]).await;
    for (n, price) in ["9", "11.50", "14,00"].iter().enumerate() {
        olga.write(&format!("#price-{n}"), price).await;
    }
    olga.picture("24-new-performance").await;
    olga.press_words("Add the performance").await;
    // Half past eight in Vienna's summer, two hours before Greenwich's.
    olga.reads("#sales h2", "14 Jul 2031, 20:30 · Vienna").await;

    let (buyer, _) = house.customer("first-nighter");
    let sold = json!({"date": "2031-07-14", "location": "Vienna", "tier": "Premium", "quantity": 4,
        "confirm": true, "payment_token": "tok_ok"});
    let path = format!("/v1/book/{show_id}");
    let sold = buyer.post_once(path.clone(), sold).expect(201).await.json();
    let held =
        json!({"date": "2031-07-14", "location": "Vienna", "tier": "Standard", "quantity": 3});
    buyer.post_once(path.clone(), held).expect(201).await;
    olga.reads(".figures", "€56.00").await;
    olga.reads(".plot", "sold 4").await;
    olga.reads(".plot", "held 3").await;
    olga.picture("25-sales").await;

    // How it sells: somebody wanted what the first one had.
    let performance = sold["performance_id"].as_str().expect("a performance").to_owned();
    let seat = &sold["tickets"][0]["seat"];
    let (other, _) = house.customer("second-nighter");
    let wanted = json!({"performance_id": performance, "seats": [seat]});
    other.post_once(path, wanted).refused(Code::SeatTaken).await;
    olga.press_words("How it sells").await;
    olga.reads("h1", "14 Jul 2031, 20:30 · Vienna").await;
    olga.reads("#funnel .figure", "tickets sold").await;
    olga.reads("#funnel .figure", "€56.00").await;
    olga.reads("#course figcaption", "Seats sold of 240: 4").await;
    olga.reads("#course figcaption", "Revenue: €56.00").await;
    olga.reads("#heat .contested", "1 time").await;
    let hot = "const { heat, seats } = document.querySelector('.seats').seatMap; \
               return heat[seats.byGuid.get(arguments[0])] === 1";
    olga.becomes(hot, vec![seat.clone()]).await;
    olga.picture("28-how-it-sells").await;
    olga.press("#csv-seats").await;
    let table = olga.downloads.join(format!("{performance}-seats.csv"));
    let text = eventually(Duration::from_secs(10), || async {
        std::fs::read_to_string(&table).map_err(|error| format!("{}: {error}", table.display()))
    })
    .await;
    assert!(text.starts_with("seat,conflicts\r\n"), "{text}");
    assert!(text.contains(seat.as_str().expect("a seat")), "{text}");
    let _ = std::fs::remove_file(table);
    olga.visit(&format!("#/organise/{show_id}")).await;
    olga.reads(".plot", "sold 4").await;

    olga.press("#sales .cancel").await;
    olga.reads(".sure", "4 tickets sold and 3 seats held").await;
    olga.press("#sure-yes").await;
    olga.reads("#sales", "No performances yet").await;
}

fn file(name: &str, text: &str) -> String {
    let path = pictures().join("downloads").join(name);
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(text.as_bytes()).expect("a file is written");
    path.canonicalize().expect("it is there").to_string_lossy().into_owned()
}
