//! Between the database's encoding and UTF-8, which is what both wire forms are written in.

use crate::pg::process::{alloc, interrupt};
use pgrx::pg_sys;
use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::OnceLock;

/// A text that UTF-8, or the database's encoding, has no form for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unconvertible;

/// `MAX_CONVERSION_GROWTH` in `src/include/mb/pg_wchar.h`.
const MAX_GROWTH: usize = 4;

/// Input bytes converted in one go, so that the buffer stays small for a text of any size.
const CHUNK: usize = 64 * 1024;

/// How many times longer than in the database's encoding a text can be in UTF-8.
pub fn utf8_growth() -> usize {
    if is_utf8() { 1 } else { MAX_GROWTH }
}

/// Whether texts of the database are UTF-8, or claim no encoding (SQL_ASCII) and must prove it.
pub fn is_utf8() -> bool {
    matches!(database_encoding(), UTF8 | SQL_ASCII)
}

const UTF8: i32 = pg_sys::pg_enc::PG_UTF8 as i32;
const SQL_ASCII: i32 = pg_sys::pg_enc::PG_SQL_ASCII as i32;

/// A backend never changes its database, so it is asked once; the postmaster, whose memory all
/// backends start with, has none.
fn database_encoding() -> i32 {
    static ENCODING: OnceLock<i32> = OnceLock::new();
    *ENCODING.get_or_init(|| {
        // SAFETY: reads variables of the backend.
        let (database, encoding) = unsafe { (pg_sys::MyDatabaseId, pg_sys::GetDatabaseEncoding()) };
        assert!(
            database != pg_sys::InvalidOid,
            "text is converted in a backend"
        );
        encoding
    })
}

/// The name of the database's encoding, for messages.
pub fn database_encoding_name() -> String {
    // SAFETY: a static C string.
    let name = unsafe { CStr::from_ptr(pg_sys::GetDatabaseEncodingName()) };
    name.to_string_lossy().into_owned()
}

/// Text of the database as UTF-8.
#[inline]
pub fn to_utf8(text: &[u8]) -> Result<Cow<'_, str>, Unconvertible> {
    match database_encoding() {
        // SQL_ASCII claims no encoding, so that anything may be in there. And Postgres verifies what comes into a UTF8
        // database by a query, but not what comes as a setting: `SELECT current_setting('app.x')` is a text of any
        // bytes that the client put into its startup packet.
        UTF8 | SQL_ASCII => simdutf8::basic::from_utf8(text)
            .map(Cow::Borrowed)
            .map_err(|_| Unconvertible),
        other => {
            let converted = convert(text, other, UTF8)?;
            // Takes the bytes as they are; nothing is copied.
            String::from_utf8(converted)
                .map(Cow::Owned)
                .map_err(|_| Unconvertible)
        }
    }
}

/// Text of the database for a message to people.
pub fn display(text: &CStr) -> String {
    display_bytes(text.to_bytes())
}

/// [`display`], of text without a NUL behind it.
pub fn display_bytes(text: &[u8]) -> String {
    match to_utf8(text) {
        Ok(text) => text.into_owned(),
        Err(_) => String::from_utf8_lossy(text).into_owned(),
    }
}

/// UTF-8 as text of the database.
pub fn from_utf8(text: Vec<u8>) -> Result<Vec<u8>, Unconvertible> {
    if is_utf8() {
        return Ok(text);
    }
    convert(&text, UTF8, database_encoding())
}

/// UTF-8 of somebody else's as text of the database: a question mark stands for what its encoding has no form for.
pub fn from_utf8_lossy(text: String) -> Vec<u8> {
    if is_utf8() || text.is_ascii() {
        return text.into_bytes();
    }
    let encoding = database_encoding();
    if let Ok(converted) = convert(text.as_bytes(), UTF8, encoding) {
        return converted;
    }
    let mut lossy = Vec::new();
    alloc::reserve(&mut lossy, text.len() * MAX_GROWTH);
    for char in text.chars() {
        match convert(char.encode_utf8(&mut [0; 4]).as_bytes(), UTF8, encoding) {
            Ok(converted) => lossy.extend_from_slice(&converted),
            Err(Unconvertible) => lossy.push(b'?'),
        }
    }
    lossy
}

unsafe extern "C-unwind" {
    // src/include/catalog/pg_conversion.h, which pgrx doesn't bind.
    fn FindDefaultConversion(schema: pg_sys::Oid, from: i32, to: i32) -> pg_sys::Oid;
}

fn convert(text: &[u8], from: i32, to: i32) -> Result<Vec<u8>, Unconvertible> {
    // Every encoding that a database can have agrees with UTF-8 in ASCII.
    if text.is_ascii() {
        return Ok(alloc::copy(text));
    }
    // Postgres's own conversion, not the default one of the search_path, which a user can create.
    // SAFETY: a look-up in the catalog, guarded; the closure owns nothing.
    let procedure = unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| FindDefaultConversion(PG_CATALOG, from, to))
    };
    if procedure == pg_sys::InvalidOid {
        return Err(Unconvertible);
    }
    let mut converted = Vec::new();
    let mut buffer = vec![0u8; text.len().min(CHUNK) * MAX_GROWTH + 1];
    let mut rest = text;
    while !rest.is_empty() {
        let chunk = &rest[..rest.len().min(CHUNK)];
        // SAFETY: the input is only read; the output has the room for the chunk at its largest
        // growth and the NUL behind it. noError: stops at the first bad or incomplete character
        // and says how far it came.
        let consumed = unsafe {
            pg_sys::pg_do_encoding_conversion_buf(
                procedure,
                from,
                to,
                chunk.as_ptr().cast_mut(),
                chunk.len() as i32,
                buffer.as_mut_ptr(),
                buffer.len() as i32,
                true,
            )
        };
        if consumed <= 0 {
            return Err(Unconvertible);
        }
        interrupt::check();
        let output = CStr::from_bytes_until_nul(&buffer).map_err(|_| Unconvertible)?;
        if converted.capacity() - converted.len() < output.count_bytes() {
            // Twice as much, as a Vec grows by itself.
            let more = text.len().max(converted.len()).max(output.count_bytes());
            alloc::reserve(&mut converted, more);
        }
        converted.extend_from_slice(output.to_bytes());
        rest = &rest[consumed as usize..];
    }
    Ok(converted)
}

/// `PG_CATALOG_NAMESPACE` in `src/include/catalog/pg_namespace.dat`.
const PG_CATALOG: pg_sys::Oid = pg_sys::Oid::from_u32(pg_sys::PG_CATALOG_NAMESPACE);

/// The longest start of `text` that has at most `limit` bytes and cuts no character, as
/// `truncate_identifier` in `src/backend/parser/scansup.c` cuts the name in `LISTEN`.
pub fn clip(text: &[u8], limit: usize) -> &[u8] {
    if text.len() <= limit {
        return text;
    }
    // SAFETY: reads `len` bytes.
    let length =
        unsafe { pg_sys::pg_mbcliplen(text.as_ptr().cast(), text.len() as i32, limit as i32) };
    &text[..length as usize]
}

/// Postgres takes a message for text of the database, whose encoding may not be UTF-8: what isn't
/// ASCII is then shown as JSON escapes it.
pub fn in_any_encoding(message: String) -> String {
    if is_utf8() || message.is_ascii() {
        return message;
    }
    let mut escaped = String::with_capacity(message.len());
    for char in message.chars() {
        if char.is_ascii() {
            escaped.push(char);
        } else {
            escaped.push_str(&format!("\\u{:04x}", u32::from(char)));
        }
    }
    escaped
}

/// Characters of a value that an error repeats.
const SHOWN: usize = 60;

/// The start of a value from a call, fit for one line of a message.
pub fn shorten(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}
