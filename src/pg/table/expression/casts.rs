//! The casts by which an expression converts values.

use crate::pg::table::expression::nodes;
use pgrx::{PgList, pg_sys};

/// The rows of `pg_cast` that users have made and that the expression was read by. Postgres's own record of what an expression depends
/// on has the function of such a cast, if there is one, and not the cast.
///
/// # Safety
/// An expression that isn't planned.
pub(super) unsafe fn of_users(node: *mut pg_sys::Node) -> Vec<pg_sys::Oid> {
    let mut casts = Vec::new();
    // SAFETY: as the caller says.
    for node in unsafe { nodes::of(node) } {
        // SAFETY: as the caller says; look-ups.
        let cast = unsafe {
            conversion(node).and_then(|(from, to)| {
                // As `find_coercion_pathway` in src/backend/parser/parse_coerce.c, for which domains are what is below them.
                let (from, to) = (pg_sys::getBaseType(from), pg_sys::getBaseType(to));
                // A cast to the type itself is a function that applies the modifier.
                let is_one = from != to || (*node).type_ == pg_sys::NodeTag::T_FuncExpr;
                is_one.then(|| pg_sys::get_cast_oid(from, to, true))
            })
        };
        // None of them, if it is converted by the types' text, or by Postgres's own.
        casts.extend(cast.filter(|cast| cast.to_u32() >= pg_sys::FirstNormalObjectId));
    }
    casts.sort_unstable_by_key(|cast| cast.to_u32());
    casts.dedup();
    casts
}

/// The types from which and to which a node converts. Of an array those of its elements are converted by another node, below it.
///
/// # Safety
/// A node of an expression.
unsafe fn conversion(node: *mut pg_sys::Node) -> Option<(pg_sys::Oid, pg_sys::Oid)> {
    use pg_sys::CoercionForm as Form;
    // SAFETY: as the caller says; a node tells its type.
    unsafe {
        let (from, to) = match (*node).type_ {
            pg_sys::NodeTag::T_FuncExpr => {
                let call = &*node.cast::<pg_sys::FuncExpr>();
                let is_cast = call.funcformat == Form::COERCE_EXPLICIT_CAST
                    || call.funcformat == Form::COERCE_IMPLICIT_CAST;
                let converted = PgList::<pg_sys::Node>::from_pg(call.args).head();
                (converted.filter(|_| is_cast)?, call.funcresulttype)
            }
            pg_sys::NodeTag::T_RelabelType => {
                let label = &*node.cast::<pg_sys::RelabelType>();
                (label.arg.cast(), label.resulttype)
            }
            // Without a label below it, where the type below the domain has the same bytes.
            pg_sys::NodeTag::T_CoerceToDomain => {
                let domain = &*node.cast::<pg_sys::CoerceToDomain>();
                (domain.arg.cast(), domain.resulttype)
            }
            pg_sys::NodeTag::T_CoerceViaIO => {
                let text = &*node.cast::<pg_sys::CoerceViaIO>();
                (text.arg.cast(), text.resulttype)
            }
            pg_sys::NodeTag::T_ArrayCoerceExpr => {
                let array = &*node.cast::<pg_sys::ArrayCoerceExpr>();
                (array.arg.cast(), array.resulttype)
            }
            _ => return None,
        };
        Some((pg_sys::exprType(from), to))
    }
}
