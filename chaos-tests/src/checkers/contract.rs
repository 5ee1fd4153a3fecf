//! The contract itself: every answer has a body that it knows, none is 500
//! `internal`, which is a bug, and no service logs an error that nobody expects.

use super::{Evidence, Judgement, Judging};

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("contract", "answers are the contract's, logs have no errors");
    for _ in &evidence.history.operations {
        judging.must(true, String::new);
    }
    for why in &evidence.history.outside_contract {
        judging.must(false, || format!("an answer outside the contract: {why}"));
    }
    let unexpected = evidence.state.errors.iter().filter(|error| !expected(evidence, &error.line));
    for error in unexpected {
        judging.must(false, || format!("{} logged an error: {}", error.node, error.line));
    }
    judging.done()
}

/// Who must say loudly that its store fails, and after which faults.
const MUST_COMPLAIN: [(&str, &[&str]); 2] = [
    ("lock_service::space", &["no space"]),
    ("payment_gateway::desk", &["failing flush", "full disk"]),
];

fn expected(evidence: &Evidence<'_>, line: &str) -> bool {
    let made = |kind: &&str| evidence.history.faults.iter().any(|fault| fault.kind == *kind);
    MUST_COMPLAIN.iter().any(|(target, kinds)| {
        line.contains(&format!("\"target\":\"{target}\"")) && kinds.iter().any(made)
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, judged};
    use super::{MUST_COMPLAIN, judge};
    use crate::final_state::LogError;

    #[test]
    fn an_error_in_a_log_is_a_breach() {
        let mut sample = Sample::new();
        sample.hold("ann", "A-1", 0..5, 10);
        sample.settle();
        sample.state.errors.push(LogError { node: "booking-api-0".into(), line: "oh".into() });
        assert!(judged(sample, judge)[0].contains("booking-api-0 logged an error"));
    }

    #[test]
    fn a_store_that_fails_may_be_complained_of_by_who_needs_it() {
        let complaint = |target: &str, kind: &str| {
            let mut sample = Sample::new();
            sample.hold("ann", "A-1", 0..5, 10);
            sample.fault(1, kind, 1..2);
            sample.history.faults[0].kind = kind.to_owned();
            sample.settle();
            let line = format!(r#"{{"level":"ERROR","message":"no room","target":"{target}"}}"#);
            sample.state.errors.push(LogError { node: "somebody".into(), line });
            judged(sample, judge)
        };
        for (target, kinds) in MUST_COMPLAIN {
            for kind in kinds {
                assert_eq!(complaint(target, kind), [""; 0], "{target} after {kind}");
            }
            assert!(complaint(target, "kill")[0].contains("somebody logged an error"));
            assert!(complaint("booking_api", kinds[0])[0].contains("somebody logged an error"));
        }
    }
}
