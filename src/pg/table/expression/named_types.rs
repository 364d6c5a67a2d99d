//! The types that an expression's text names, and that Postgres's own record of its dependencies lacks.

use crate::pg::table::expression::exact::is_of_users;
use crate::pg::table::expression::nodes;
use pgrx::pg_sys;

/// The types of users that the expression's text names, and that `find_expr_references_walker` in src/backend/catalog/dependency.c passes
/// over: of a cast by a function, of an array that is empty, of JSON's RETURNING.
///
/// # Safety
/// An expression that isn't planned.
pub(super) unsafe fn types_of_users(node: *mut pg_sys::Node) -> Vec<pg_sys::Oid> {
    // SAFETY: as the caller says; a node tells its type.
    let types = unsafe { nodes::of(node) }
        .into_iter()
        .filter_map(|node| unsafe {
            Some(match (*node).type_ {
                pg_sys::NodeTag::T_FuncExpr => (*node.cast::<pg_sys::FuncExpr>()).funcresulttype,
                pg_sys::NodeTag::T_ArrayExpr => (*node.cast::<pg_sys::ArrayExpr>()).array_typeid,
                #[cfg(not(feature = "pg15"))]
                pg_sys::NodeTag::T_JsonConstructorExpr => {
                    returned(&*(*node.cast::<pg_sys::JsonConstructorExpr>()).returning)
                }
                #[cfg(not(any(feature = "pg15", feature = "pg16")))]
                pg_sys::NodeTag::T_JsonExpr => {
                    returned(&*(*node.cast::<pg_sys::JsonExpr>()).returning)
                }
                _ => return None,
            })
        });
    let mut types: Vec<pg_sys::Oid> = types.filter(|of| is_of_users(*of)).collect();
    types.sort_unstable_by_key(|of| of.to_u32());
    types.dedup();
    types
}

#[cfg(not(feature = "pg15"))]
fn returned(returning: &pg_sys::JsonReturning) -> pg_sys::Oid {
    returning.typid
}
