//! Settings under which a text of SQL means the same for everybody.

use crate::pg::process::settings::with_settings;
use std::ffi::CStr;

/// What decides how a text is read, and how Postgres writes one. Nobody but Postgres has put anything on that search path.
/// Values are as pg_dump sets them, for the same reason (`setup_connection` in `src/bin/pg_dump/pg_dump.c`).
const SETTINGS: [(&CStr, &CStr); 8] = [
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"standard_conforming_strings", c"on"),
    (c"datestyle", c"ISO"),
    (c"intervalstyle", c"postgres"),
    (c"extra_float_digits", c"3"),
    (c"array_nulls", c"on"),
    (c"xmloption", c"content"),
    // Of constants of type money.
    (c"lc_monetary", c"C"),
];

/// Runs `work` with these settings, whatever those of the session.
pub(super) fn with_pinned<R>(work: impl FnOnce() -> R) -> R {
    with_settings(SETTINGS, work)
}
