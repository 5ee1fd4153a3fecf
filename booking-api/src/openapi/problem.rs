//! The shape of an error, for the description only: the type that is sent is
//! `seat_model::Problem`, which knows no description.

use utoipa::ToSchema;

/// The body of every error, `application/problem+json` (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it is a schema, never a value")]
pub(crate) struct ProblemBody {
    /// `urn:seatlock:problem:` and the code.
    r#type: String,
    /// The same for every problem of the kind.
    title: String,
    /// The HTTP status, repeated.
    status: u16,
    /// What happened this time, for people.
    detail: String,
    /// The kind of problem, for programs: a closed list.
    #[schema(schema_with = codes)]
    code: String,
    /// Did it happen?
    #[schema(schema_with = outcomes)]
    outcome: String,
    /// May I send it again?
    #[schema(schema_with = retries)]
    retry: String,
    /// Ties the answer to the log lines.
    request_id: Option<String>,
    /// The faults of an invalid request or plan.
    errors: Option<Vec<FieldFault>>,
    /// The seats somebody else has.
    conflicts: Option<Vec<SeatConflict>>,
    /// The booking, where a payment problem leaves its hold in place.
    booking_id: Option<String>,
}

/// One fault of one field.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is a schema, never a value")]
pub(crate) struct FieldFault {
    /// A path such as `seats[2]`.
    field: String,
    /// What is wrong with it.
    message: String,
}

/// A seat somebody else has.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is a schema, never a value")]
pub(crate) struct SeatConflict {
    /// Its GUID.
    seat: String,
    /// `held` or `sold`.
    state: String,
}

fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> utoipa::openapi::schema::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(names))
        .build()
}

fn codes() -> utoipa::openapi::schema::Object {
    one_of(seat_model::Code::ALL.iter().map(|code| code.as_str()))
}

fn outcomes() -> utoipa::openapi::schema::Object {
    one_of(["not_applied", "unknown"])
}

fn retries() -> utoipa::openapi::schema::Object {
    one_of(["never", "same_request", "choose_another", "start_over"])
}
