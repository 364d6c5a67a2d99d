//! From a text to an expression, by Postgres's own parser.

use crate::pg::call::foreign_code;
use crate::pg::memory::Memory;
use crate::pg::table::attributes;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::exact::{called, is_exact};
use crate::pg::table::expression::literals::Literals;
use crate::pg::table::expression::nodes;
use crate::pg::table::expression::pinned::with_pinned;
use crate::pg::table::expression::tree::{Expression, MAX_DEPTH, RowSource, Unfit, VARNO, keep};
use pgrx::{PgList, pg_sys};
use std::ffi::{CStr, CString};
use std::ptr;

/// What a row is called in an expression, beside its table's name: what is written must not depend on that.
pub const ROW: &CStr = c"new";

/// How an expression is called where Postgres says that it isn't boolean.
const CONDITION: &CStr = c"filter";

/// Reads a condition as [`canonical`] writes it, whatever the session's settings, and runs no code of whoever wrote it. What
/// Postgres's parser refuses is an ERROR.
///
/// `text`: in the database's encoding. `prefix`: of the ERROR's message. `memory` must live as long as the expression.
pub fn condition(
    text: &CStr,
    prefix: &CStr,
    source: &RowSource<'_>,
    memory: &Memory,
) -> Result<Expression, Unfit> {
    let mut result = Err(Unfit::NotOne);
    let scratch = Memory::of_call(c"socketio_emitter expression");
    scratch.run(|| {
        // A constant's type may be an extension's.
        result = foreign_code::call_named(prefix, || {
            // SAFETY: the relation is open, and what is parsed is an expression over its rows.
            with_pinned(|| unsafe {
                let relation = source.declared_on.relation();
                let node = parse(text, relation, None, Reading::Deferred)?;
                Ok(Expression {
                    node: keep(node, source, memory),
                    type_oid: pg_sys::exprType(node),
                })
            })
        });
    });
    result
}

/// A condition that was written by the caller, as everybody reads it: with all names qualified that aren't Postgres's own. Names
/// are looked up on the caller's search path, and values are read by the caller's settings, and by functions that their types call.
/// What Postgres's parser refuses is an ERROR.
///
/// `text`: in the database's encoding, as the result. `prefix`: of the ERROR's message.
pub fn canonical(text: &CStr, prefix: &CStr, source: &RowSource<'_>) -> Result<CString, Unfit> {
    let mut result = Err(Unfit::NotOne);
    Memory::of_call(c"socketio_emitter expression").run(|| {
        result = foreign_code::call_named(prefix, || {
            // SAFETY: as above.
            unsafe {
                let relation = source.declared_on.relation();
                let node = parse(text, relation, None, Reading::AtOnce)?;
                if !is_exact(node) {
                    return Err(Unfit::Inexact);
                }
                with_pinned(|| {
                    let text = write(node, source.declared_on);
                    // Some forms name no operator that could be qualified: IS DISTINCT FROM, NULLIF, CASE, rows.
                    let read = parse(&text, relation, None, Reading::Deferred)?;
                    match called(node) == called(read) {
                        true => Ok(text),
                        false => Err(Unfit::Unqualifiable),
                    }
                })
            }
        });
    });
    result
}

impl Expression {
    /// The condition as [`canonical`] writes it, with the names that everything has now, which it refers to by OIDs.
    ///
    /// The text is in the database's encoding.
    pub fn written(&self, table: &Table<'_>) -> CString {
        let mut text = CString::default();
        Memory::of_call(c"socketio_emitter expression").run(|| {
            text = foreign_code::call(|| {
                // SAFETY: an expression over rows of the table.
                with_pinned(|| unsafe { write(self.node, table) })
            });
        });
        text
    }

    /// [`Self::written`], if that is read as the same condition again.
    pub fn rewritten(&self, table: &Table<'_>) -> Result<CString, Unfit> {
        let mut result = Err(Unfit::NotOne);
        Memory::of_call(c"socketio_emitter expression").run(|| {
            result = foreign_code::call(|| {
                // SAFETY: as above.
                with_pinned(|| unsafe {
                    let text = write(self.node, table);
                    let read = parse(&text, table.relation(), None, Reading::Deferred)?;
                    match called(self.node) == called(read) {
                        true => Ok(text),
                        false => Err(Unfit::Unqualifiable),
                    }
                })
            });
        });
        result
    }

    /// The literals that are converted when the expression is evaluated, in the database's encoding, with their types: what they name
    /// stays as it is written.
    pub fn deferred_literals(&self) -> Vec<(CString, pg_sys::Oid)> {
        // SAFETY: nodes tell their type, and a literal of no type is a C string.
        unsafe {
            let nodes = nodes::of(self.node).into_iter();
            let literal = |node: *mut pg_sys::Node| {
                if (*node).type_ != pg_sys::NodeTag::T_CoerceViaIO {
                    return None;
                }
                let conversion = &*node.cast::<pg_sys::CoerceViaIO>();
                let of = conversion.arg.cast::<pg_sys::Const>();
                let is_literal = (*of).xpr.type_ == pg_sys::NodeTag::T_Const
                    && (*of).consttype == pg_sys::UNKNOWNOID
                    && !(*of).constisnull;
                is_literal.then(|| {
                    let text = CStr::from_ptr((*of).constvalue.cast_mut_ptr());
                    (text.to_owned(), conversion.resulttype)
                })
            };
            nodes.filter_map(literal).collect()
        }
    }
}

/// # Safety
/// An expression over rows of the table.
unsafe fn write(node: *mut pg_sys::Node, table: &Table<'_>) -> CString {
    // SAFETY: as the caller says; the text that is made is a palloc'd C string.
    unsafe {
        let context = pg_sys::deparse_context_for(ROW.as_ptr(), table.oid());
        let text = pg_sys::deparse_expression(node, context, false, false);
        CStr::from_ptr(text).to_owned()
    }
}

/// When a literal is read whose type calls functions of users for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// While it is parsed, by whoever has written it.
    AtOnce,
    /// When the expression is evaluated.
    Deferred,
}

/// `renamed`: another name that the text has for a column, and the one that the column has.
///
/// # Safety
/// The relation is open and locked.
unsafe fn parse(
    text: &CStr,
    relation: pg_sys::Relation,
    renamed: Option<(&CStr, &CStr)>,
    literals: Reading,
) -> Result<*mut pg_sys::Node, Unfit> {
    // A comment may be at its end.
    let statement = [b"SELECT ", text.to_bytes(), b"\n"].concat();
    let statement = CString::new(statement).expect("Postgres's text has no NUL");
    // SAFETY: as `domainAddCheckConstraint` and `CreateTriggerFiringOn` do in src/backend/commands: the one entry of the range
    // table is the relation. Nodes are of the current memory context; they keep no pointer to the text.
    unsafe {
        let written = only_expression(pg_sys::raw_parser(
            statement.as_ptr(),
            pg_sys::RawParseMode::RAW_PARSE_DEFAULT,
        ))
        .ok_or(Unfit::NotOne)?;
        let state = pg_sys::make_parsestate(ptr::null_mut());
        let mut deferred = match literals {
            Reading::AtOnce => None,
            Reading::Deferred => Some(Literals::take(written)),
        };
        if let Some(deferred) = &mut deferred {
            deferred.install(state);
        }
        let row = pg_sys::addRangeTableEntryForRelation(
            state,
            relation,
            pg_sys::AccessShareLock as i32,
            renamed.map_or(ptr::null_mut(), |renamed| alias(relation, renamed)),
            false,
            true,
        );
        pg_sys::addNSItemToQuery(state, row, false, true, true);
        if CStr::from_ptr((*(*row).p_names).aliasname) != ROW {
            let other = pg_sys::palloc(size_of::<pg_sys::ParseNamespaceItem>())
                .cast::<pg_sys::ParseNamespaceItem>();
            *other = *row;
            (*other).p_names = pg_sys::makeAlias(ROW.as_ptr(), (*(*row).p_names).colnames);
            // Of that name only: by the table's name and schema it isn't found, which would be ambiguous, and as a whole it is a
            // row of the table, and not a record of its columns (`transformWholeRowRef` in src/backend/parser/parse_expr.c).
            let entry = pg_sys::copyObjectImpl((*row).p_rte.cast()).cast::<pg_sys::RangeTblEntry>();
            (*entry).alias = (*other).p_names;
            (*entry).eref = (*other).p_names;
            (*other).p_rte = entry;
            pg_sys::addNSItemToQuery(state, other, false, true, false);
        }
        // Refuses subqueries, aggregates, window functions and those that return sets.
        let node = pg_sys::transformExpr(
            state,
            written,
            pg_sys::ParseExprKind::EXPR_KIND_TRIGGER_WHEN,
        );
        let node = pg_sys::coerce_to_boolean(state, node, CONDITION.as_ptr());
        let node = match &mut deferred {
            Some(deferred) => deferred.put_back(node),
            None => node,
        };
        pg_sys::assign_expr_collations(state, node);
        if nodes::depth(node) > MAX_DEPTH {
            return Err(Unfit::TooDeep);
        }
        check_columns(node, relation)?;
        Ok(node)
    }
}

/// What a relation and its columns are called where one of them has its old name.
///
/// # Safety
/// The relation is open.
unsafe fn alias(relation: pg_sys::Relation, (from, to): (&CStr, &CStr)) -> *mut pg_sys::Alias {
    let mut names = ptr::null_mut();
    // SAFETY: as the caller says; copies of C strings in a list of the current memory context. Dropped columns are left out, as
    // `buildRelationAliases` in src/backend/parser/parse_relation.c expects it.
    unsafe {
        for column in attributes::of((*relation).rd_att) {
            if !column.attisdropped {
                let name = attributes::name(column);
                let name = if name == to { from } else { name };
                let name = pg_sys::makeString(pg_sys::pstrdup(name.as_ptr()));
                names = pg_sys::lappend(names, name.cast());
            }
        }
        pg_sys::makeAlias((*(*relation).rd_rel).relname.data.as_ptr(), names)
    }
}

/// The expression of `SELECT expression`, if that is all that was parsed.
///
/// # Safety
/// What the parser returns.
unsafe fn only_expression(statements: *mut pg_sys::List) -> Option<*mut pg_sys::Node> {
    // SAFETY: nodes tell their type; a list of statements has RawStmt, a target list ResTarget.
    unsafe {
        let statement = (*only::<pg_sys::RawStmt>(statements)?).stmt;
        if (*statement).type_ != pg_sys::NodeTag::T_SelectStmt {
            return None;
        }
        let select = &*statement.cast::<pg_sys::SelectStmt>();
        let is_bare = select.distinctClause.is_null()
            && select.intoClause.is_null()
            && select.fromClause.is_null()
            && select.whereClause.is_null()
            && select.groupClause.is_null()
            && select.havingClause.is_null()
            && select.windowClause.is_null()
            && select.valuesLists.is_null()
            && select.sortClause.is_null()
            && select.limitOffset.is_null()
            && select.limitCount.is_null()
            && select.lockingClause.is_null()
            && select.withClause.is_null()
            && select.op == pg_sys::SetOperation::SETOP_NONE;
        let target = &*only::<pg_sys::ResTarget>(select.targetList)?;
        (is_bare
            && target.name.is_null()
            && target.indirection.is_null()
            && !is_all_columns(target.val))
        .then_some(target.val)
    }
}

/// Whether it is `*`, which a list of targets has in place of an expression: `transformExpr` takes the node for a name.
///
/// # Safety
/// What the parser returns for a target.
unsafe fn is_all_columns(target: *mut pg_sys::Node) -> bool {
    // SAFETY: nodes tell their type.
    unsafe {
        if (*target).type_ != pg_sys::NodeTag::T_ColumnRef {
            return false;
        }
        let fields = (*target.cast::<pg_sys::ColumnRef>()).fields;
        PgList::<pg_sys::Node>::from_pg(fields)
            .head()
            .is_some_and(|field| (*field).type_ == pg_sys::NodeTag::T_A_Star)
    }
}

/// # Safety
/// A list of such nodes.
unsafe fn only<T>(list: *mut pg_sys::List) -> Option<*mut T> {
    // SAFETY: as the caller says.
    let list = unsafe { PgList::<T>::from_pg(list) };
    list.head().filter(|_| list.len() == 1)
}

/// Refuses what a trigger's row doesn't have.
///
/// # Safety
/// An expression over rows of the open relation.
unsafe fn check_columns(node: *mut pg_sys::Node, relation: pg_sys::Relation) -> Result<(), Unfit> {
    // SAFETY: as the caller says; the set is of the current memory context, with numbers moved up so that none is negative.
    unsafe {
        let mut numbers = ptr::null_mut();
        pg_sys::pull_varattnos(node, VARNO as pg_sys::Index, &mut numbers);
        let columns = attributes::of((*relation).rd_att);
        let mut member = -1;
        loop {
            member = pg_sys::bms_next_member(numbers, member);
            if member < 0 {
                return Ok(());
            }
            let number = member + pg_sys::FirstLowInvalidHeapAttributeNumber;
            if number < 0 {
                return Err(Unfit::SystemColumn);
            }
            // 0 is the whole row.
            if number > 0 && !attributes::is_stored(&columns[number as usize - 1]) {
                return Err(Unfit::VirtualColumn);
            }
        }
    }
}
