//! INV-12: within a stated time after faults have healed, a hold and its
//! confirm succeed on every shard, without a restart.

use std::collections::BTreeSet;

use super::{Evidence, Judgement, Judging};

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-12", "it recovers");
    let within = evidence.terms.recovers_within_ms;
    for demanded in &evidence.history.demanded {
        let fault = evidence.history.faults.iter().find(|f| f.number == demanded.after_fault);
        let fault = fault.map_or("the start", |fault| fault.name.as_str());
        let shard = &demanded.shard;
        match demanded.after_ms {
            Some(after_ms) => judging.must(after_ms <= within, || {
                format!("on {shard} nothing was sold for {after_ms} ms after `{fault}` was healed")
            }),
            None => judging.must(false, || {
                format!("on {shard} nothing was sold after `{fault}`: {}", demanded.last)
            }),
        }
    }
    let shards: BTreeSet<_> = evidence.history.began.homes.values().collect();
    for fault in evidence.history.faults.iter().filter(|fault| fault.healed_ns.is_some()) {
        let asked: BTreeSet<_> = evidence
            .history
            .demanded
            .iter()
            .filter(|demanded| demanded.after_fault == fault.number)
            .map(|demanded| &demanded.shard)
            .collect();
        if !shards.is_subset(&asked) {
            judging.undecided(format!("after `{}` not every shard was asked", fault.name));
        }
    }
    judging.findings(evidence.state, 12);
    judging.done()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, judged};
    use super::judge;

    #[test]
    fn a_sale_in_time_on_every_shard_is_fine() {
        let mut sample = Sample::new();
        sample.fault(1, "kill redis", 10..20);
        sample.demanded(1, Some(900));
        assert_eq!(judged(sample, judge), [""; 0]);
    }

    #[test]
    fn a_sale_too_late_or_never_is_a_breach() {
        let mut late = Sample::new();
        late.fault(1, "kill redis", 10..20);
        late.demanded(1, Some(10_001));
        assert!(judged(late, judge)[0].contains("10001 ms"));
        let mut never = Sample::new();
        never.fault(1, "kill redis", 10..20);
        never.demanded(1, None);
        assert!(judged(never, judge)[0].contains("nothing was sold after `kill redis`"));
    }

    #[test]
    fn a_shard_that_was_not_asked_is_undecided() {
        let mut sample = Sample::new();
        sample.fault(1, "kill redis", 10..20);
        assert_eq!(sample.undecided(judge).len(), 1);
    }
}
