//! Settings for a while.

use pgrx::pg_sys;
use std::ffi::CStr;

/// Runs `work` with these settings, each a name and a value that every role may set, whatever those of the session. After an ERROR, Postgres puts
/// them back when it aborts the (sub)transaction.
pub fn with_settings<'a, R>(
    settings: impl IntoIterator<Item = (&'a CStr, &'a CStr)>,
    work: impl FnOnce() -> R,
) -> R {
    // SAFETY: C strings; the settings are put back at the end of their level, or by Postgres after an ERROR.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        for (name, value) in settings {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
        let result = work();
        pg_sys::AtEOXact_GUC(true, level);
        result
    }
}
