//! Checks of what people send: every fault is collected, so that one answer
//! names all of them.

use seat_model::{Code, FieldError, Problem};
use service_kit::ApiProblem;

/// The faults of one request.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    found: Vec<FieldError>,
}

impl Faults {
    /// Notes a fault.
    pub(crate) fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.found.push(FieldError::new(field, message));
    }

    /// A text without outer blanks and control characters, of 1 to `max`
    /// characters; answers it without the outer blanks.
    pub(crate) fn text(&mut self, field: &str, text: &str, max: usize) -> String {
        let text = text.trim();
        if text.is_empty() {
            self.add(field, "must not be empty");
        } else if text.chars().count() > max {
            self.add(field, format!("must have at most {max} characters"));
        } else if text.chars().any(char::is_control) {
            self.add(field, "must not have control characters");
        }
        text.to_owned()
    }

    /// A number between two others, both allowed.
    pub(crate) fn range(&mut self, field: &str, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            self.add(field, format!("must be from {least} to {most}"));
        }
    }

    /// The request goes on only without faults.
    pub(crate) fn none_or_refuse(self) -> Result<(), ApiProblem> {
        if self.found.is_empty() {
            return Ok(());
        }
        let fields: Vec<&str> = self.found.iter().map(|fault| fault.field.as_str()).collect();
        let detail = format!("look at {}", fields.join(", "));
        Err(Problem::new(Code::InvalidRequest, detail).with_errors(self.found).into())
    }

    /// The fields with a fault.
    #[cfg(test)]
    pub(crate) fn fields(&self) -> Vec<&str> {
        self.found.iter().map(|fault| fault.field.as_str()).collect()
    }
}
