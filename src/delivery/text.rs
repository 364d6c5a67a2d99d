//! Text as the database has it, and as C has it.

use crate::error::{Error, ParameterError};
use crate::pg::encoding;
use crate::pg::process::alloc;
use std::ffi::CString;

/// Why a text has no NUL.
pub const NO_NUL: &str = "Postgres's text has no NUL, and JSON escapes it";

/// UTF-8 text in the database's encoding.
///
/// `parameter`: what an error names.
pub fn in_database_encoding(text: Vec<u8>, parameter: &'static str) -> Result<Vec<u8>, Error> {
    encoding::from_utf8(text).map_err(|_| ParameterError::unconvertible(parameter).into())
}

/// Text without a NUL, with one at its end.
pub fn c_string(mut text: Vec<u8>) -> CString {
    alloc::reserve(&mut text, 1);
    text.push(0);
    CString::from_vec_with_nul(text).expect(NO_NUL)
}
