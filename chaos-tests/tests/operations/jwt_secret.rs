//! docs/operations/secrets.md, `jwt_secret`: every booking-api gets another
//! one. Tokens from before are worth nothing anywhere, and what was held with
//! them is still their customer's.

use chaos_tests::stage::Stage;
use local_cluster::{NodeKind, Role};
use rand::distr::{Alphanumeric, SampleString as _};
use seat_model::Code;

use crate::crowd::{anybody, best, book_path, booking_path, halls, pages, payment, token};

/// A secret that nobody has had before: letters and digits, as it must stand
/// in URLs and statements, too.
pub(crate) fn fresh_secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 43)
}

pub(crate) async fn old_tokens_end_and_holds_stay(stage: &Stage) {
    let halls = halls(stage, "jwt").await;
    let anybody = anybody(stage);
    let before = anybody.with_token(token(&stage.cluster, "ada", Role::Customer));
    let mut holds = Vec::new();
    for hall in &halls {
        let hold = before.post(book_path(hall), best(hall)).key(hall.show.as_str());
        holds.push(hold.expect(201).await.json());
    }

    let next = stage.cluster.reconfigure(|_, secrets| secrets.jwt = fresh_secret()).await;
    let next = next.expect("another secret");
    for node in next.topology().of_kind(NodeKind::BookingApi) {
        next.renew(&node.name).await.expect("it serves with the new secret");
    }

    let after = anybody.with_token(token(&next, "ada", Role::Customer));
    let organiser = |cluster| anybody.with_token(token(cluster, "organiser", Role::Organiser));
    let (was_organiser, is_organiser) = (organiser(&stage.cluster), organiser(&next));
    let sales = format!("/v1/admin/shows/{}/sales", halls[0].show);
    for url in next.service_urls(NodeKind::BookingApi) {
        let (old, new) = (before.at(url.as_str()), after.at(url.as_str()));
        old.get("/v1/bookings").refused(Code::Unauthenticated).await;
        let hold = old.post_once(book_path(&halls[0]), best(&halls[0]));
        hold.refused(Code::Unauthenticated).await;
        new.get("/v1/bookings").expect(200).await;
        let (old, new) = (was_organiser.at(url.as_str()), is_organiser.at(url.as_str()));
        old.get(sales.as_str()).refused(Code::Unauthenticated).await;
        new.get(sales.as_str()).expect(200).await;
    }
    for page in pages(&halls) {
        anybody.get(page).expect(200).await;
    }

    for (hall, held) in halls.iter().zip(&holds) {
        let path = booking_path(hall, held);
        let seen = after.get(path.as_str()).expect(200).await.json();
        assert_eq!((&seen["state"], &seen["seats"]), (&"held".into(), &held["seats"]));
        // A key belongs to the customer, not to the token (INV-8).
        let again = after.post(book_path(hall), best(hall)).key(hall.show.as_str());
        assert_eq!(again.expect(201).await.json()["booking_id"], held["booking_id"]);
        let confirm = after.post_once(format!("{path}/confirm"), payment());
        let sold = confirm.expect(200).await.json();
        assert_eq!((&sold["state"], &sold["seats"]), (&"confirmed".into(), &held["seats"]));
    }
}
