//! A `bytea` or a `text` built in Rust's memory and handed to Postgres as it is.

use crate::pg::process::alloc;
use pgrx::{pg_sys, varlena};

/// Bytes to leave free in front of the payload.
pub const HEADER: usize = pg_sys::VARHDRSZ;

/// The longest payload, in bytes: `MaxAllocSize` (`src/include/utils/memutils.h`), less 1 kB for
/// the header of the value and of the row that holds it.
pub const PAYLOAD_LIMIT: usize = 0x3FFF_FFFF - 1024;

/// [`HEADER`] bytes, then the payload.
#[derive(Debug)]
pub struct Varlena(Vec<u8>);

impl Varlena {
    /// `bytes`: [`HEADER`] bytes of any value, then at most [`PAYLOAD_LIMIT`] of payload.
    pub fn with_header(mut bytes: Vec<u8>) -> Self {
        assert!(bytes.len() >= HEADER && bytes.len() - HEADER <= PAYLOAD_LIMIT);
        // SAFETY: the buffer starts with room for the header; an allocation of this size is
        // aligned for it (malloc aligns to 16 bytes).
        unsafe { varlena::set_varsize_4b(bytes.as_mut_ptr().cast(), bytes.len() as i32) };
        Self(bytes)
    }

    /// A copy of the payload, with a header.
    pub fn new(payload: &[u8]) -> Self {
        let mut bytes = Vec::new();
        alloc::reserve(&mut bytes, HEADER + payload.len());
        bytes.extend_from_slice(&[0; HEADER]);
        bytes.extend_from_slice(payload);
        Self::with_header(bytes)
    }

    /// Bytes of the payload.
    pub fn payload_bytes(&self) -> usize {
        self.0.len() - HEADER
    }

    /// The bytes behind the header.
    pub fn payload(&self) -> &[u8] {
        &self.0[HEADER..]
    }

    /// As Postgres takes it.
    pub(in crate::pg) fn datum(&self) -> pg_sys::Datum {
        pg_sys::Datum::from(self.0.as_ptr())
    }
}
