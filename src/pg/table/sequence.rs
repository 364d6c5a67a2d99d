//! Sequences, without SQL.

use pgrx::pg_sys;

unsafe extern "C-unwind" {
    // src/include/commands/sequence.h, which pgrx doesn't bind.
    fn nextval_internal(sequence: pg_sys::Oid, check_permissions: bool) -> i64;
}

/// The sequence's next value; checks no privilege. An ERROR if there is no such sequence.
pub fn next(sequence: pg_sys::Oid) -> i64 {
    // SAFETY: a look-up by OID; the guard turns an ERROR into a panic, and the closure owns nothing.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| nextval_internal(sequence, false)) }
}

/// Whether a role may take the sequence's next value.
pub fn may_use(sequence: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    let privileges = (pg_sys::ACL_USAGE | pg_sys::ACL_UPDATE) as pg_sys::AclMode;
    // SAFETY: a look-up; an ERROR if there is no such sequence.
    unsafe {
        pg_sys::pg_class_aclcheck(sequence, role, privileges) == pg_sys::AclResult::ACLCHECK_OK
    }
}
