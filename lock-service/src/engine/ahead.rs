//! Keeps leases granted ahead of the holds that will need them, and drops all
//! of them when etcd is not the one they were granted by any more.

use std::sync::Arc;

use super::Engine;
use crate::config::ms;

/// Looks again and again; supervised.
pub async fn keep_leases_ahead(engine: Arc<Engine>) {
    // Often enough that a lease missing in a moment is seen in time.
    let mut ticks = tokio::time::interval(ms(engine.timing.lease_ahead_ms) / 4);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = None;
    loop {
        ticks.tick().await;
        if engine.mirror.confirmed().is_none() {
            continue;
        }
        // History begins anew when revisions went back; a rebuilt or restored
        // cell has another epoch. Its leases are not those that were granted.
        let cell = Some((engine.mirror.history().generation(), engine.cell_epoch()));
        if known.is_some() && known != cell {
            tracing::warn!("etcd was restored or rebuilt: its leases are not used any more");
            engine.leases.forget_all();
        }
        known = cell;
        if engine.gate().is_ok() {
            engine.leases.look_ahead();
        }
    }
}
