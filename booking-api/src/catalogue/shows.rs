//! Shows: written once under the organiser's id.

use seat_model::{ShowId, folded};

use super::keyed::{Begun, StatementError};
use super::performance::get;
use super::{Catalogue, CatalogueError, FirstAnswer, Keyed};

/// A show to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewShow {
    /// The organiser's choice, or drawn.
    pub(crate) show_id: ShowId,
    /// What people call it.
    pub(crate) name: String,
    /// Milliseconds since the epoch.
    pub(crate) created_at_ms: i64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShowWritten {
    /// It is there, now or since before, under this name.
    There,
    /// The id belongs to a show of another name.
    Taken,
}

impl Catalogue {
    /// Writes a show; the same again changes nothing.
    ///
    /// # Errors
    /// See [`CatalogueError`].
    pub(crate) async fn add_show(
        &self,
        show: &NewShow,
        first: Option<&FirstAnswer>,
    ) -> Result<Keyed<ShowWritten>, CatalogueError> {
        let mut change = match self.begin(first).await? {
            Begun::Fresh(change) => change,
            Begun::Seen(seen) => return Ok(seen.into()),
        };
        let insert = sqlx::query(
            "INSERT INTO shows (show_id, name, name_key, created_at_ms) VALUES (?, ?, ?, ?)",
        )
        .bind(show.show_id.as_str())
        .bind(&show.name)
        .bind(folded(&show.name))
        .bind(show.created_at_ms);
        match change.execute(insert).await {
            Ok(_) => change.commit().await?,
            Err(StatementError::Duplicate) => {
                drop(change);
                let name = self.show_name(&show.show_id).await?;
                if name.is_some_and(|name| name != show.name) {
                    return Ok(Keyed::Done(ShowWritten::Taken));
                }
            }
            Err(error) => return Err(error.unexpected()),
        }
        Ok(Keyed::Done(ShowWritten::There))
    }

    /// A show's name; `None`: there is no such show.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn show_name(&self, show: &ShowId) -> Result<Option<String>, CatalogueError> {
        let mut leased = self.connection().await?;
        let row = sqlx::query("SELECT name FROM shows WHERE show_id = ?")
            .bind(show.as_str())
            .fetch_optional(leased.get()?);
        let row = self.limited(row).await;
        leased.read(row)?.map(|row| get(&row, "name")).transpose()
    }
}
