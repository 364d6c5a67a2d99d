//! Functions of types, called without SQL.

use crate::pg::call::foreign_code;
use crate::pg::memory::Memory;
use pgrx::pg_sys;
use std::ptr;

/// A function of one argument, looked up.
#[derive(Debug)]
pub(super) struct Function(Box<pg_sys::FmgrInfo>);

impl Function {
    /// `memory` must live as long as the call is used: functions keep there what they look up.
    pub(super) fn new(function: pg_sys::Oid, memory: &Memory) -> Self {
        let mut info = Box::new(pg_sys::FmgrInfo::default());
        // SAFETY: fills the box, which doesn't move.
        unsafe { pg_sys::fmgr_info_cxt(function, &mut *info, memory.context()) };
        Self(info)
    }

    /// `to_jsonb`, which takes anything and asks the expression that it is called in for the type.
    pub(super) fn to_jsonb(of: pg_sys::Oid, memory: &Memory) -> Self {
        let mut call = Self::new(pg_sys::Oid::from_u32(pg_sys::F_TO_JSONB), memory);
        // SAFETY: nodes of the memory that the call lives in.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(memory.context());
            let argument = pg_sys::makeNullConst(of, -1, pg_sys::InvalidOid);
            call.0.fn_expr = pg_sys::makeFuncExpr(
                pg_sys::Oid::from_u32(pg_sys::F_TO_JSONB),
                pg_sys::JSONBOID,
                pg_sys::lappend(ptr::null_mut(), argument.cast()),
                pg_sys::InvalidOid,
                pg_sys::InvalidOid,
                pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
            )
            .cast();
            pg_sys::MemoryContextSwitchTo(before);
        }
        call
    }

    /// # Safety
    /// `value` is of the type that the function takes, and the function returns no NULL.
    pub(super) unsafe fn call(&self, value: pg_sys::Datum) -> pg_sys::Datum {
        let info = ptr::from_ref(&*self.0).cast_mut();
        // SAFETY: functions write to nothing of it but fn_extra, and the backend has one thread; those
        // that are called so are built in, see `is_built_in` in `text.rs`. A type's functions have no collation to
        // ask for but the default one.
        // `to_jsonb` may call a cast of users.
        foreign_code::call(|| unsafe {
            pg_sys::FunctionCall1Coll(info, pg_sys::DEFAULT_COLLATION_OID, value)
        })
    }
}
