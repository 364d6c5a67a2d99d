//! Functions of Postgres that go through trees of nodes, as in `src/include/nodes/nodeFuncs.h`. Without pgrx's guard, for they call
//! back as deep as the tree is: with one at each level, an ERROR would be raised anew at each. Call them from a function that is within
//! one guard and whose frames own nothing.

use pgrx::pg_sys::Node;
use std::ffi::c_void;

pub type Walker = unsafe extern "C-unwind" fn(*mut Node, *mut c_void) -> bool;
pub type Mutator = unsafe extern "C-unwind" fn(*mut Node, *mut c_void) -> *mut Node;

unsafe extern "C-unwind" {
    #[cfg_attr(not(feature = "pg15"), link_name = "expression_tree_walker_impl")]
    pub fn expression_tree_walker(node: *mut Node, walker: Walker, context: *mut c_void) -> bool;

    #[cfg_attr(not(feature = "pg15"), link_name = "expression_tree_mutator_impl")]
    pub fn expression_tree_mutator(
        node: *mut Node,
        mutator: Mutator,
        context: *mut c_void,
    ) -> *mut Node;

    #[cfg_attr(not(feature = "pg15"), link_name = "raw_expression_tree_walker_impl")]
    pub fn raw_expression_tree_walker(
        node: *mut Node,
        walker: Walker,
        context: *mut c_void,
    ) -> bool;

    /// All of the above call it for each node that they go through.
    pub fn check_stack_depth();
}
