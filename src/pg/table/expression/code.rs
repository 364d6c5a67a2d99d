//! What may run code of users when an expression is evaluated.

use crate::pg::table::expression::exact::is_of_users;
use crate::pg::table::expression::tree::Expression;
use crate::pg::table::expression::{named_types, nodes};
use pgrx::{PgList, pg_sys};

/// A function, an operator or a type: a value of one is made by what it is made of, whose domains have conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The catalog that it is in.
    pub class: pg_sys::Oid,
    /// In it.
    pub oid: pg_sys::Oid,
}

impl Expression {
    /// The functions, operators and types of users by which it is evaluated, each as [`Self::record_dependencies`] records it. A row that
    /// becomes one of a parent's type isn't among them: that runs nothing.
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
                    pg_sys::NodeTag::T_CoerceViaIO => {
                        let text = &*node.cast::<pg_sys::CoerceViaIO>();
                        add(TypeRelationId, text.resulttype);
                    }
                    pg_sys::NodeTag::T_ArrayCoerceExpr => {
                        let array = &*node.cast::<pg_sys::ArrayCoerceExpr>();
                        add(TypeRelationId, array.resulttype);
                    }
                    pg_sys::NodeTag::T_RelabelType => {
                        let label = &*node.cast::<pg_sys::RelabelType>();
                        add(TypeRelationId, label.resulttype);
                    }
                    pg_sys::NodeTag::T_RowExpr => {
                        add(TypeRelationId, (*node.cast::<pg_sys::RowExpr>()).row_typeid);
                    }
                    pg_sys::NodeTag::T_Const => {
                        add(TypeRelationId, (*node.cast::<pg_sys::Const>()).consttype);
                    }
                    _ => {}
                }
            }
            for named in named_types::types_of_users(self.node) {
                add(TypeRelationId, named);
            }
        }
        code
    }
}
