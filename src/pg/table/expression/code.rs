//! What runs code of users when an expression is evaluated.

use crate::pg::table::expression::exact::is_of_users;
use crate::pg::table::expression::nodes;
use crate::pg::table::expression::tree::Expression;
use pgrx::{PgList, pg_sys};

/// A function, an operator or a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The catalog that it is in.
    pub class: pg_sys::Oid,
    /// In it.
    pub oid: pg_sys::Oid,
}

impl Expression {
    /// The functions, operators and domains of users that run when it is evaluated, as Postgres's record of its dependencies has them.
    pub fn code_of_users(&self) -> Vec<Code> {
        use pg_sys::{OperatorRelationId, ProcedureRelationId, TypeRelationId};
        let mut code = Vec::new();
        let mut add = |class, oid| {
            if is_of_users(oid) {
                code.push(Code { class, oid });
            }
        };
        // SAFETY: an expression that isn't planned; a node tells its type.
        unsafe {
            for node in nodes::of(self.node) {
                match (*node).type_ {
                    pg_sys::NodeTag::T_FuncExpr => {
                        add(
                            ProcedureRelationId,
                            (*node.cast::<pg_sys::FuncExpr>()).funcid,
                        );
                    }
                    pg_sys::NodeTag::T_OpExpr
                    | pg_sys::NodeTag::T_DistinctExpr
                    | pg_sys::NodeTag::T_NullIfExpr => {
                        add(OperatorRelationId, (*node.cast::<pg_sys::OpExpr>()).opno);
                    }
                    pg_sys::NodeTag::T_ScalarArrayOpExpr => {
                        let call = &*node.cast::<pg_sys::ScalarArrayOpExpr>();
                        add(OperatorRelationId, call.opno);
                    }
                    pg_sys::NodeTag::T_RowCompareExpr => {
                        let call = &*node.cast::<pg_sys::RowCompareExpr>();
                        let operators = PgList::<pg_sys::Oid>::from_pg(call.opnos);
                        operators
                            .iter_oid()
                            .for_each(|oid| add(OperatorRelationId, oid));
                    }
                    pg_sys::NodeTag::T_CoerceToDomain => {
                        let domain = &*node.cast::<pg_sys::CoerceToDomain>();
                        add(TypeRelationId, domain.resulttype);
                    }
                    _ => {}
                }
            }
        }
        code
    }
}
