//! Databases.

use crate::pg::encoding;
use pgrx::pg_sys;
use std::ffi::CStr;

/// This session's.
pub fn current() -> pg_sys::Oid {
    // SAFETY: a variable of the process.
    unsafe { pg_sys::MyDatabaseId }
}

/// The databases that accept connections, within a transaction.
pub fn connectable() -> Vec<pg_sys::Oid> {
    let mut found = Vec::new();
    // SAFETY: a scan of a catalog, in the order of its rows, whose fixed part the struct describes; closed on the
    // way out, and by Postgres after an ERROR.
    unsafe {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, lock);
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::InvalidOid,
            false,
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        );
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            let row = &*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_database>();
            if row.datallowconn && row.datconnlimit != INVALID {
                found.push(row.oid);
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
    }
    found
}

/// Left behind by a DROP DATABASE that was interrupted: `DATCONNLIMIT_INVALID_DB` in
/// `src/include/catalog/pg_database.h`.
const INVALID: i32 = -2;

/// The name of this session's database, within a transaction.
pub fn name() -> String {
    // SAFETY: a palloc'd C string, as long as the database exists.
    let name = unsafe { pg_sys::get_database_name(current()) };
    assert!(!name.is_null(), "nobody drops a database that is in use");
    // SAFETY: as above.
    encoding::display(unsafe { CStr::from_ptr(name) })
}

/// The OID of the database of that name, if there is one.
pub fn by_name(name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: a C string; missing_ok.
    let oid = unsafe { pg_sys::get_database_oid(name.as_ptr(), true) };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// Whether the current role owns the database, or is a member of the role that does.
pub fn is_owned(database: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; the database exists.
    unsafe {
        let user = pg_sys::GetUserId();
        #[cfg(feature = "pg15")]
        let owned = pg_sys::pg_database_ownercheck(database, user);
        #[cfg(not(feature = "pg15"))]
        let owned = pg_sys::object_ownercheck(pg_sys::DatabaseRelationId, database, user);
        owned
    }
}

/// Whether the current role may make copies of the database (`createdb` in
/// `src/backend/commands/dbcommands.c`).
pub fn may_be_copied(database: pg_sys::Oid) -> bool {
    may_create() && (is_template(database) || is_owned(database))
}

fn may_create() -> bool {
    // SAFETY: look-ups; the cached tuple is read between search and release.
    unsafe {
        let user = pg_sys::GetUserId();
        if pg_sys::superuser_arg(user) {
            return true;
        }
        let cache = pg_sys::SysCacheIdentifier::AUTHOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(user));
        if tuple.is_null() {
            return false;
        }
        let role = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_authid>();
        let may = role.rolcreatedb;
        pg_sys::ReleaseSysCache(tuple);
        may
    }
}

fn is_template(database: pg_sys::Oid) -> bool {
    // SAFETY: the cached tuple is read between search and release.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::DATABASEOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(database));
        if tuple.is_null() {
            return false;
        }
        let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
        let is_template = row.datistemplate;
        pg_sys::ReleaseSysCache(tuple);
        is_template
    }
}

/// Whether a process is a session, or a background worker, of any database still.
pub fn has_process(pid: i32) -> bool {
    // SAFETY: a look-up in shared memory.
    unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

/// Whether the server is a standby, or still recovers.
pub fn in_recovery() -> bool {
    // SAFETY: asks shared memory.
    unsafe { pg_sys::RecoveryInProgress() }
}
