//! What a view-service of a faulty build can be told to do wrong: each is a weaker
//! design of docs/INVARIANTS.md, and some check must find it.

service_kit::planted_bugs! {
    /// What was heard last is taken for the newest, whatever its revision is.
    VIEW_WITHOUT_REVISION_GUARD = "view-without-revision-guard";
}
