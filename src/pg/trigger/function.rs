//! The SQL function of a trigger: what it is called with, and what it returns.

use crate::pg::process::ballast;
use crate::pg::table::expression::Keeper;
use crate::pg::trigger::firing::Firing;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::trigger_support::called_as_trigger;
use pgrx::{impl_sql_translatable, pg_sys};

/// How the trigger function was called: by a trigger, or directly, as any role that may execute it can.
pub struct Called<'a>(pub Option<Firing<'a>>);

// SAFETY: no argument of the SQL function, which has none; as pgrx's own FunctionCallInfo.
unsafe impl SqlTranslatable for Called<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Called<'_>);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}

// SAFETY: taken from the call itself, whatever its arguments.
unsafe impl<'fcx> ArgAbi<'fcx> for Called<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        ballast::keep();
        // SAFETY: Postgres's call, which outlives 'fcx. Its context is a TriggerData, complete, if it
        // says so (CALLED_AS_TRIGGER in src/include/commands/trigger.h).
        unsafe {
            let call = pg_sys::FunctionCallInfo::unbox_arg_unchecked(arg);
            if !called_as_trigger(call) {
                return Self(None);
            }
            let data = &*(*call).context.cast::<pg_sys::TriggerData>();
            // Of a trigger, Postgres makes one for each statement (`ri_TrigFunctions` in src/include/nodes/execnodes.h).
            Self(Some(Firing::new(data, Keeper::new((*call).flinfo))))
        }
    }

    fn is_virtual_arg() -> bool {
        true
    }
}

/// What an AFTER trigger returns: Postgres takes no notice of it, but it must not be NULL.
pub struct Done;

impl_sql_translatable!(Done, "trigger");

// SAFETY: a null pointer that isn't marked as NULL is what the trigger protocol asks for.
unsafe impl BoxRet for Done {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(0)) }
    }
}
