//! When a failed delivery is tried again, and when it is given up. Pure: no
//! clock, no I/O.

use super::config::WebhooksConfig;

/// What comes after an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt, in so many milliseconds.
    Again(i64),
    /// None.
    GiveUp,
}

/// The next attempt of a delivery of which `failed` attempts have failed, the
/// last one included. The pause doubles from the first to the longest, less up
/// to half of itself by `chance` (0 to 1): receivers that come back are not met
/// by everybody at once. A receiver that asked for a pause gets at least that.
pub(super) fn next(
    config: &WebhooksConfig,
    failed: u16,
    age_ms: i64,
    asked_ms: Option<u64>,
    chance: f64,
) -> Next {
    if failed >= config.attempts_max {
        return Next::GiveUp;
    }
    let doublings = u32::from(failed.saturating_sub(1)).min(40);
    let whole =
        config.retry_first_ms.saturating_mul(1_u64 << doublings).min(config.retry_longest_ms);
    // In thousandths: exact, and never outside half to whole.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 to 500"
    )]
    let less = (chance.clamp(0.0, 1.0) * 500.0) as u64;
    let pause = whole - whole.saturating_mul(less) / 1_000;
    let asked = asked_ms.unwrap_or(0).min(config.retry_after_longest_ms);
    let pause = i64::try_from(pause.max(asked)).unwrap_or(i64::MAX);
    if age_ms.saturating_add(pause) > config.give_up_after_ms {
        return Next::GiveUp;
    }
    Next::Again(pause)
}

/// `Retry-After` in milliseconds: seconds, or a date as HTTP writes them.
pub(super) fn retry_after_ms(header: &str, now_ms: i64) -> Option<u64> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    // RFC 9110 writes GMT where RFC 2822 writes +0000; jiff reads both.
    let date = jiff::fmt::rfc2822::parse(header).ok()?;
    u64::try_from(date.timestamp().as_millisecond().saturating_sub(now_ms)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config() -> WebhooksConfig {
        WebhooksConfig::default()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let config = config();
        let pause = |failed| match next(&config, failed, 0, None, 0.0) {
            Next::Again(pause) => pause,
            Next::GiveUp => -1,
        };
        assert_eq!([1, 2, 3, 4].map(pause), [2_000, 4_000, 8_000, 16_000]);
        assert_eq!(pause(31), 4 * 3_600_000);
        assert_eq!(pause(32), -1);
    }

    #[test]
    fn by_default_a_receiver_that_is_away_for_a_day_gets_everything() {
        let config = config();
        let mut age_ms = 0;
        let mut failed = 0;
        while let Next::Again(pause) = next(&config, failed + 1, age_ms, None, 1.0) {
            failed += 1;
            age_ms += pause;
        }
        assert!(age_ms > 24 * 3_600_000, "given up after {age_ms} ms");
        assert!(age_ms <= config.give_up_after_ms);
    }

    #[test]
    fn a_pause_is_read_in_seconds_and_as_a_date() {
        assert_eq!(retry_after_ms("120", 0), Some(120_000));
        assert_eq!(retry_after_ms(" 0 ", 0), Some(0));
        let date = "Thu, 01 Jan 1970 00:01:00 GMT";
        assert_eq!(retry_after_ms(date, 20_000), Some(40_000));
        assert_eq!(retry_after_ms(date, 70_000), None, "in the past: no pause is asked for");
        for nonsense in ["", "soon", "-5", "1.5"] {
            assert_eq!(retry_after_ms(nonsense, 0), None, "{nonsense:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pause_keeps_its_bounds(
            failed in 1_u16..40,
            age_ms in 0_i64..400_000_000,
            asked in proptest::option::of(0_u64..200_000_000),
            chance in 0.0_f64..=1.0,
        ) {
            let config = config();
            match next(&config, failed, age_ms, asked, chance) {
                Next::GiveUp => prop_assert!(
                    failed >= config.attempts_max
                        || age_ms + i64::try_from(config.retry_longest_ms
                            .max(asked.unwrap_or(0)).min(config.retry_after_longest_ms
                            .max(config.retry_longest_ms))).unwrap() > config.give_up_after_ms
                ),
                Next::Again(pause) => {
                    let pause_ms = u64::try_from(pause).unwrap();
                    let whole = (config.retry_first_ms << (failed - 1).min(30))
                        .min(config.retry_longest_ms);
                    let asked = asked.unwrap_or(0).min(config.retry_after_longest_ms);
                    prop_assert!(failed < config.attempts_max);
                    prop_assert!(pause_ms >= whole / 2 && pause_ms >= asked);
                    prop_assert!(pause_ms <= whole.max(asked));
                    prop_assert!(age_ms + pause <= config.give_up_after_ms);
                }
            }
        }

        #[test]
        fn any_failing_receiver_is_given_up_in_time(chance in 0.0_f64..=1.0, asked in 0_u64..90_000) {
            let config = config();
            let (mut age_ms, mut failed) = (0, 0_u16);
            while let Next::Again(pause) = next(&config, failed + 1, age_ms, Some(asked), chance) {
                failed += 1;
                age_ms += pause;
            }
            prop_assert!(failed < config.attempts_max && age_ms <= config.give_up_after_ms);
        }
    }
}
