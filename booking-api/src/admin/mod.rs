//! What organisers do: plans, shows, performances, sales and how they went, stuck
//! payments, webhooks.

pub(crate) mod analytics;
pub(crate) mod performances;
pub(crate) mod plans;
pub(crate) mod sales;
pub(crate) mod shows;
pub(crate) mod stuck;
mod table;
pub(crate) mod webhooks;

use seat_model::{Code, ShowId};
use service_kit::ApiProblem;

fn no_such_show(show: &ShowId) -> ApiProblem {
    ApiProblem::new(Code::NotFound, format!("there is no show {show}"))
}
