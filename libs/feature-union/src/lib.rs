//! Nothing but dependencies: what only tests use.
//!
//! Cargo counts the features that tests ask of shared crates only when it
//! builds tests. A browser driver that wants one more feature of a crate far
//! below would have nearly everything compiled twice, once for running and once
//! for testing. As dependencies of a member of the workspace they count in both,
//! and nothing of them is compiled for a program.
