//! Templates whose columns were found: rooms and events of a row.

use crate::error::{Error, LiveTableError, MAX_TEXT, ParameterError, Why, shorten};
use crate::pg::encoding;
use crate::pg::table::column::TextReader;
use crate::pg::table::row::Row;
use crate::pg::trigger::Operation;
use socketio_emitter_declaration::Key;
use socketio_emitter_protocol::check_broadcast_event;
use strum::VariantArray;

/// Bytes that a text of [`MAX_TEXT`] can have in the database's encoding: that may take more than UTF-8 does, but four for a
/// character at most.
const MOST_BYTES: usize = 4 * MAX_TEXT;

/// A template, bound to the columns of a live table.
#[derive(Debug)]
pub struct BoundTemplate(pub Vec<Piece>);

/// A part of a template that renders by itself.
#[derive(Debug)]
pub enum Piece {
    /// Text that stands for itself.
    Literal(String),
    /// `$op`
    Operation,
    /// A column's value, as text.
    Column(TextReader),
}

impl BoundTemplate {
    /// Checks an event that depends on no column, for every operation; others are checked row by row.
    pub fn check_fixed_event(&self, key: Key) -> Result<(), Error> {
        if !self.has_columns() {
            for &operation in Operation::VARIANTS {
                self.render_event(key, operation, None)?;
            }
        }
        Ok(())
    }

    /// Whether it needs a row.
    pub fn has_columns(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Column(_)))
    }

    /// Appends the columns' texts: a 0 for a null, a 1, the text and a 0, which no text has, for
    /// others.
    pub fn fingerprint(&self, row: Row<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            if let Piece::Column(reader) = piece {
                reader.with_text(row, |text| {
                    out.push(1);
                    // What is longer is refused when it is rendered.
                    out.extend_from_slice(&text[..text.len().min(MOST_BYTES + 1)]);
                });
                out.push(0);
            }
        }
    }

    /// An event's name; `None` as for [`Self::render`]. One that Socket.IO keeps for itself is an
    /// error.
    ///
    /// `key`: the argument that the event is declared by.
    pub fn render_event(
        &self,
        key: Key,
        operation: Operation,
        row: Option<Row<'_>>,
    ) -> Result<Option<String>, Error> {
        let event = self.render(key, operation, row)?;
        if let Some(event) = &event {
            check_broadcast_event(event).map_err(|_| {
                LiveTableError::misdeclared(
                    Why::Argument,
                    key,
                    None,
                    format!("produces the reserved event name \"{}\"", shorten(event)),
                    "Socket.IO raises events of this name itself. Add a prefix.",
                )
            })?;
        }
        Ok(event)
    }

    /// `None` if a column is null, or there is no row to have columns.
    pub fn render(
        &self,
        key: Key,
        operation: Operation,
        row: Option<Row<'_>>,
    ) -> Result<Option<String>, Error> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Operation => text.push_str(operation.name()),
                Piece::Column(reader) => {
                    let appended = row.and_then(|row| {
                        reader.with_text(row, |bytes| append(&mut text, bytes, key))
                    });
                    match appended {
                        None => return Ok(None),
                        Some(appended) => appended?,
                    }
                }
            }
        }
        Ok(Some(text))
    }
}

/// `bytes`: in the database's encoding. `key`: the argument that an error names.
fn append(text: &mut String, bytes: &[u8], key: Key) -> Result<(), Error> {
    let too_long = LiveTableError::TooLongText {
        argument: key.into(),
    };
    if bytes.len() > MOST_BYTES {
        return Err(too_long.into());
    }
    let utf8 = encoding::to_utf8(bytes).map_err(|_| ParameterError::unconvertible(key.into()))?;
    if text.len() + utf8.len() > MAX_TEXT {
        return Err(too_long.into());
    }
    text.push_str(&utf8);
    Ok(())
}
