//! Where ids come from.

use pgrx::{PgList, pg_sys};

/// The sequence that a column gets its values from: it is an identity column, or its default is `nextval` of one.
///
/// # Safety
/// An open relation that has the column.
pub(super) unsafe fn sequence_of(relation: pg_sys::Relation, column: usize) -> Option<pg_sys::Oid> {
    // SAFETY: as the caller says. Nodes tell their type; a function's arguments are expressions, and a regclass constant
    // is an OID.
    unsafe {
        let mut node = pg_sys::build_column_default(relation, column as i32 + 1);
        loop {
            if node.is_null() {
                return None;
            }
            match (*node).type_ {
                pg_sys::NodeTag::T_NextValueExpr => {
                    return Some((*node.cast::<pg_sys::NextValueExpr>()).seqid);
                }
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = &*node.cast::<pg_sys::FuncExpr>();
                    let function = call.funcid.to_u32();
                    // Both have one argument; others may have none.
                    if ![pg_sys::F_INT4_INT8, pg_sys::F_NEXTVAL].contains(&function) {
                        return None;
                    }
                    let argument = PgList::<pg_sys::Node>::from_pg(call.args).head()?;
                    // To the column's type, where that is an integer.
                    if function == pg_sys::F_INT4_INT8 {
                        node = argument;
                        continue;
                    }
                    if (*argument).type_ != pg_sys::NodeTag::T_Const {
                        return None;
                    }
                    let constant = &*argument.cast::<pg_sys::Const>();
                    return (!constant.constisnull)
                        .then(|| pg_sys::Oid::from_u32(constant.constvalue.value() as u32));
                }
                _ => return None,
            }
        }
    }
}
