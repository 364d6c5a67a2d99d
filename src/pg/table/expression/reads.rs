//! Whether an expression looks at more than its row.

use crate::pg::call::foreign_code;
use crate::pg::memory::Memory;
use crate::pg::table::expression::nodes;
use crate::pg::table::expression::tree::Expression;
use pgrx::pg_sys;
use std::ffi::c_void;
use std::ptr;

impl Expression {
    /// Whether its value may depend on what tables hold: it calls a function of users that isn't IMMUTABLE, even after Postgres has
    /// put the bodies of simple SQL functions in place of their calls. Postgres's own functions read no tables of users, but for
    /// those that run a query that they are given.
    pub fn may_read_tables(&self) -> bool {
        let mut result = false;
        Memory::of_call(c"socketio_emitter expression").run(|| {
            // Functions of constants are called.
            result = foreign_code::call(|| {
                // SAFETY: planning changes the tree, so it gets a copy; all of it is of the current memory context.
                unsafe {
                    let node = pg_sys::copyObjectImpl(self.node.cast());
                    let planned = pg_sys::expression_planner(node.cast());
                    nodes::of(planned.cast()).into_iter().any(|node| {
                        let of_node = Some(function_may_read as FunctionCheck);
                        pg_sys::check_functions_in_node(node, of_node, ptr::null_mut())
                    })
                }
            });
        });
        result
    }
}

type FunctionCheck = unsafe extern "C-unwind" fn(pg_sys::Oid, *mut c_void) -> bool;

/// Called by Postgres for each function that a node calls.
///
/// # Safety
/// Only as unsafe as any look-up in the catalog.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn function_may_read(
    function: pg_sys::Oid,
    _context: *mut c_void,
) -> bool {
    // SAFETY: a look-up.
    function.to_u32() >= pg_sys::FirstNormalObjectId
        && unsafe { pg_sys::func_volatile(function) } as u8 != pg_sys::PROVOLATILE_IMMUTABLE
}
