//! Whether a text can name what an expression calls.

use crate::pg::table::expression::nodes;
use pgrx::{PgList, pg_sys};
use std::{ptr, slice};

/// Whether each function and operator of users is called with exactly the types of its own parameters, all of them and in their
/// order. Then it is found by its qualified name even when others of that name are made in its schema: Postgres prefers an exact
/// match. A polymorphic function could lose its place to one that somebody else has made.
///
/// # Safety
/// An expression that isn't planned.
pub(super) unsafe fn is_exact(node: *mut pg_sys::Node) -> bool {
    // SAFETY: as the caller says.
    unsafe { nodes::of(node).into_iter().all(|node| is_exact_call(node)) }
}

/// The functions and operators that an expression calls, in the order in which it names them. Casts aren't among them: they are
/// found by their types, and Postgres may read them at another place than it has written them.
///
/// # Safety
/// An expression that isn't planned.
pub(super) unsafe fn called(node: *mut pg_sys::Node) -> Vec<pg_sys::Oid> {
    let mut called = Vec::new();
    // SAFETY: as the caller says.
    for node in unsafe { nodes::of(node) } {
        // SAFETY: a node tells its type.
        unsafe {
            match (*node).type_ {
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = &*node.cast::<pg_sys::FuncExpr>();
                    called.extend(is_call(call).then_some(call.funcid));
                }
                pg_sys::NodeTag::T_OpExpr
                | pg_sys::NodeTag::T_DistinctExpr
                | pg_sys::NodeTag::T_NullIfExpr => {
                    called.push((*node.cast::<pg_sys::OpExpr>()).opno);
                }
                pg_sys::NodeTag::T_ScalarArrayOpExpr => {
                    called.push((*node.cast::<pg_sys::ScalarArrayOpExpr>()).opno);
                }
                pg_sys::NodeTag::T_RowCompareExpr => {
                    let call = &*node.cast::<pg_sys::RowCompareExpr>();
                    called.extend(PgList::<pg_sys::Oid>::from_pg(call.opnos).iter_oid());
                }
                _ => {}
            }
        }
    }
    called
}

/// Whether it was written as a call, and not as a cast.
fn is_call(call: &pg_sys::FuncExpr) -> bool {
    call.funcformat == pg_sys::CoercionForm::COERCE_EXPLICIT_CALL
        || call.funcformat == pg_sys::CoercionForm::COERCE_SQL_SYNTAX
}

/// Whether a node, without those below it, is no call, or an exact one.
///
/// # Safety
/// A node of an expression.
unsafe fn is_exact_call(node: *mut pg_sys::Node) -> bool {
    // SAFETY: as the caller says; a node tells its type.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_FuncExpr => {
                let call = &*node.cast::<pg_sys::FuncExpr>();
                // Casts are found by their types.
                !is_call(call)
                    || !is_of_users(call.funcid)
                    || has_types(call.args, &types(call.funcid))
            }
            pg_sys::NodeTag::T_OpExpr
            | pg_sys::NodeTag::T_DistinctExpr
            | pg_sys::NodeTag::T_NullIfExpr => {
                let call = &*node.cast::<pg_sys::OpExpr>();
                !is_of_users(call.opno) || has_types(call.args, &operands(call.opno))
            }
            pg_sys::NodeTag::T_ScalarArrayOpExpr => {
                let call = &*node.cast::<pg_sys::ScalarArrayOpExpr>();
                !is_of_users(call.opno) || {
                    let mut types = operands(call.opno);
                    if let Some(last) = types.last_mut() {
                        *last = pg_sys::get_array_type(*last);
                    }
                    has_types(call.args, &types)
                }
            }
            // The same name stands for an operator for each pair of columns.
            pg_sys::NodeTag::T_RowCompareExpr => {
                let call = &*node.cast::<pg_sys::RowCompareExpr>();
                !PgList::<pg_sys::Oid>::from_pg(call.opnos)
                    .iter_oid()
                    .any(is_of_users)
            }
            _ => true,
        }
    }
}

pub(super) fn is_of_users(oid: pg_sys::Oid) -> bool {
    oid.to_u32() >= pg_sys::FirstNormalObjectId
}

/// Whether the arguments are as many, of these types, and none is named.
///
/// # Safety
/// A list of expressions.
unsafe fn has_types(arguments: *mut pg_sys::List, types: &[pg_sys::Oid]) -> bool {
    // SAFETY: as the caller says.
    unsafe {
        let arguments = PgList::<pg_sys::Node>::from_pg(arguments);
        let is_of = |(argument, of): (*mut pg_sys::Node, &pg_sys::Oid)| {
            (*argument).type_ != pg_sys::NodeTag::T_NamedArgExpr
                && pg_sys::exprType(argument) == *of
        };
        arguments.len() == types.len() && arguments.iter_ptr().zip(types).all(is_of)
    }
}

/// Those of a function's parameters.
fn types(function: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: a look-up with out-parameters; the types are palloc'd, as many as it says.
    unsafe {
        let (mut types, mut count) = (ptr::null_mut(), 0);
        pg_sys::get_func_signature(function, &mut types, &mut count);
        match count {
            0 => Vec::new(),
            _ => slice::from_raw_parts(types, count as usize).to_vec(),
        }
    }
}

/// Those of an operator's operands.
fn operands(operator: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let (mut left, mut right) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: a look-up with out-parameters.
    unsafe { pg_sys::op_input_types(operator, &mut left, &mut right) };
    let is_there = |of: &pg_sys::Oid| *of != pg_sys::InvalidOid;
    [left, right].into_iter().filter(is_there).collect()
}
