//! What a fail point can be told, as text: `abort`, `pause(MILLISECONDS)`,
//! `lose` or `off`, each `N*` times if it says so, one after the other:
//! `2*off->abort` aborts the third time, `1*pause(500)->1*lose` pauses the
//! first time, loses the second and then does nothing any more.

use std::time::Duration;

/// Nobody is paused for longer: a test that forgets to go on must end.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What happens at a fail point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The process ends here and now, as if it had been killed.
    Abort,
    /// The task waits; others go on.
    Pause(Duration),
    /// The answer never came, or the message was never sent.
    Lose,
}

impl Action {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "abort" => return Some(Self::Abort),
            "lose" => return Some(Self::Lose),
            _ => {}
        }
        let millis = text.strip_prefix("pause(")?.strip_suffix(')')?.parse().ok()?;
        let pause = Duration::from_millis(millis);
        (pause <= LONGEST_PAUSE).then_some(Self::Pause(pause))
    }
}

/// The same in the words of the crate `fail`, which counts.
pub(super) fn translate(text: &str, may_lose: bool) -> Result<String, String> {
    let terms = text.split("->").map(|term| translate_one(term.trim(), may_lose));
    terms.collect::<Result<Vec<_>, _>>().map(|terms| terms.join("->"))
}

fn translate_one(term: &str, may_lose: bool) -> Result<String, String> {
    let (times, action) = match term.split_once('*') {
        Some((times, action)) => {
            let times: u32 =
                times.parse().map_err(|_| format!("{term:?}: {times:?} is no number"))?;
            (format!("{times}*"), action)
        }
        None => (String::new(), term),
    };
    if action == "off" {
        return Ok(format!("{times}off"));
    }
    match Action::read(action) {
        Some(Action::Lose) if !may_lose => Err(format!("{term:?}: nothing can be lost here")),
        Some(_) => Ok(format!("{times}return({action})")),
        None => Err(format!("{term:?}: not abort, pause(up to 60000), lose or off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_counted_and_follow_one_another() {
        assert_eq!(translate("abort", false).unwrap(), "return(abort)");
        assert_eq!(
            translate("2*off->1*pause(500) -> lose", true).unwrap(),
            "2*off->1*return(pause(500))->return(lose)"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, may_lose) in [
            ("", true),
            ("panic", true),
            ("x*abort", true),
            ("lose", false),
            ("pause", true),
            ("pause(60001)", true),
            ("abort->", true),
        ] {
            assert!(translate(text, may_lose).is_err(), "{text:?}");
        }
    }
}
