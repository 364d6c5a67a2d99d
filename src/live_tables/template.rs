//! Templates whose columns were found: rooms and events of a row.

use crate::error::{Error, LiveTableError, MAX_ROOMS_TEXT, MAX_TEXT, ParameterError, Why, shorten};
use crate::live_tables::rooms::Rooms;
use crate::pg::encoding;
use crate::pg::process::interrupt;
use crate::pg::table::column::{ElementsReader, TextReader};
use crate::pg::table::expression::View;
use crate::pg::trigger::Operation;
use socketio_emitter_declaration::Key;
use socketio_emitter_protocol::check_broadcast_event;
use std::ops::ControlFlow;
use strum::VariantArray;

/// Bytes that a text of [`MAX_TEXT`] can have in the database's encoding: that may take more than UTF-8 does, but four for a
/// character at most.
const MOST_BYTES: usize = 4 * MAX_TEXT;

/// Room for most rooms and events, so that they need no second allocation.
const USUAL_LENGTH: usize = 64;

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
    /// A column's value, or a function's, as text.
    Text(TextReader),
    /// The elements of an array: each makes a room of its own. At most one piece is one, and none of an event.
    Elements(ElementsReader),
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
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Text(_) | Piece::Elements(_)))
    }

    /// Appends the texts of what the row gives: a 0 for a null, a 1, the text and a 0, which no text has, for others; a 2 in
    /// front of elements and a 0 behind them. Elements that are too long for rooms are an error, 54000.
    pub fn fingerprint(&self, row: &View<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        // What is longer is refused when it is rendered.
        let append = |out: &mut Vec<u8>, text: &[u8]| {
            out.push(1);
            out.extend_from_slice(&text[..text.len().min(MOST_BYTES + 1)]);
        };
        for piece in &self.0 {
            match piece {
                Piece::Literal(_) | Piece::Operation => {}
                Piece::Text(reader) => {
                    reader.with_text(row, |text| append(out, text));
                }
                Piece::Elements(reader) => {
                    out.push(2);
                    let mut result: Result<(), Error> = Ok(());
                    let mut length = 0;
                    reader.each(row, |text| {
                        interrupt::check();
                        length += text.len();
                        if length > MAX_ROOMS_TEXT {
                            result = Err(LiveTableError::TooLongRooms.into());
                            return ControlFlow::Break(());
                        }
                        append(out, text);
                        out.push(0);
                        ControlFlow::Continue(())
                    });
                    result?;
                }
            }
            if matches!(piece, Piece::Text(_) | Piece::Elements(_)) {
                out.push(0);
            }
        }
        Ok(())
    }

    /// An event's name; `None` as for [`Self::render`]. One that Socket.IO keeps for itself is an
    /// error.
    ///
    /// `key`: the argument that the event is declared by.
    pub fn render_event(
        &self,
        key: Key,
        operation: Operation,
        row: Option<&View<'_>>,
    ) -> Result<Option<String>, Error> {
        let event = render(&self.0, key, operation, row)?;
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

    /// Adds the rooms that it stands for: none if a value is null.
    pub fn render_rooms(
        &self,
        operation: Operation,
        row: Option<&View<'_>>,
        rooms: &mut Rooms,
    ) -> Result<(), Error> {
        let at = |piece: &Piece| matches!(piece, Piece::Elements(_));
        let Some(at) = self.0.iter().position(at) else {
            return match render(&self.0, Key::Room, operation, row)? {
                Some(room) => rooms.add(room),
                None => Ok(()),
            };
        };
        let (Some(before), Some(behind), Some(row), Piece::Elements(elements)) = (
            render(&self.0[..at], Key::Room, operation, row)?,
            render(&self.0[at + 1..], Key::Room, operation, row)?,
            row,
            &self.0[at],
        ) else {
            return Ok(());
        };
        let mut result = Ok(());
        elements.each(row, |element| {
            interrupt::check();
            let mut room = before.clone();
            result = append(&mut room, element, Key::Room)
                .and_then(|()| append_utf8(&mut room, &behind, Key::Room))
                .and_then(|()| rooms.add(room));
            match result {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        result
    }
}

/// `None` if a value is null, or there is no row to have values.
fn render(
    pieces: &[Piece],
    key: Key,
    operation: Operation,
    row: Option<&View<'_>>,
) -> Result<Option<String>, Error> {
    let mut text = String::with_capacity(USUAL_LENGTH);
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Operation => text.push_str(operation.name()),
            Piece::Text(reader) => {
                let appended = row
                    .and_then(|row| reader.with_text(row, |bytes| append(&mut text, bytes, key)));
                match appended {
                    None => return Ok(None),
                    Some(appended) => appended?,
                }
            }
            Piece::Elements(_) => return Ok(None),
        }
    }
    Ok(Some(text))
}

/// `bytes`: in the database's encoding. `key`: the argument that an error names.
fn append(text: &mut String, bytes: &[u8], key: Key) -> Result<(), Error> {
    if bytes.len() > MOST_BYTES {
        return Err(too_long(key));
    }
    let utf8 = encoding::to_utf8(bytes).map_err(|_| ParameterError::unconvertible(key.into()))?;
    append_utf8(text, &utf8, key)
}

fn append_utf8(text: &mut String, utf8: &str, key: Key) -> Result<(), Error> {
    if text.len() + utf8.len() > MAX_TEXT {
        return Err(too_long(key));
    }
    text.push_str(utf8);
    Ok(())
}

fn too_long(key: Key) -> Error {
    LiveTableError::TooLongText {
        argument: key.into(),
    }
    .into()
}
