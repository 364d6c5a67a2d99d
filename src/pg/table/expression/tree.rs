//! Expressions as Postgres's parser leaves them.

use crate::pg::catalog::{RowFunction, depend};
use crate::pg::memory::Memory;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::{casts, named_types};
use pgrx::pg_sys;

/// An expression over a table's row, that nobody has planned yet: what functions are inlined, and what of it is constant,
/// depends on who asks, and when.
#[derive(Debug)]
pub struct Expression {
    pub(super) node: *mut pg_sys::Node,
    /// Of its value.
    pub(super) type_oid: pg_sys::Oid,
}

/// Whose rows an expression is about.
pub struct RowSource<'a> {
    /// The table that the expression is written for.
    pub declared_on: &'a Table<'a>,
    /// The table whose rows come: that one, or a partition of it, which can have its columns in another order.
    pub rows_of: &'a Table<'a>,
}

/// What is no condition over the columns of a row. What Postgres's parser refuses is an ERROR of Postgres's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// More than one expression, or none.
    NotOne,
    /// It refers to a column such as `ctid` or `tableoid`, which a trigger's row doesn't have.
    SystemColumn,
    /// It refers to a virtual generated column, whose content is undefined in a trigger.
    VirtualColumn,
    /// It compares by operators that no text of it can name.
    Unqualifiable,
    /// It is nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Postgres's parser would copy parts of it too often: what is before BETWEEN, IN and `.*`, within such again.
    TooManyCopies,
    /// It has a query that Postgres's parser would refuse only after it has parsed it.
    Query,
    /// It has a constant of type `regrole`, on which Postgres lets nothing depend.
    Role,
    /// It calls a function or an operator in a way in which others of that name could take its place.
    Inexact,
}

/// How deep a condition may be. Postgres reads and compiles one in as many calls of itself, and whoever changes the table may have less
/// of the stack left than who declares the watch.
pub const MAX_DEPTH: u32 = 500;

/// The range table of an expression has one entry.
pub(super) const VARNO: i32 = 1;

unsafe extern "C-unwind" {
    // src/include/catalog/partition.h, which pgrx doesn't bind. Any node will do for the list.
    fn map_partition_varattnos(
        expression: *mut pg_sys::List,
        varno: std::ffi::c_int,
        to: pg_sys::Relation,
        from: pg_sys::Relation,
    ) -> *mut pg_sys::List;
}

impl Expression {
    /// A call of a function with the row.
    ///
    /// `memory` must live as long as the expression.
    pub fn call(function: &RowFunction, source: &RowSource<'_>, memory: &Memory) -> Self {
        let mut expression = Self {
            node: std::ptr::null_mut(),
            type_oid: function.returns,
        };
        Memory::of_call(c"socketio_emitter expression").run(|| {
            // SAFETY: nodes of the current memory context: a variable that stands for the whole row of the relation, which is
            // open, and a call with it.
            unsafe {
                let row = (*(*source.declared_on.relation()).rd_rel).reltype;
                let row = pg_sys::makeVar(VARNO, 0, row, -1, pg_sys::InvalidOid, 0);
                let call = pg_sys::makeFuncExpr(
                    function.oid,
                    function.returns,
                    pg_sys::lappend(std::ptr::null_mut(), row.cast()),
                    pg_sys::InvalidOid,
                    pg_sys::InvalidOid,
                    pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
                );
                pg_sys::assign_expr_collations(std::ptr::null_mut(), call.cast());
                expression.node = keep(call.cast(), source, memory);
            }
        });
        expression
    }

    /// Makes a trigger depend on what the expression refers to, casts included, but for columns.
    pub fn record_dependencies(&self, trigger: pg_sys::Oid, table: &Table<'_>) {
        // SAFETY: an expression over rows of the table, as it was read.
        unsafe {
            depend::on_expression(trigger, table.oid(), self.node);
            depend::on_casts(trigger, &casts::of_users(self.node));
            depend::on_types(trigger, &named_types::types_of_users(self.node));
        }
    }

    /// A column of `source.rows_of`.
    ///
    /// `index`: from 0, dropped columns counted. `memory` must live as long as the expression.
    pub fn column(index: usize, type_oid: pg_sys::Oid, memory: &Memory) -> Self {
        // SAFETY: a node in memory that lives long enough. Its collation doesn't matter to a number.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(memory.context());
            let number = index as pg_sys::AttrNumber + 1;
            let node = pg_sys::makeVar(VARNO, number, type_oid, -1, pg_sys::InvalidOid, 0);
            pg_sys::MemoryContextSwitchTo(before);
            Self {
                node: node.cast(),
                type_oid,
            }
        }
    }

    /// What `expression::text[]` gives; the expression's values are arrays.
    ///
    /// `memory` must live as long as the expression.
    pub fn with_texts(&self, memory: &Memory) -> Self {
        // SAFETY: nodes in memory that lives long enough. There is a cast from any array to that of texts, by the elements' text.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(memory.context());
            let node = pg_sys::coerce_to_target_type(
                std::ptr::null_mut(),
                pg_sys::copyObjectImpl(self.node.cast()).cast(),
                self.type_oid,
                pg_sys::TEXTARRAYOID,
                -1,
                pg_sys::CoercionContext::COERCION_EXPLICIT,
                pg_sys::CoercionForm::COERCE_EXPLICIT_CAST,
                -1,
            );
            pg_sys::assign_expr_collations(std::ptr::null_mut(), node);
            pg_sys::MemoryContextSwitchTo(before);
            Self {
                node,
                type_oid: pg_sys::TEXTARRAYOID,
            }
        }
    }

    /// The type of its value.
    pub fn type_oid(&self) -> pg_sys::Oid {
        self.type_oid
    }
}

/// A copy of an expression over rows of `source.declared_on`, for rows of `source.rows_of`.
///
/// # Safety
/// `node` is such an expression.
pub(super) unsafe fn keep(
    node: *mut pg_sys::Node,
    source: &RowSource<'_>,
    memory: &Memory,
) -> *mut pg_sys::Node {
    let (from, to) = (source.declared_on, source.rows_of);
    // SAFETY: as the caller says. Both relations are open, and a partition has all columns of its parent. The closure owns
    // nothing.
    unsafe {
        let mut node = node;
        if from.oid() != to.oid() {
            let (from, to) = (from.relation(), to.relation());
            node = pg_sys::ffi::pg_guard_ffi_boundary(|| {
                map_partition_varattnos(node.cast(), VARNO, to, from)
            })
            .cast();
        }
        let before = pg_sys::MemoryContextSwitchTo(memory.context());
        let copy = pg_sys::copyObjectImpl(node.cast());
        pg_sys::MemoryContextSwitchTo(before);
        copy.cast()
    }
}
