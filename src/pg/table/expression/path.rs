//! A search path on which nobody but Postgres has put anything.

use pgrx::pg_sys;

/// Runs `work` with names looked up in `pg_catalog` only, whatever the caller's search path.
pub(super) fn with_pinned<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: C strings; the setting is put back at the end of its level, or by Postgres after an ERROR.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            c"search_path".as_ptr(),
            c"pg_catalog, pg_temp".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        let result = work();
        pg_sys::AtEOXact_GUC(true, level);
        result
    }
}
