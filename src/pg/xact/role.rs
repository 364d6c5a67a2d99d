//! Working as another role.

use pgrx::pg_sys;

/// Runs `work` as that role, and restricted as Postgres restricts what an index computes: nothing of the session can be changed for
/// longer.
///
/// It belongs into a subtransaction (`failure`), which makes the session's role the current one again after an ERROR.
pub fn as_role<R>(role: pg_sys::Oid, work: impl FnOnce() -> R) -> R {
    let (mut before, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: variables of the process, put back here, or where the subtransaction is aborted (`AbortSubTransaction` in
    // src/backend/access/transam/xact.c).
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut before, &mut context);
        let restricted = context
            | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32
            | pg_sys::SECURITY_RESTRICTED_OPERATION as i32;
        pg_sys::SetUserIdAndSecContext(role, restricted);
        let result = work();
        pg_sys::SetUserIdAndSecContext(before, context);
        result
    }
}
