//! Fail points of a production build: nothing.

use std::future::{Ready, ready};

use axum::Router;

/// A place of which nothing is left.
#[derive(Debug)]
pub struct Point;

/// A place between two steps.
#[derive(Debug)]
pub struct Step(Point);

impl Step {
    /// What it is called and what it means are forgotten.
    #[must_use]
    pub const fn new(_name: &'static str, _what: &'static str) -> Self {
        Self(Point)
    }

    /// For the list.
    pub const fn point(&'static self) -> &'static Point {
        &self.0
    }

    /// Nothing happens here.
    #[inline(always)]
    pub fn reach(&'static self) -> Ready<()> {
        ready(())
    }
}

/// A place where an answer has come, or a message is about to be sent.
#[derive(Debug)]
pub struct Answer(Point);

impl Answer {
    /// What it is called and what it means are forgotten.
    #[must_use]
    pub const fn new(_name: &'static str, _what: &'static str) -> Self {
        Self(Point)
    }

    /// For the list.
    pub const fn point(&'static self) -> &'static Point {
        &self.0
    }

    /// Never.
    #[inline(always)]
    pub fn is_lost(&'static self) -> Ready<bool> {
        ready(false)
    }
}

/// The list of which nothing is left.
#[derive(Debug)]
pub struct FailPoints;

impl FailPoints {
    /// A service without any.
    pub const NONE: &'static Self = &Self;

    /// What is in it is forgotten.
    #[must_use]
    pub const fn new(_points: &'static [&'static Point]) -> Self {
        Self
    }

    /// No command line asks for them.
    pub(crate) const fn listed(&self) -> bool {
        false
    }

    /// Nothing is armed.
    pub(crate) const fn arm_from_environment(&self) -> Result<(), String> {
        Ok(())
    }

    /// No route tells them anything.
    pub(crate) fn add_routes(&'static self, admin: Router) -> Router {
        admin
    }
}
