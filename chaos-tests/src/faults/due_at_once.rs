//! Ten thousand seats are held, a thousand holds of ten, and nobody comes back
//! for them: as the first hold runs out, the member that leads etcd is killed.
//! All of them run out within the seconds it took to take them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use booking_api_client::Book;
use futures_util::stream::{self, StreamExt as _};
use local_cluster::NodeKind;
use rand::rngs::StdRng;
use seat_model::Code;

use super::{Harm, kill_leader::KillLeader};
use crate::hall::{CROWD_SEATS, CROWD_TTL, Hall, PICKED};
use crate::stage::Stage;
use crate::wait::wait_until;

/// Seats of a hold: as many as a customer may have.
const TOGETHER: u32 = 10;

const HOLDS: u32 = CROWD_SEATS / TOGETHER;

/// Customers at once.
const AT_ONCE: usize = 32;

/// A customer who was refused for the moment asks again, so often.
const TRIES: u32 = 5;

/// Before the first hold runs out.
const JUST_BEFORE: Duration = Duration::from_millis(500);

/// After the leader is back, for the last hold and for who shows it.
const FREE_WITHIN: Duration = Duration::from_secs(30);

/// So that each crowd has customers of its own.
static CROWDS: AtomicU32 = AtomicU32::new(0);

pub(crate) struct DueAtOnce {
    leader: KillLeader,
    hall: Option<Hall>,
}

impl Harm for DueAtOnce {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        stage.cluster.topology().of_kind(NodeKind::ViewService).next()?;
        Some(Self { leader: KillLeader::draw(dice, stage)?, hall: None })
    }

    fn name(&self) -> String {
        format!("{CROWD_SEATS} held seats run out as etcd's leader is killed")
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let crowd = CROWDS.fetch_add(1, Ordering::Relaxed);
        let hall = stage.crowded_hall(crowd).await.map_err(|error| error.to_string())?;
        let began = Instant::now();
        let refused: Vec<String> = stream::iter(0..HOLDS)
            .map(|number| take(stage, &hall, format!("crowd-{crowd}-{number}")))
            .buffer_unordered(AT_ONCE)
            .filter_map(|taken| std::future::ready(taken.err()))
            .collect()
            .await;
        self.hall = Some(hall);
        if let Some(why) = refused.first() {
            return Err(format!("{} of {HOLDS} were not held: {why}", refused.len()));
        }
        let took = began.elapsed();
        if took >= CROWD_TTL {
            return Err(format!("to hold them took {took:?}, longer than a hold lives"));
        }
        tokio::time::sleep_until((began + CROWD_TTL - JUST_BEFORE).into()).await;
        self.leader.make(stage).await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        self.leader.heal(stage).await?;
        let Some(hall) = self.hall.take() else { return Ok(()) };
        wait_until(FREE_WITHIN, || async {
            let viewed = stage.views.seats(&hall.show, &hall.performance, None).await;
            let map = viewed.map_err(|error| error.to_string())?.into_answer();
            let map = map.map_err(|error| error.to_string())?;
            let taken = map.seats.len();
            if taken == 0 && !map.stale { Ok(()) } else { Err(format!("{taken} are not free")) }
        })
        .await
    }
}

/// One hold, by somebody who has no other.
async fn take(stage: &Stage, hall: &Hall, user: String) -> Result<(), String> {
    let customer = stage.customer(&user).map_err(|error| error.to_string())?;
    let book = Book {
        tier: Some(PICKED.to_owned()),
        quantity: Some(TOGETHER),
        performance_id: Some(hall.performance.clone()),
        accept_split: true,
        ..Book::default()
    };
    let mut why = String::new();
    for _ in 0..TRIES {
        match customer.book(&hall.show, &book, "crowd").await {
            Ok(_) => return Ok(()),
            Err(booking_api_client::CallError::Refused(refusal)) => {
                let problem = refusal.problem;
                why = problem.detail.clone();
                if problem.code == Code::SoldOut {
                    break;
                }
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}
