//! Asking expressions for their values.

use crate::pg::call::foreign_code;
use crate::pg::table::expression::tree::Expression;
use crate::pg::table::row::Row;
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use std::marker::PhantomData;
use std::ptr;

/// Where a function call keeps what is to outlive it, and goes with the statement that calls: `fn_extra` of its `FmgrInfo`.
#[derive(Debug, Clone, Copy)]
pub struct Keeper<'a> {
    info: *mut pg_sys::FmgrInfo,
    _call: PhantomData<&'a pg_sys::FmgrInfo>,
}

impl Keeper<'_> {
    /// # Safety
    /// That of a call which is under way for `'a`. Nothing else uses its `fn_extra`.
    pub(in crate::pg) unsafe fn new(info: *mut pg_sys::FmgrInfo) -> Self {
        Self {
            info,
            _call: PhantomData,
        }
    }
}

// SAFETY: no argument of the SQL function; as pgrx's own FunctionCallInfo.
unsafe impl SqlTranslatable for Keeper<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Keeper<'_>);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}

// SAFETY: taken from the call itself, whatever its arguments.
unsafe impl<'fcx> ArgAbi<'fcx> for Keeper<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: Postgres's call, which outlives 'fcx. A function that has this argument keeps nothing else there.
        unsafe { Self::new((*pg_sys::FunctionCallInfo::unbox_arg_unchecked(arg)).flinfo) }
    }

    fn is_virtual_arg() -> bool {
        true
    }
}

/// Expressions, compiled for a statement and for the role that runs it.
#[derive(Debug)]
pub struct Evaluator<'a> {
    expressions: &'a [Expression],
    /// Null if there are none.
    state: *mut State,
    _call: PhantomData<&'a pg_sys::FmgrInfo>,
}

/// In memory of the statement's.
#[repr(C)]
struct State {
    /// Tells which expressions these are.
    of: u64,
    role: pg_sys::Oid,
    /// What all of this lies in.
    memory: pg_sys::MemoryContext,
    context: *mut pg_sys::ExprContext,
    /// As many as expressions.
    compiled: *mut Compiled,
}

/// An expression that is ready; null until it is asked for.
#[repr(C)]
struct Compiled {
    state: *mut pg_sys::ExprState,
    /// Whether it can depend on what is stored.
    needs_snapshot: bool,
}

impl<'a> Evaluator<'a> {
    /// Takes up what an earlier call of the statement has left, or begins anew.
    ///
    /// `id`: differs between any two lists of expressions of a session.
    pub fn new(expressions: &'a [Expression], id: u64, keeper: Keeper<'a>) -> Self {
        let mut state = ptr::null_mut();
        if !expressions.is_empty() {
            // SAFETY: the call's, whose `fn_extra` is null or what was left there by us, in memory that lives as long. Who
            // changed the role, or the plan, has ended by now: no expression of it is being evaluated.
            unsafe {
                let info = &mut *keeper.info;
                state = info.fn_extra.cast::<State>();
                if !state.is_null() && ((*state).of != id || (*state).role != pg_sys::GetUserId()) {
                    info.fn_extra = ptr::null_mut();
                    pg_sys::MemoryContextDelete((*state).memory);
                    state = ptr::null_mut();
                }
                if state.is_null() {
                    state = State::new(expressions.len(), id, info.fn_mcxt);
                    info.fn_extra = state.cast();
                }
            }
        }
        Self {
            expressions,
            state,
            _call: PhantomData,
        }
    }

    /// One for expressions that are asked for within a call, in memory that goes with it.
    pub fn of_call(expressions: &'a [Expression]) -> Self {
        let state = match expressions {
            [] => ptr::null_mut(),
            // SAFETY: the current memory context is the call's.
            _ => unsafe { State::new(expressions.len(), 0, pg_sys::CurrentMemoryContext) },
        };
        Self {
            expressions,
            state,
            _call: PhantomData,
        }
    }

    /// How many expressions there are.
    pub fn len(&self) -> usize {
        self.expressions.len()
    }

    /// Frees what evaluating has left, but for values: those are of the memory context that was current.
    pub fn begin_row(&self) {
        if self.state.is_null() {
            return;
        }
        // SAFETY: as `ResetExprContext`; asked here first, it costs no guarded call.
        unsafe {
            let memory = (*(*self.state).context).ecxt_per_tuple_memory;
            if !(*memory).isReset || !(*memory).firstchild.is_null() {
                pg_sys::MemoryContextReset(memory);
            }
        }
    }

    /// The value for a row, in the current memory context or where the row lies; `None` is a NULL. Code of users may run,
    /// with the privileges of the current role; its ERROR is as it was raised.
    pub(in crate::pg) fn evaluate(&self, index: usize, row: Row<'_>) -> Option<pg_sys::Datum> {
        let mut is_null = false;
        // SAFETY: the row's slot has the columns that the expression is about. A snapshot is popped in the same call, or by
        // Postgres after an ERROR. The closure in the guard owns nothing.
        let value = foreign_code::call(|| unsafe {
            let Compiled {
                state,
                needs_snapshot,
            } = *self.compiled(index);
            // As `exec_eval_simple_expr` in src/pl/plpgsql/src/pl_exec.c: what the statement has done so far is seen.
            if needs_snapshot {
                pg_sys::CommandCounterIncrement();
                pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            }
            let context = (*self.state).context;
            (*context).ecxt_scantuple = row.slot();
            let evaluate = (*state).evalfunc.expect("it is ready");
            let value =
                pg_sys::ffi::pg_guard_ffi_boundary(|| evaluate(state, context, &mut is_null));
            if needs_snapshot {
                pg_sys::PopActiveSnapshot();
            }
            value
        });
        (!is_null).then_some(value)
    }

    /// # Safety
    /// None is needed.
    unsafe fn compiled(&self, index: usize) -> &Compiled {
        // SAFETY: there are as many as expressions. As `ExecPrepareExpr`, in memory of the statement's: planning changes the
        // tree, and checks privileges of the role.
        unsafe {
            let compiled = &mut *(*self.state).compiled.add(index);
            if compiled.state.is_null() {
                let before = pg_sys::MemoryContextSwitchTo((*self.state).memory);
                let node = pg_sys::copyObjectImpl(self.expressions[index].node.cast());
                let planned = pg_sys::expression_planner(node.cast());
                compiled.needs_snapshot = pg_sys::contain_mutable_functions(planned.cast());
                compiled.state = pg_sys::ExecInitExpr(planned, ptr::null_mut());
                pg_sys::MemoryContextSwitchTo(before);
            }
            compiled
        }
    }
}

impl State {
    /// # Safety
    /// `parent` lives as long as the state is used.
    unsafe fn new(count: usize, of: u64, parent: pg_sys::MemoryContext) -> *mut Self {
        // SAFETY: as the caller says; all of it is in a context below that one.
        unsafe {
            let memory = pg_sys::AllocSetContextCreateInternal(
                parent,
                c"socketio_emitter expressions".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as pg_sys::Size,
                pg_sys::ALLOCSET_SMALL_INITSIZE as pg_sys::Size,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as pg_sys::Size,
            );
            let before = pg_sys::MemoryContextSwitchTo(memory);
            let state = pg_sys::palloc0(size_of::<Self>()).cast::<Self>();
            *state = Self {
                of,
                role: pg_sys::GetUserId(),
                memory,
                context: pg_sys::CreateStandaloneExprContext(),
                compiled: pg_sys::palloc0(count * size_of::<Compiled>()).cast(),
            };
            pg_sys::MemoryContextSwitchTo(before);
            state
        }
    }
}
