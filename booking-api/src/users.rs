//! `POST /v1/users`: somebody signs up, always as a customer.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use booking_api_client::{User, UserCreate};
use seat_model::{Code, UserId};
use service_kit::{ApiJson, ApiProblem};

use crate::app::App;
use crate::auth::Newcomer;
use crate::catalogue::{NewUser, Scope, UserWritten};
use crate::checks::Faults;
use crate::idempotency::{Created, IdempotencyKey, KeyedCall, settle};
use crate::openapi::ProblemBody;

/// The longest address a mail server accepts.
const MAX_EMAIL_BYTES: usize = 254;

/// Signs up.
///
/// A replay under the same Idempotency-Key answers the same; the key is scoped
/// to the email address.
#[utoipa::path(
    post, path = "/v1/users", tag = "accounts",
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters")),
    request_body = UserCreate,
    responses(
        (status = 201, description = "The user", body = User),
        (status = 400, description = "`invalid_request`, naming every field", body = ProblemBody),
        (status = 409, description = "`request_in_flight`", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn create_user(
    State(app): State<App>,
    _: Newcomer,
    key: Option<IdempotencyKey>,
    ApiJson(asked): ApiJson<UserCreate>,
) -> Result<Response, ApiProblem> {
    let mut faults = Faults::default();
    let user = check(&asked, &mut faults)?;
    faults.none_or_refuse()?;
    let email_key = email_key(&user.email);

    let scope = Scope::email(&email_key);
    let call = match KeyedCall::begin(&app, scope, key, "POST /v1/users", &asked).await? {
        Ok(call) => call,
        Err(replay) => return Ok(replay.into_response()),
    };
    let password_hash = app.passwords.hash(asked.password).await?;
    let new = NewUser {
        user_id: user.user_id.clone(),
        name: user.name.clone(),
        phone: user.phone.clone(),
        address: user.address.clone(),
        email: user.email.clone(),
        email_key,
        password_hash,
        role: "customer",
        created_at_ms: service_kit::clock::now().as_millis(),
    };
    let answer = Created(user);
    let first = call.first(&answer);
    match settle(app.catalogue.add_user(&new, first.as_ref()).await?)? {
        Ok(UserWritten::Done) => Ok(answer.into_response()),
        Ok(UserWritten::EmailTaken) => {
            Err(ApiProblem::invalid("email", "somebody has signed up with this address"))
        }
        Err(replay) => Ok(replay.into_response()),
    }
}

/// What addresses are compared by.
pub(crate) fn email_key(email: &str) -> String {
    email.trim().to_ascii_lowercase()
}

fn check(asked: &UserCreate, faults: &mut Faults) -> Result<User, ApiProblem> {
    let user_id = UserId::new(format!("us-{}", uuid::Uuid::new_v4().simple()))
        .map_err(|error| ApiProblem::new(Code::Internal, error.to_string()))?;
    let name = faults.text("name", &asked.name, 200);
    let address = faults.text("address", &asked.address, 500);
    let phone = asked.phone.trim().to_owned();
    let digits = phone.bytes().filter(u8::is_ascii_digit).count();
    let known = |c: char| c.is_ascii_digit() || " +-().\u{2f}".contains(c);
    if !(5..=20).contains(&digits) || phone.len() > 40 || !phone.chars().all(known) {
        faults
            .add("phone", "must have 5 to 20 digits, and besides them only blanks and + - ( ) . /");
    }
    let email = asked.email.trim().to_owned();
    if !is_email(&email) {
        faults.add("email", "must be an address such as ada@example.org");
    }
    if !(8..=128).contains(&asked.password.chars().count()) {
        faults.add("password", "must have 8 to 128 characters");
    }
    Ok(User { user_id, name, phone, address, email })
}

/// Enough to catch typing errors; only a mail can prove an address.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>(),;:\"\\@".contains(c);
    text.len() <= MAX_EMAIL_BYTES
        && (1..=64).contains(&local.len())
        && !domain.is_empty()
        && domain.split('.').all(|label| !label.is_empty())
        && text.chars().filter(|c| *c != '@').all(plain)
        && text.matches('@').count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> UserCreate {
        UserCreate {
            name: "Ada Lovelace".into(),
            phone: "+44 (20) 555-0199".into(),
            address: "12 St James's Square, London".into(),
            email: "Ada@Example.org".into(),
            password: "analytical engine".into(),
        }
    }

    fn faults(user: &UserCreate) -> Vec<String> {
        let mut faults = Faults::default();
        check(user, &mut faults).unwrap();
        faults.fields().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_good_user_has_no_fault() {
        assert_eq!(faults(&ada()), Vec::<String>::new());
        assert_eq!(email_key(" Ada@Example.org "), "ada@example.org");
    }

    #[test]
    fn every_field_with_a_fault_is_named() {
        let bad = UserCreate {
            name: " ".into(),
            phone: "call me".into(),
            address: "a\u{7}b".into(),
            email: "ada".into(),
            password: "short".into(),
        };
        assert_eq!(faults(&bad), ["name", "address", "phone", "email", "password"]);
    }

    #[test]
    fn addresses_that_can_be_none() {
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in ["", "@", "a@", "@b", "a b@c.de", "a@b..de", "a@b@c", "<a@b.de>", &long] {
            assert!(!is_email(bad), "{bad:?}");
        }
        for good in ["a@b", "a.b+c@d-e.fr", "jürgen@büro.de"] {
            assert!(is_email(good), "{good:?}");
        }
    }
}
