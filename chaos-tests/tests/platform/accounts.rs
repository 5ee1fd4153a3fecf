//! Who is who: users, sessions, tokens and roles.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use seat_model::Code;
use serde_json::{Value, json};

use crate::world::World;

/// What somebody tells of herself, e-mail address apart, and her passwords, the wrong
/// one included: none of it may be in a log.
pub(crate) const PERSONAL: [&str; 5] = [
    "Ada Lovelace",
    "+44 20 7946 0000",
    "12 St James's Square",
    "correct horse battery",
    "wrong horse battery",
];

fn somebody(email: &str) -> Value {
    let [name, phone, address, password, _] = PERSONAL;
    json!({"name": name, "phone": phone, "address": address,
        "email": email, "password": password})
}

pub(crate) async fn sign_up_log_in_book(world: &World) {
    let show = world.show("member").await;
    let email = format!("ada-{}@example.org", show.show_id);
    let user = world.anybody.post_once("/v1/users", somebody(&email)).expect(201).await.json();
    assert!(user.get("password").is_none(), "{user}");
    assert_eq!(user["name"], "Ada Lovelace");
    let credentials = json!({"email": email, "password": "correct horse battery"});
    let session = world.anybody.post("/v1/sessions", credentials).expect(201).await.json();
    assert!(session["expires_at"].as_str().is_some_and(|time| time.ends_with('Z')));
    let ada = world.anybody.with_token(session["token"].as_str().expect("a token"));
    let held = ada.post_once(show.book_path(), show.best("Stalls", 1)).expect(201).await.json();
    assert_eq!(held["user_id"], user["user_id"]);

    let wrong = json!({"email": email, "password": "wrong horse battery"});
    world.anybody.post("/v1/sessions", wrong).refused(Code::Unauthenticated).await;
    let nobody = json!({"email": "nobody@example.org", "password": "correct horse battery"});
    world.anybody.post("/v1/sessions", nobody).refused(Code::Unauthenticated).await;
    let again = world.anybody.post_once("/v1/users", somebody(&email));
    let problem = again.refused(Code::InvalidRequest).await;
    assert_eq!(problem.errors[0].field, "email");
    for (field, value) in
        [("name", ""), ("email", "no at sign"), ("password", "short"), ("phone", "")]
    {
        let mut body = somebody("other@example.org");
        body[field] = json!(value);
        let problem =
            world.anybody.post_once("/v1/users", body).refused(Code::InvalidRequest).await;
        assert!(problem.errors.iter().any(|error| error.field == field), "{:?}", problem.errors);
    }
}

pub(crate) async fn only_a_valid_token_opens_the_door(world: &World) {
    let show = world.show("door").await;
    let secret = world.cluster.secrets().jwt.clone();
    let now = jiff::Timestamp::now().as_second();
    let token = |secret: &str, algorithm: Algorithm, exp: i64| {
        let claims =
            json!({"sub": "mallory", "role": "admin", "iss": "seatlock", "iat": now, "exp": exp});
        let key = EncodingKey::from_secret(secret.as_bytes());
        encode(&Header::new(algorithm), &claims, &key).expect("a token")
    };
    let good = token(&secret, Algorithm::HS256, now + 60);
    let (head, rest) = good.split_once('.').expect("three parts");
    let (claims, signature) = rest.split_once('.').expect("three parts");
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
    let stripped = format!("{head}.{claims}.");
    let flipped: String = signature.chars().rev().collect();
    let bad = [
        String::new(),
        "nonsense".to_owned(),
        none,
        stripped,
        format!("{head}.{claims}.{flipped}"),
        token("another secret, just as long as it", Algorithm::HS256, now + 60),
        token(&secret, Algorithm::HS256, now - 3600),
        token(&secret, Algorithm::HS512, now + 60),
    ];
    for token in bad {
        let mallory = world.anybody.with_token(&token);
        let path = show.book_path();
        mallory.post_once(path, show.best("Stalls", 1)).refused(Code::Unauthenticated).await;
        mallory.get("/v1/bookings").refused(Code::Unauthenticated).await;
        let plan = json!({"name": "x"});
        mallory.post_once("/v1/admin/plans", plan).refused(Code::Unauthenticated).await;
    }
    world.anybody.get("/v1/bookings").refused(Code::Unauthenticated).await;
    world.anybody.with_token(good).get("/v1/bookings").expect(200).await;
    assert_eq!(world.seats(&show).await["seats"], json!({}), "nothing was taken");
}

pub(crate) async fn customers_do_not_organise(world: &World) {
    let show = world.show("roles").await;
    let customer = world.customer("curious");
    let body = json!({"show_id": "mine", "name": "Mine"});
    customer.post_once("/v1/admin/shows", body).refused(Code::Forbidden).await;
    let sales = format!("/v1/admin/shows/{}/sales", show.show_id);
    customer.get(sales).refused(Code::Forbidden).await;
    let performance =
        format!("/v1/admin/shows/{}/performances/{}", show.show_id, show.performance_id);
    customer.delete(performance).refused(Code::Forbidden).await;
}
