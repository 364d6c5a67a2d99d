//! SQL, run with the caller's privileges.
//!
//! pgrx's own client disconnects from SPI when it is dropped, also while an ERROR unwinds, when Postgres may be in any
//! state. Here nothing is dropped: after an ERROR, Postgres disconnects by itself (`AtEOSubXact_SPI` in
//! `src/backend/executor/spi.c`).

use crate::pg::call::foreign_code;
use crate::pg::detoast::payload;
use pgrx::pg_sys;
use std::ffi::{CStr, c_int};

/// Runs a statement that returns nothing. An ERROR if it fails.
pub fn execute(sql: &CStr) {
    // SAFETY: connected and disconnected in pairs; what is in between raises an ERROR or succeeds.
    foreign_code::call(|| unsafe {
        check(pg_sys::SPI_connect());
        check(pg_sys::SPI_execute(sql.as_ptr(), false, 0));
        check(pg_sys::SPI_finish());
    });
}

/// Runs a query of one `text` over one argument, and hands the text to `with`, in the database's encoding; `None` is a
/// NULL, or no row.
///
/// # Safety
/// `argument` is of the type `of`.
pub unsafe fn query_text<R>(
    sql: &CStr,
    argument: pg_sys::Datum,
    of: pg_sys::Oid,
    with: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    // SAFETY: one argument of that type, which isn't null. The result lies in memory of SPI's until it is disconnected.
    unsafe {
        let found = foreign_code::call(|| {
            check(pg_sys::SPI_connect());
            check(pg_sys::SPI_execute_with_args(
                sql.as_ptr(),
                1,
                &mut { of },
                &mut { argument },
                std::ptr::null(),
                false,
                1,
            ));
            let rows = pg_sys::SPI_tuptable;
            if rows.is_null() || pg_sys::SPI_processed == 0 {
                return None;
            }
            let mut is_null = false;
            let value = pg_sys::SPI_getbinval(*(*rows).vals, (*rows).tupdesc, 1, &mut is_null);
            (!is_null).then_some(value)
        });
        let result = found.map(|value| with(payload(value)));
        check(pg_sys::SPI_finish());
        result
    }
}

/// SPI reports misuse by a number, all else by an ERROR.
fn check(code: c_int) {
    assert!(code >= 0, "SPI returned {code}");
}
