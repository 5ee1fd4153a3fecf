//! Rendered seat maps, one for each performance that is looked at: rendered
//! once for each change that somebody sees, and once a second so that its age
//! stays honest; sent as often as it is asked for. Whose word it is rendered
//! from is decided here, too: this instance's own projection while that is
//! fresh, then Redis, then the projection as it is, then lock-service; and what
//! was shown before, rather than anything older (INV-11).

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use bytes::Bytes;
use moka::future::Cache;
use seat_model::{PerformanceId, PlanId, PublicSeatState, SeatId, ShowId, Timestamp};
use service_kit::ApiProblem;
use view_service_client::bits::{self, SeatBits, SeatStates};
use view_service_client::wire::Source;

use crate::app::App;
use crate::catalogue::PlanRecord;
use crate::projection::Stand;
use crate::seating::{Seating, Taken};
use crate::views::answer::{JSON, Rendered, etag_of};
use crate::views::encoding::Effort;

/// How long what others said is good for: they know of changes before we do.
const ASIDE_FOR: Duration = Duration::from_millis(250);

/// A map that nobody looked at for so long is dropped.
const IDLE: Duration = Duration::from_secs(60);

/// What an entry takes beside its map, about.
const KEY_BYTES: u32 = 512;

/// Which map.
pub(super) type Place = (ShowId, PerformanceId);

/// All that are kept.
pub(crate) struct SeatMaps {
    kept: Cache<Place, Result<Arc<SeatAnswer>, ApiProblem>>,
    fresh_for: Duration,
}

/// A rendered map, and what it was rendered from.
#[derive(Debug)]
pub(super) struct SeatAnswer {
    pub(super) source: Source,
    pub(super) as_of: Timestamp,
    revision: u64,
    stale: bool,
    /// The state in memory that it shows; `None`: somebody else said so.
    version: Option<u64>,
    rendered_at: Instant,
    content: Arc<Content>,
    pub(super) json: Rendered,
    bits: OnceLock<Rendered>,
}

/// What does not depend on when it was looked at.
#[derive(Debug)]
struct Content {
    plan_id: PlanId,
    /// The answer from `plan_id` on.
    tail: Vec<u8>,
    etag: HeaderValue,
    available: u32,
    states: SeatStates,
}

/// When and by whom a content was known to be true.
#[derive(Debug, Clone, Copy)]
struct Word {
    source: Source,
    revision: u64,
    as_of: Timestamp,
    version: Option<u64>,
}

impl SeatMaps {
    /// Keeps maps of about so many bytes, each for so long at most.
    pub(crate) fn new(kept_bytes: u64, fresh_for: Duration) -> Self {
        Self {
            kept: Cache::builder()
                .max_capacity(kept_bytes)
                .weigher(|_, kept: &Result<Arc<SeatAnswer>, ApiProblem>| {
                    kept.as_ref().map_or(KEY_BYTES, |answer| answer.weight())
                })
                .time_to_idle(IDLE)
                .build(),
            fresh_for,
        }
    }

    /// The map of a performance.
    ///
    /// # Errors
    /// When there is none, or nobody knows it.
    pub(super) async fn get(&self, app: &App, place: Place) -> Result<Arc<SeatAnswer>, ApiProblem> {
        if let Some(Ok(kept)) = self.kept.get(&place).await
            && self.still_says(&kept, &app.seating, &place.1)
        {
            return Ok(kept);
        }
        // Boxed: what is done now and then must not make the future of every
        // answer as large as it is, and that is copied for each.
        Box::pin(self.get_anew(app, &place)).await
    }

    async fn get_anew(&self, app: &App, place: &Place) -> Result<Arc<SeatAnswer>, ApiProblem> {
        let (found, plan) = super::performance(app, &place.0, &place.1).await?;
        let plan_id = found.record.plan_id;
        let entry = self.kept.entry_by_ref(place);
        let rendered = entry.or_insert_with_if(self.render(app, place, &plan_id, &plan), |kept| {
            !kept.as_ref().is_ok_and(|kept| self.still_says(kept, &app.seating, &place.1))
        });
        rendered.await.into_value()
    }

    /// The map as this instance's own projection has it, not before `version`:
    /// for those who hear its changes from then on. `None` before the
    /// projection was first read.
    ///
    /// # Errors
    /// When there is no such performance.
    pub(super) async fn own(
        &self,
        app: &App,
        place: &Place,
        version: u64,
        (plan_id, plan): (&PlanId, &PlanRecord),
    ) -> Result<Option<Arc<SeatAnswer>>, ApiProblem> {
        if app.seating.fresh(&place.1).is_some() {
            let shared = self.get(app, place.clone()).await?;
            if shared.version.is_some_and(|shown| shown >= version) {
                return Ok(Some(shared));
            }
        }
        let own = from_memory(&app.seating, &place.1, plan_id, plan, None);
        Ok(own.map(Arc::new))
    }

    /// Whether a map that is kept is still the answer.
    fn still_says(&self, kept: &SeatAnswer, seating: &Seating, id: &PerformanceId) -> bool {
        if kept.stale != seating.is_stale(kept.as_of) {
            return false;
        }
        let age = kept.rendered_at.elapsed();
        match seating.fresh(id) {
            Some(stand) if kept.version == Some(stand.version) => age < self.fresh_for,
            // Memory has it, or has it otherwise.
            Some(stand) if kept.revision <= stand.revision => false,
            // Shown already, and newer than memory.
            Some(_) => age < ASIDE_FOR,
            None => age < ASIDE_FOR && kept.revision >= seating.projection().changed(id),
        }
    }

    async fn render(
        &self,
        app: &App,
        place: &Place,
        plan_id: &PlanId,
        plan: &PlanRecord,
    ) -> Result<Arc<SeatAnswer>, ApiProblem> {
        let (seating, id) = (&app.seating, &place.1);
        let shown = self.kept.get(place).await.and_then(Result::ok);
        let shown = shown.filter(|shown| shown.content.plan_id == *plan_id);
        if let Some(stand) = seating.fresh(id)
            && !shown.as_ref().is_some_and(|shown| is_older(seating, stand, shown))
            && let Some(own) = from_memory(seating, id, plan_id, plan, shown.as_deref())
        {
            return Ok(Arc::new(own));
        }
        match (seating.taken_elsewhere(id).await, shown) {
            (Some(taken), Some(shown))
                if seating.is_older((taken.revision, taken.as_of), shown.known_at()) =>
            {
                Ok(Arc::new(shown.again(seating)))
            }
            (Some(taken), _) => Ok(Arc::new(from_others(taken, plan_id, plan))),
            // Nobody is left to ask: what was shown before, as old as it is.
            (None, Some(shown)) => Ok(Arc::new(shown.again(seating))),
            (None, None) => Err(super::seats_away()),
        }
    }
}

fn is_older(seating: &Seating, stand: Stand, shown: &SeatAnswer) -> bool {
    seating.is_older((stand.revision, stand.as_of), shown.known_at())
}

/// Renders what memory says; `None` before it says anything. The content is
/// that of `shown` where nothing has changed since.
fn from_memory(
    seating: &Seating,
    id: &PerformanceId,
    plan_id: &PlanId,
    plan: &PlanRecord,
    shown: Option<&SeatAnswer>,
) -> Option<SeatAnswer> {
    seating
        .projection()
        .look(id, |stand, seats| {
            let word = Word {
                source: Source::Memory,
                revision: stand.revision,
                as_of: stand.as_of,
                version: Some(stand.version),
            };
            let content = match shown {
                Some(shown) if shown.version == word.version => Arc::clone(&shown.content),
                _ => Arc::new(Content::new(plan_id, plan, seats)),
            };
            (word, content)
        })
        .map(|(word, content)| SeatAnswer::new(word, content, seating.is_stale(word.as_of)))
}

fn from_others(taken: Taken, plan_id: &PlanId, plan: &PlanRecord) -> SeatAnswer {
    let word =
        Word { source: taken.source, revision: taken.revision, as_of: taken.as_of, version: None };
    let mut seats = taken.seats.iter().map(|(seat, state)| (seat, *state));
    SeatAnswer::new(word, Arc::new(Content::new(plan_id, plan, &mut seats)), taken.stale)
}

impl SeatAnswer {
    fn new(word: Word, content: Arc<Content>, stale: bool) -> Self {
        let Word { as_of, revision, .. } = word;
        let mut body = Vec::with_capacity(content.tail.len() + 96);
        // The members in the order of `wire::SeatMap`.
        body.extend_from_slice(
            format!("{{\"revision\":{revision},\"as_of\":\"{as_of}\",\"stale\":{stale},")
                .as_bytes(),
        );
        body.extend_from_slice(&content.tail);
        let json = Rendered::new(Bytes::from(body), JSON, content.etag.clone(), Effort::Quick);
        Self {
            source: word.source,
            as_of,
            revision,
            stale,
            version: word.version,
            rendered_at: Instant::now(),
            content,
            json: json.by_type(),
            bits: OnceLock::new(),
        }
    }

    /// The same word, as old as it is by now.
    fn again(&self, seating: &Seating) -> Self {
        let word =
            Word { source: self.source, revision: self.revision, as_of: self.as_of, version: None };
        Self::new(word, Arc::clone(&self.content), seating.is_stale(word.as_of))
    }

    const fn known_at(&self) -> (u64, Timestamp) {
        (self.revision, self.as_of)
    }

    /// What the projection had reached.
    pub(super) const fn revision(&self) -> u64 {
        self.revision
    }

    /// The state in memory that it shows; 0 where somebody else said so.
    pub(super) fn version(&self) -> u64 {
        self.version.unwrap_or(0)
    }

    /// The same map in two bits a seat.
    pub(super) fn bits(&self) -> &Rendered {
        self.bits.get_or_init(|| {
            let content = &self.content;
            let bits = SeatBits {
                revision: self.revision,
                as_of: self.as_of,
                stale: self.stale,
                plan_id: content.plan_id.clone(),
                seats_available: content.available,
                states: content.states.clone(),
            };
            let plan_id = content.plan_id.as_str().as_bytes();
            let etag = etag_of(&[b"seat-bits", plan_id, content.states.as_bytes()]);
            let kind = HeaderValue::from_static(bits::MEDIA_TYPE);
            Rendered::new(Bytes::from(bits.encode()), kind, etag, Effort::Quick).by_type()
        })
    }

    /// Bytes, with room for what is made when it is asked for.
    fn weight(&self) -> u32 {
        let bytes = self.json.body().len().saturating_mul(3) + self.content.states.count();
        u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(KEY_BYTES)
    }
}

impl Content {
    /// Joins taken seats, by their ids in order, with the plan. Seats the plan
    /// does not have are not shown.
    fn new(
        plan_id: &PlanId,
        plan: &PlanRecord,
        taken: &mut dyn Iterator<Item = (&SeatId, PublicSeatState)>,
    ) -> Self {
        let total = plan.seats_total();
        let mut states = SeatStates::free(total);
        let mut seats = Vec::with_capacity(64 << 10);
        let mut count = 0_usize;
        seats.push(b'{');
        for (seat, state) in taken {
            let Some(number) = plan.chart.index_of(seat) else { continue };
            let said: &[u8] = match state {
                PublicSeatState::Free => continue,
                PublicSeatState::Held => b":\"held\"",
                PublicSeatState::Sold => b":\"sold\"",
            };
            states.set(number, state);
            if count > 0 {
                seats.push(b',');
            }
            count += 1;
            // Writing text to memory cannot fail.
            let _ = serde_json::to_writer(&mut seats, seat.as_str());
            seats.extend_from_slice(said);
        }
        seats.push(b'}');
        let available = total.saturating_sub(count);
        // How far and how old the projection is differs between instances;
        // which seats are taken does not.
        let etag = etag_of(&[b"seats", plan_id.as_str().as_bytes(), &seats]);
        let mut tail = format!(
            "\"plan_id\":\"{plan_id}\",\"seats_total\":{total},\
             \"seats_available\":{available},\"seats\":"
        )
        .into_bytes();
        tail.extend_from_slice(&seats);
        tail.push(b'}');
        let available = u32::try_from(available).unwrap_or(u32::MAX);
        Self { plan_id: plan_id.clone(), tail, etag, available, states }
    }
}

#[cfg(test)]
#[path = "seat_maps_tests.rs"]
mod tests;
