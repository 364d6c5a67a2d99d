//! The nodes of an expression.

use crate::pg::table::expression::raw;
use pgrx::pg_sys;
use std::ffi::c_void;

/// How deep an expression is: 1 if nothing is below its first node. One that is too deep for the stack is an ERROR.
///
/// # Safety
/// An expression.
pub(super) unsafe fn depth(node: *mut pg_sys::Node) -> u32 {
    let mut depth = Depth { here: 0, most: 0 };
    // SAFETY: as the caller says. The numbers outlive the walk; the closure in the guard owns nothing.
    unsafe {
        let depth = &raw mut depth;
        pg_sys::ffi::pg_guard_ffi_boundary(|| measure(node, depth.cast()));
    }
    depth.most
}

struct Depth {
    here: u32,
    most: u32,
}

/// Called by Postgres for each node.
///
/// # Safety
/// As for [`collect`]; `depth`: a [`Depth`].
unsafe extern "C-unwind" fn measure(node: *mut pg_sys::Node, depth: *mut c_void) -> bool {
    // SAFETY: as the caller says. No reference is kept while others are made.
    unsafe {
        if node.is_null() {
            return false;
        }
        let counts = depth.cast::<Depth>();
        (*counts).here += 1;
        (*counts).most = (*counts).most.max((*counts).here);
        let is_done = raw::expression_tree_walker(node, measure, depth);
        (*counts).here -= 1;
        is_done
    }
}

/// All nodes of an expression, each before those below it. One that is too deep for the stack is an ERROR.
///
/// # Safety
/// An expression.
pub(super) unsafe fn of(node: *mut pg_sys::Node) -> Vec<*mut pg_sys::Node> {
    let mut nodes = Vec::new();
    // SAFETY: as the caller says. The list outlives the walk; the closure in the guard owns nothing.
    unsafe {
        let list = &raw mut nodes;
        pg_sys::ffi::pg_guard_ffi_boundary(|| collect(node, list.cast()));
    }
    nodes
}

/// Called by Postgres for each node.
///
/// # Safety
/// Null, or a node of an expression. `list`: a `Vec<*mut Node>`. An ERROR leaves this frame, which owns nothing.
unsafe extern "C-unwind" fn collect(node: *mut pg_sys::Node, list: *mut c_void) -> bool {
    // SAFETY: as the caller says.
    unsafe {
        if node.is_null() {
            return false;
        }
        (*list.cast::<Vec<*mut pg_sys::Node>>()).push(node);
        raw::expression_tree_walker(node, collect, list)
    }
}
