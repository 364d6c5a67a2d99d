//! A trigger's arguments, read.

use crate::error::{Error, LiveTableError, ParameterError};
use crate::pg::encoding;
use socketio_emitter_declaration::Declaration;

/// What a trigger declares.
///
/// `arguments`: in the database's encoding; none if there are more than Postgres can count.
pub fn declaration<'a>(
    arguments: Option<impl IntoIterator<Item = &'a [u8]>>,
) -> Result<Declaration, Error> {
    let arguments = arguments
        .ok_or(LiveTableError::TooManyArguments)?
        .into_iter()
        .map(|argument| {
            encoding::to_utf8(argument).map_err(|_| ParameterError::unconvertible("arguments"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Declaration::parse(arguments.iter().map(AsRef::as_ref))?)
}
