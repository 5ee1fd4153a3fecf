//! Where a page of shows ended. Pages are ordered by show id, so a show that
//! is added never moves another to a page that was read already.

use seat_model::ShowId;

/// Not a cursor this service made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a next_cursor of an earlier answer")]
pub struct BadCursor;

/// The last show of a page. Opaque to clients: hexadecimal, with a letter in
/// front that says which kind of cursor it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(pub ShowId);

impl Cursor {
    /// As it travels.
    #[must_use]
    pub fn to_wire(&self) -> String {
        use std::fmt::Write;
        let mut text = String::from("s");
        for byte in self.0.as_str().bytes() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_wire(text: &str) -> Result<Self, BadCursor> {
        let hex = text.strip_prefix('s').ok_or(BadCursor)?;
        if !hex.len().is_multiple_of(2) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadCursor);
        }
        let bytes: Result<Vec<u8>, _> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16)).collect();
        let id = String::from_utf8(bytes.map_err(|_| BadCursor)?).map_err(|_| BadCursor)?;
        ShowId::new(id).map(Self).map_err(|_| BadCursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_journey_and_nothing_else_does() {
        let cursor = Cursor(ShowId::new("hamlet-2026").unwrap());
        assert_eq!(Cursor::from_wire(&cursor.to_wire()), Ok(cursor));
        for bad in ["", "s", "s4", "x41", "szz", "s41", "sé0", "s4é", "s2e2e2f"] {
            assert_eq!(Cursor::from_wire(bad), Err(BadCursor), "{bad}");
        }
    }
}
