//! `GET /v1/shows` and `GET /v1/show/{showId}`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use seat_model::{Code, PlanId, ShowId, Timestamp};
use serde::Deserialize;
use service_kit::{ApiPath, ApiProblem, ApiQuery, clock};
use view_service_client::wire::{PerformanceView, Show, ShowList, ShowQuery, TierView};

use crate::app::App;
use crate::catalogue::{
    Cursor, Filter, ListQuery, PerformanceRecord, PlanRecord, ShowRecord, Typed,
};
use crate::metrics::View;
use crate::views::answer::{Asked, REVALIDATE};
use crate::views::pages::{Content, Key};

/// Performances a show carries in a list; its own page has all of them.
const LISTED_PERFORMANCES: usize = 50;

/// Shows on a page: the most, and without a limit.
const LIMIT: usize = 100;
const USUAL_LIMIT: usize = 20;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<ShowQuery>,
    Asked(headers): Asked,
) -> Result<Response, ApiProblem> {
    let query = read(&query)?;
    let listed = app.catalogue.list(&query).await.map_err(|e| super::away(&e))?;
    let render = async || {
        let records: Vec<(&ShowRecord, Vec<&PerformanceRecord>)> = listed
            .shows
            .iter()
            .map(|record| (&**record, matching(record, &query.filter, LISTED_PERFORMANCES)))
            .collect();
        let (shows, as_of) = present(&app, &records, listed.read_at).await?;
        let last = shows.last().filter(|_| listed.more);
        let next_cursor = last.map(|show| Cursor(show.show_id.clone()).to_wire());
        Content::new(&ShowList { shows, next_cursor }, as_of)
    };
    let key = Key::List(query.clone());
    let page = app.pages.get(&app.seating, &key, &listed.shows, render).await?;
    app.metrics.answered(View::Shows, listed.source);
    Ok(page.rendered.respond(&headers, listed.source, page.as_of, REVALIDATE).await)
}

/// The filters of one show's page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowFilter {
    date: Option<String>,
    loc: Option<String>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<ShowId>,
    ApiQuery(wanted): ApiQuery<ShowFilter>,
    Asked(headers): Asked,
) -> Result<Response, ApiProblem> {
    let filter = Filter::new(wanted.date.as_deref(), wanted.loc.as_deref())
        .map_err(|why| ApiProblem::invalid("date", why))?;
    let found = app.catalogue.show(&id).await.map_err(|e| super::away(&e))?;
    let found =
        found.ok_or_else(|| ApiProblem::new(Code::NotFound, format!("there is no show {id}")))?;
    let record = found.record;
    let key = Key::Show(id, filter);
    let page = app
        .pages
        .get(&app.seating, &key, std::slice::from_ref(&record), async || {
            one(&app, &key, &record).await
        })
        .await?;
    app.metrics.answered(View::Show, found.source);
    Ok(page.rendered.respond(&headers, found.source, page.as_of, REVALIDATE).await)
}

async fn one(app: &App, key: &Key, record: &ShowRecord) -> Result<Content, ApiProblem> {
    let id = &record.show_id;
    let filter = key.filter();
    let performances = matching(record, filter, usize::MAX);
    if performances.is_empty() && !filter.is_open() {
        let detail = format!("show {id} has no performance on that date and location");
        return Err(ApiProblem::new(Code::NotFound, detail));
    }
    let records = [(record, performances)];
    let (mut shows, as_of) = present(app, &records, record.read_at).await?;
    match shows.pop() {
        Some(show) => Content::new(&show, as_of),
        None => Err(ApiProblem::new(Code::NotFound, format!("there is no show {id}"))),
    }
}

fn read(query: &ShowQuery) -> Result<ListQuery, ApiProblem> {
    let limit = match query.limit.as_deref() {
        None | Some("") => USUAL_LIMIT,
        Some(text) => match text.parse() {
            Ok(limit) if (1..=LIMIT).contains(&limit) => limit,
            _ => return Err(ApiProblem::invalid("limit", "must be from 1 to 100")),
        },
    };
    let after = match query.cursor.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            Cursor::from_wire(text)
                .map_err(|bad| ApiProblem::invalid("cursor", bad.to_string()))?,
        ),
    };
    let filter = Filter::new(query.date.as_deref(), query.loc.as_deref())
        .map_err(|why| ApiProblem::invalid("date", why))?;
    let name_part = query.q.as_deref().and_then(Typed::new);
    Ok(ListQuery { filter, name_part, after, limit })
}

fn matching<'r>(
    record: &'r ShowRecord,
    filter: &Filter,
    at_most: usize,
) -> Vec<&'r PerformanceRecord> {
    record.performances.iter().filter(|one| filter.takes(one)).take(at_most).collect()
}

/// Joins shows with the seats that are left; says how old the oldest part is.
async fn present(
    app: &App,
    shows: &[(&ShowRecord, Vec<&PerformanceRecord>)],
    read_at: Timestamp,
) -> Result<(Vec<Show>, Timestamp), ApiProblem> {
    let all: Vec<&PerformanceRecord> =
        shows.iter().flat_map(|(_, performances)| performances.iter().map(|one| &**one)).collect();
    let plans = app
        .catalogue
        .plans(all.iter().map(|performance| performance.plan_id.clone()).collect())
        .await
        .map_err(|e| super::away(&e))?;
    let wanted: Vec<_> = all
        .iter()
        .filter_map(|performance| {
            let plan = plans.get(&performance.plan_id)?;
            let id = performance.performance_id.clone();
            Some((id, performance.plan_id.clone(), Arc::clone(&plan.chart)))
        })
        .collect();
    let (counts, counted_at) = if wanted.is_empty() {
        (Vec::new(), clock::now())
    } else {
        app.seating.counts(&wanted).await.ok_or_else(super::seats_away)?
    };
    let taken: HashMap<_, _> = wanted.iter().map(|(id, ..)| id).zip(counts).collect();
    let view = |performance: &PerformanceRecord| {
        let taken = taken.get(&performance.performance_id);
        let taken = taken.map_or(&[][..], |counts| counts.as_slice());
        performance_view(performance, &plans, taken)
    };
    let show = |(record, performances): &(&ShowRecord, Vec<&PerformanceRecord>)| Show {
        show_id: record.show_id.clone(),
        name: record.name.clone(),
        performances: performances.iter().map(|performance| view(performance)).collect(),
    };
    Ok((shows.iter().map(show).collect(), read_at.min(counted_at)))
}

fn performance_view(
    performance: &PerformanceRecord,
    plans: &HashMap<PlanId, Arc<PlanRecord>>,
    taken: &[usize],
) -> PerformanceView {
    // A plan nobody knows has no tiers to show; the rest is still worth seeing.
    let tiers = plans.get(&performance.plan_id).map_or_else(Vec::new, |plan| {
        let named = plan.chart.tiers.iter().enumerate();
        named
            .filter_map(|(index, tier)| {
                let total = plan.seats_per_tier[index];
                let price = performance.prices.get(tier).filter(|_| total > 0)?;
                let gone = taken.get(index).copied().unwrap_or(0);
                Some(TierView {
                    tier: tier.clone(),
                    price: price.price,
                    currency: price.currency.clone(),
                    seats_total: total as u64,
                    seats_available: total.saturating_sub(gone) as u64,
                })
            })
            .collect()
    });
    PerformanceView {
        performance_id: performance.performance_id.clone(),
        location: performance.location.clone(),
        venue: performance.venue.clone(),
        time_zone: performance.time_zone.clone(),
        starts_at: performance.starts_at,
        on_sale_at: performance.on_sale_at,
        plan_id: performance.plan_id.clone(),
        tiers,
    }
}
