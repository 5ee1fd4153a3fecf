//! Which routes were called and which error codes came back, over a whole run.
//! The last test of the platform demands that none is missing.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use seat_model::Code;

/// What a run has seen so far. Shared by every caller.
#[derive(Debug, Default)]
pub struct Coverage {
    codes: Mutex<BTreeSet<&'static str>>,
    /// Method and path of every request that succeeded.
    paths: Mutex<BTreeSet<(String, String)>>,
}

impl Coverage {
    /// A problem with this code came back.
    pub fn saw_code(&self, code: Code) {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).insert(code.as_str());
    }

    /// This request succeeded.
    pub fn saw_success(&self, method: &str, path: &str) {
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.insert((method.to_ascii_uppercase(), path));
    }

    /// Codes of the contract that no test has produced.
    #[must_use]
    pub fn missing_codes(&self) -> Vec<&'static str> {
        let seen = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        Code::ALL.iter().map(|code| code.as_str()).filter(|code| !seen.contains(code)).collect()
    }

    /// Operations of an OpenAPI document that no test has called successfully,
    /// as `GET /v1/show/{showId}`.
    #[must_use]
    pub fn missing_operations(&self, openapi: &serde_json::Value) -> Vec<String> {
        const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::new();
        for (template, operations) in openapi["paths"].as_object().into_iter().flatten() {
            for method in METHODS.iter().filter(|method| operations.get(**method).is_some()) {
                let method = method.to_ascii_uppercase();
                let called = paths.iter().any(|(m, path)| *m == method && matches(template, path));
                if !called {
                    missing.push(format!("{method} {template}"));
                }
            }
        }
        missing
    }
}

/// Whether a path is an instance of a template such as `/v1/show/{showId}`.
fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) => {
                let variable = part.starts_with('{') && part.ends_with('}');
                if !(part == given || variable && !given.is_empty()) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_without_a_call_is_missing() {
        let openapi = serde_json::json!({"paths": {
            "/v1/show/{showId}": {"get": {}},
            "/v1/book/{showId}": {"post": {}},
        }});
        let coverage = Coverage::default();
        coverage.saw_success("GET", "/v1/show/hamlet?date=2026-12-01");
        coverage.saw_success("POST", "/v1/book/hamlet/extra");
        assert_eq!(coverage.missing_operations(&openapi), ["POST /v1/book/{showId}"]);
    }

    #[test]
    fn a_code_never_seen_is_missing() {
        let coverage = Coverage::default();
        for code in Code::ALL.iter().filter(|code| **code != Code::SoldOut) {
            coverage.saw_code(*code);
        }
        assert_eq!(coverage.missing_codes(), ["sold_out"]);
    }
}
