//! Fail points: named places between two steps of a protocol, at which a
//! process of a *faulty* build can be told to abort, to pause, or to lose an
//! answer. Without the feature `failpoints` nothing of them is compiled in:
//! the types are empty, reaching one is nothing, and the program has no switch.
//!
//! A service declares each of its points once, with [`fail_points!`](crate::fail_points!):
//! where they stand is what the built program says (`--list-fail-points`), so a
//! test that kills it at each of them cannot forget one.
//!
//! Must not know: what the steps of any service are.

#[cfg(not(feature = "failpoints"))]
mod absent;
#[cfg(feature = "failpoints")]
mod action;
#[cfg(feature = "failpoints")]
mod present;

#[cfg(not(feature = "failpoints"))]
pub use absent::{Answer, FailPoints, Point, Step};
#[cfg(feature = "failpoints")]
pub use present::{Answer, FailPoints, Point, Step};

/// Declares the fail points of a service: for each a sentence that says what
/// has happened and what has not, its kind, and its name.
///
/// A [`Step`](fail_points::Step) can be told to abort or to pause; an
/// [`Answer`](fail_points::Answer) also to lose what has just come, or is about to be sent.
///
/// ```
/// service_kit::fail_points! {
///     /// The seats are held, nobody was told.
///     Step HELD = "held";
///     /// The shard has answered.
///     Answer COMMIT_ANSWERED = "commit-answered";
/// }
/// # let _ = (&HELD, &COMMIT_ANSWERED, &FAIL_POINTS);
/// ```
#[macro_export]
macro_rules! fail_points {
    ($($(#[doc = $what:literal])+ $kind:ident $name:ident = $text:literal;)+) => {
        $(
            $(#[doc = $what])+
            pub(crate) static $name: $crate::fail_points::$kind =
                $crate::fail_points::$kind::new($text, concat!($($what),+));
        )+
        /// All fail points of this service.
        pub static FAIL_POINTS: $crate::fail_points::FailPoints =
            $crate::fail_points::FailPoints::new(&[$($name.point()),+]);
    };
}
