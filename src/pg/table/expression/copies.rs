//! How much Postgres's parser makes of an expression that is written.
//!
//! It copies what is before BETWEEN, IN and `.*`, and what is copied can have such copies in it: each level multiplies them. A short
//! text would keep the parser busy for hours, in which it can't be canceled, and whoever looks at a trigger parses what somebody else
//! has written. So they are counted first.

use crate::pg::table::attributes;
use crate::pg::table::expression::raw;
use crate::pg::table::expression::tree::Unfit;
use pgrx::{PgList, pg_sys};
use std::ffi::c_void;

/// How many nodes the parser may make: so many for each that is written, and so many beside. A BETWEEN SYMMETRIC that isn't nested makes
/// four of one.
const MADE_OF_EACH: u64 = 4;
const MADE_BESIDE: u64 = 10_000;

/// Refuses an expression of which the parser would make too much. One that is too deep for the stack is an ERROR.
///
/// # Safety
/// What `raw_parser` returns for an expression over rows of the open relation.
pub(super) unsafe fn check(
    written: *mut pg_sys::Node,
    relation: pg_sys::Relation,
) -> Result<(), Unfit> {
    // SAFETY: as the caller says. The numbers outlive the walk; the closure in the guard owns nothing.
    let nodes = unsafe {
        let mut nodes = Nodes {
            written: 0,
            made: 0,
            of_each: 1,
            columns: attributes::of((*relation).rd_att).len() as u64,
            has_query: false,
        };
        let into = &raw mut nodes;
        pg_sys::ffi::pg_guard_ffi_boundary(|| count(written, into.cast()));
        nodes
    };
    let most = nodes.written.saturating_mul(MADE_OF_EACH) + MADE_BESIDE;
    if nodes.has_query {
        return Err(Unfit::Query);
    }
    match nodes.made <= most {
        true => Ok(()),
        false => Err(Unfit::TooManyCopies),
    }
}

/// How many functions of a name cost as much as a node.
const CANDIDATES_OF_NODE: u64 = 8;

/// How many functions have the name, in whatever schema.
///
/// # Safety
/// A list of names, as the parser's grammar makes it.
unsafe fn functions_called(names: *mut pg_sys::List) -> u64 {
    // SAFETY: as the caller says; a look-up by a C string, whose result is given back.
    unsafe {
        let Some(name) = PgList::<pg_sys::String>::from_pg(names).tail() else {
            return 0;
        };
        let found = pg_sys::SearchSysCacheList(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32,
            1,
            pg_sys::Datum::from((*name).sval.cast_const()),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
        );
        let functions = (*found).n_members as u64;
        pg_sys::ReleaseCatCacheList(found);
        functions
    }
}

struct Nodes {
    written: u64,
    made: u64,
    /// How many are made of one that is written here.
    of_each: u64,
    /// Those of the table.
    columns: u64,
    /// Whether there is a query that would be parsed before it is refused.
    has_query: bool,
}

/// Called by Postgres for each node that the parser's grammar has made.
///
/// # Safety
/// Null, or such a node. `nodes`: [`Nodes`]. An ERROR leaves this frame, which owns nothing, and is small: it is there for each level.
unsafe extern "C-unwind" fn count(node: *mut pg_sys::Node, nodes: *mut c_void) -> bool {
    // SAFETY: as the caller says. No reference to the numbers is kept while others are made.
    unsafe {
        if node.is_null() {
            return false;
        }
        let into = nodes.cast::<Nodes>();
        let of_each = (*into).of_each;
        match enter(node, &mut *into) {
            None => {
                raw::raw_expression_tree_walker(node, count, nodes);
            }
            Some(of_each_at_right) => {
                // Nothing else asks on the way down.
                raw::check_stack_depth();
                count((*node.cast::<pg_sys::A_Expr>()).lexpr, nodes);
                (*into).of_each = of_each_at_right;
                count((*node.cast::<pg_sys::A_Expr>()).rexpr, nodes);
            }
        }
        (*into).of_each = of_each;
        false
    }
}

/// Counts a node, and sets how many are made of one below it. For a node with two operands of which different numbers are made, that is
/// for the left one; returned is that for the right one.
///
/// # Safety
/// As for [`count`].
#[inline(never)]
unsafe fn enter(node: *mut pg_sys::Node, nodes: &mut Nodes) -> Option<u64> {
    let of_each = nodes.of_each;
    nodes.written += 1;
    nodes.made = nodes.made.saturating_add(of_each);
    // Copied when it has been parsed, so it is there once more.
    let parsed_and_copied = |times: u64| of_each.saturating_mul(times).saturating_add(1);
    // SAFETY: as the caller says; a node tells its type.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_A_Expr => {
                let (left, right) = copied(&*node.cast::<pg_sys::A_Expr>())?;
                nodes.of_each = match left {
                    Copies::Written(times) => of_each.saturating_mul(times),
                    Copies::Parsed(times) => parsed_and_copied(times),
                };
                return Some(of_each.saturating_mul(right));
            }
            // All of that name are looked at, and listed, for each call.
            pg_sys::NodeTag::T_FuncCall => {
                let names = (*node.cast::<pg_sys::FuncCall>()).funcname;
                let made = of_each.saturating_mul(functions_called(names) / CANDIDATES_OF_NODE);
                nodes.made = nodes.made.saturating_add(made);
            }
            // Nobody knows yet how many columns it has.
            pg_sys::NodeTag::T_A_Indirection
                if ends_with_star((*node.cast::<pg_sys::A_Indirection>()).indirection) =>
            {
                nodes.of_each = parsed_and_copied(pg_sys::MaxHeapAttributeNumber.into());
            }
            // `new.*` is a single value elsewhere.
            pg_sys::NodeTag::T_RowExpr => {
                let fields = (*node.cast::<pg_sys::RowExpr>()).args;
                for field in PgList::<pg_sys::Node>::from_pg(fields).iter_ptr() {
                    if (*field).type_ == pg_sys::NodeTag::T_ColumnRef
                        && ends_with_star((*field.cast::<pg_sys::ColumnRef>()).fields)
                    {
                        let made = of_each.saturating_mul(nodes.columns);
                        nodes.made = nodes.made.saturating_add(made);
                    }
                }
            }
            #[cfg(not(feature = "pg15"))]
            pg_sys::NodeTag::T_JsonValueExpr => nodes.of_each = parsed_and_copied(1),
            // `JSON_ARRAY(SELECT …)`, whose query has more ways to make much of little.
            #[cfg(not(feature = "pg15"))]
            pg_sys::NodeTag::T_JsonArrayQueryConstructor => nodes.has_query = true,
            _ => {}
        }
    }
    None
}

/// How often an operand is there in the end.
enum Copies {
    /// Copied before it is parsed.
    Written(u64),
    /// Copied afterwards.
    Parsed(u64),
}

/// What is made of the left operand, and how often that at the right is there, as `transformAExprBetween` and `transformAExprIn` in
/// src/backend/parser/parse_expr.c have it. `None`: nothing is copied.
fn copied(expression: &pg_sys::A_Expr) -> Option<(Copies, u64)> {
    use pg_sys::A_Expr_Kind as Kind;
    match expression.kind {
        Kind::AEXPR_BETWEEN | Kind::AEXPR_NOT_BETWEEN => Some((Copies::Written(2), 1)),
        Kind::AEXPR_BETWEEN_SYM | Kind::AEXPR_NOT_BETWEEN_SYM => Some((Copies::Written(4), 2)),
        // For each item of the list that isn't constant; for all, where there are no arrays of the type, which nobody knows yet.
        Kind::AEXPR_IN => {
            // SAFETY: a list, as the parser's grammar makes it.
            let items = unsafe { (*expression.rexpr.cast::<pg_sys::List>()).length };
            Some((Copies::Parsed(items as u64), 1))
        }
        _ => None,
    }
}

/// # Safety
/// A list of nodes.
unsafe fn ends_with_star(fields: *mut pg_sys::List) -> bool {
    // SAFETY: as the caller says; nodes tell their type.
    unsafe {
        PgList::<pg_sys::Node>::from_pg(fields)
            .tail()
            .is_some_and(|last| (*last).type_ == pg_sys::NodeTag::T_A_Star)
    }
}
