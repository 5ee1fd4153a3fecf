//! Rendered pages of shows: one show, or a list. Kept while the catalogue's
//! records are the same and no performance of theirs has changed in memory, at
//! most about a second. Must not know what stands in them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::future::Cache;
use seat_model::{Code, ShowId, Timestamp};
use serde::Serialize;
use service_kit::ApiProblem;

use crate::catalogue::{Filter, ListQuery, ShowRecord};
use crate::seating::Seating;
use crate::views::answer::{JSON, Rendered, etag_of};
use crate::views::encoding::Effort;

/// How long a page is good for while memory does not know of changes.
const ASIDE_FOR: Duration = Duration::from_millis(250);

/// A page that nobody looked at for so long is dropped.
const IDLE: Duration = Duration::from_secs(60);

/// What an entry takes beside its page, about.
const KEY_BYTES: usize = 512;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A show's own, with the performances that are asked for.
    Show(ShowId, Filter),
    /// A part of the list.
    List(ListQuery),
}

impl Key {
    /// Which performances are asked for.
    pub(super) const fn filter(&self) -> &Filter {
        match self {
            Self::Show(_, filter) => filter,
            Self::List(query) => &query.filter,
        }
    }
}

/// What is on a page, and its age.
#[derive(Debug)]
pub(super) struct Content {
    body: Bytes,
    as_of: Timestamp,
}

impl Content {
    /// A view that is this old.
    ///
    /// # Errors
    /// A bug: the view cannot be written.
    pub(super) fn new(view: &impl Serialize, as_of: Timestamp) -> Result<Self, ApiProblem> {
        let body = serde_json::to_vec(view).map_err(|error| {
            tracing::error!(%error, "an answer could not be written");
            ApiProblem::new(Code::Internal, "an answer could not be written")
        })?;
        Ok(Self { body: Bytes::from(body), as_of })
    }
}

/// A rendered page, and what it was rendered from.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) rendered: Rendered,
    pub(super) as_of: Timestamp,
    rendered_at: Instant,
    records: Vec<Arc<ShowRecord>>,
    /// From fresh memory, in these states or later ones; `None`: somebody else counted.
    counted: Option<u64>,
}

/// All that are kept.
pub(crate) struct Pages {
    kept: Cache<Key, Result<Arc<Page>, ApiProblem>>,
    fresh_for: Duration,
}

impl Pages {
    /// Keeps pages of about so many bytes, each for so long at most.
    pub(crate) fn new(kept_bytes: u64, fresh_for: Duration) -> Self {
        let kept = Cache::builder()
            .max_capacity(kept_bytes)
            .weigher(|_, kept: &Result<Arc<Page>, ApiProblem>| {
                let bytes = kept.as_ref().map_or(0, |page| page.rendered.body().len());
                u32::try_from(bytes.saturating_mul(3).saturating_add(KEY_BYTES)).unwrap_or(u32::MAX)
            })
            .time_to_idle(IDLE)
            .build();
        Self { kept, fresh_for }
    }

    /// The page of these records; rendered by the first who asks, the others wait.
    ///
    /// # Errors
    /// Those of `render`.
    pub(super) async fn get(
        &self,
        seating: &Seating,
        key: &Key,
        records: &[Arc<ShowRecord>],
        render: impl AsyncFnOnce() -> Result<Content, ApiProblem>,
    ) -> Result<Arc<Page>, ApiProblem> {
        if let Some(Ok(kept)) = self.kept.get(key).await
            && self.still_says(&kept, seating, records)
        {
            return Ok(kept);
        }
        // Boxed, as it is done now and then: see `SeatMaps::get`.
        Box::pin(self.get_anew(seating, key, records, render)).await
    }

    async fn get_anew(
        &self,
        seating: &Seating,
        key: &Key,
        records: &[Arc<ShowRecord>],
        render: impl AsyncFnOnce() -> Result<Content, ApiProblem>,
    ) -> Result<Arc<Page>, ApiProblem> {
        let render = async {
            // Before the seats are counted: what changes meanwhile is seen next time.
            let counted = seating.is_fresh().then(|| version_of(seating, records));
            let content = render().await?;
            let etag = etag_of(&[&content.body]);
            Ok(Arc::new(Page {
                rendered: Rendered::new(content.body, JSON, etag, Effort::Quick),
                as_of: content.as_of,
                rendered_at: Instant::now(),
                records: records.to_vec(),
                counted,
            }))
        };
        let entry = self.kept.entry_by_ref(key).or_insert_with_if(render, |kept| {
            !kept.as_ref().is_ok_and(|kept| self.still_says(kept, seating, records))
        });
        entry.await.into_value()
    }

    /// Whether a page that is kept is still the answer.
    fn still_says(&self, kept: &Page, seating: &Seating, records: &[Arc<ShowRecord>]) -> bool {
        let same = |(one, other): (&Arc<ShowRecord>, &Arc<ShowRecord>)| Arc::ptr_eq(one, other);
        if kept.records.len() != records.len() || !kept.records.iter().zip(records).all(same) {
            return false;
        }
        let age = kept.rendered_at.elapsed();
        match kept.counted {
            Some(counted) => {
                age < self.fresh_for
                    && seating.is_fresh()
                    && counted == version_of(seating, records)
            }
            None => age < ASIDE_FOR,
        }
    }
}

/// The states in memory of all performances of these shows.
fn version_of(seating: &Seating, records: &[Arc<ShowRecord>]) -> u64 {
    let performances = records.iter().flat_map(|record| &record.performances);
    seating.projection().version_of(performances.map(|performance| &performance.performance_id))
}
