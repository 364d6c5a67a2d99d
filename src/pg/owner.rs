//! Working as a table's owner, out of the caller's reach.

use pgrx::pg_sys;

/// Runs `work` with the rights of `owner` and only Postgres's own schema on the search path, in a
/// security-restricted operation: what `REFRESH MATERIALIZED VIEW` and `VACUUM` do before they run
/// a table owner's code (`RefreshMatViewByOid` in `src/backend/commands/matview.c`).
///
/// So the caller needs no right on the table, nothing on its search path is run with the owner's
/// rights, and the table's triggers can't get at the caller's.
pub fn run_as<R>(owner: pg_sys::Oid, work: impl FnOnce() -> R) -> R {
    let restore = Restore::enter(owner);
    let result = work();
    restore.leave();
    result
}

/// What was before. It is put back by [`Restore::leave`] only: after an ERROR, Postgres itself
/// resets the user and the settings when it aborts the (sub)transaction.
struct Restore {
    user: pg_sys::Oid,
    security_context: i32,
    settings_level: i32,
}

impl Restore {
    fn enter(owner: pg_sys::Oid) -> Self {
        let mut restore = Self {
            user: pg_sys::InvalidOid,
            security_context: 0,
            settings_level: 0,
        };
        // SAFETY: out-parameters on this stack; strings are static.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut restore.user, &mut restore.security_context);
            restore.settings_level = pg_sys::NewGUCNestLevel();
            pg_sys::SetUserIdAndSecContext(
                owner,
                restore.security_context
                    | pg_sys::SECURITY_RESTRICTED_OPERATION as i32
                    | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
            // RestrictSearchPath() of Postgres 17, for all versions.
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
        }
        restore
    }

    fn leave(self) {
        // SAFETY: the values that `enter` saved, in the reverse order.
        unsafe {
            pg_sys::AtEOXact_GUC(false, self.settings_level);
            pg_sys::SetUserIdAndSecContext(self.user, self.security_context);
        }
    }
}
