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
    for error in &evidence.state.errors {
        judging.must(false, || format!("{} logged an error: {}", error.node, error.line));
    }
    judging.done()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, judged};
    use super::judge;
    use crate::final_state::LogError;

    #[test]
    fn an_error_in_a_log_is_a_breach() {
        let mut sample = Sample::new();
        sample.hold("ann", "A-1", 0..5, 10);
        sample.settle();
        sample.state.errors.push(LogError { node: "booking-api-0".into(), line: "oh".into() });
        assert!(judged(sample, judge)[0].contains("booking-api-0 logged an error"));
    }
}
