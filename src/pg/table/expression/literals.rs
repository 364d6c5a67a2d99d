//! Literals whose value runs code of users when it is read.
//!
//! Postgres's parser reads a literal as soon as it knows its type, and whoever looks at a trigger parses what somebody else has
//! written. Types that users can make have input functions of Postgres's, which run nothing else: but for arrays, rows and ranges,
//! which may contain domains, whose conditions call functions of users. A literal of such a type stays one of no type, which is
//! converted when the expression is evaluated. (Functions for the text or the canonical form of a type are a superuser's to choose.)

use crate::pg::table::expression::raw;
use pgrx::{pg_guard, pg_sys};
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// The string literals of an expression that is being parsed. Parameters stand for them meanwhile, which Postgres lets us type.
#[derive(Debug, Default)]
pub(super) struct Literals {
    /// Text, and where it is written. Of the memory context in which the expression is parsed.
    texts: Vec<(*const c_char, c_int)>,
    /// As the parser has them before it knows a type.
    untyped: Vec<*mut pg_sys::Node>,
    /// `DEFAULT` clauses that are a literal and nothing else, where Postgres takes no parameter.
    defaults: Vec<*mut pg_sys::Node>,
}

impl Literals {
    /// Takes them out of what `raw_parser` has returned, which is changed in place.
    ///
    /// # Safety
    /// Such an expression, of the current memory context.
    pub(super) unsafe fn take(written: *mut pg_sys::Node) -> Self {
        let mut literals = Self::default();
        // SAFETY: as the caller says. What is pointed to outlives the walk; the closure in the guard owns nothing.
        unsafe {
            let into = &raw mut literals;
            pg_sys::ffi::pg_guard_ffi_boundary(|| take_out(written, into.cast()));
            for default in &literals.defaults {
                cast_to_text(*default);
            }
            let texts = literals.texts.iter();
            literals.untyped = texts.map(|literal| unknown(*literal)).collect();
        }
        literals
    }

    /// The literal that a parameter stands for, before a type was found for it.
    fn untyped(&self, param: &pg_sys::Param) -> Option<*mut pg_sys::Node> {
        let place = usize::try_from(param.paramid.checked_neg()?).ok()?;
        self.untyped.get(place.checked_sub(1)?).copied()
    }

    /// Has the parser ask for them.
    ///
    /// # Safety
    /// The literals stay where they are while the parser is used.
    pub(super) unsafe fn install(&mut self, state: *mut pg_sys::ParseState) {
        // SAFETY: as the caller says.
        unsafe {
            (*state).p_paramref_hook = Some(untyped);
            (*state).p_coerce_param_hook = Some(typed);
            (*state).p_ref_hook_state = (&raw mut *self).cast();
        }
    }

    /// A copy of the parsed expression, with those in it that no type was found for, as the parser leaves them otherwise: of type
    /// `unknown`.
    ///
    /// # Safety
    /// An expression that was parsed with these.
    pub(super) unsafe fn put_back(&mut self, node: *mut pg_sys::Node) -> *mut pg_sys::Node {
        // SAFETY: as the caller says; the closure in the guard owns nothing.
        unsafe {
            let literals = &raw mut *self;
            pg_sys::ffi::pg_guard_ffi_boundary(|| put_in(node, literals.cast()))
        }
    }
}

/// Called by Postgres for each node that the parser's grammar has made.
///
/// # Safety
/// Null, or such a node. `literals`: [`Literals`]. An ERROR leaves this frame, which owns nothing.
unsafe extern "C-unwind" fn take_out(node: *mut pg_sys::Node, literals: *mut c_void) -> bool {
    // SAFETY: as the caller says. No reference is kept while others are made. A parameter has no more bytes than a literal
    // (asserted below), whose fields are read before.
    unsafe {
        if node.is_null() {
            return false;
        }
        let list = literals.cast::<Literals>();
        if (*node).type_ == pg_sys::NodeTag::T_ParamRef {
            // One that is written can be negative: `$4294967295` is read as -1 (src/backend/parser/scan.l of Postgres 15). That of
            // number 0 is refused.
            let number = &raw mut (*node.cast::<pg_sys::ParamRef>()).number;
            *number = (*number).max(0);
            return false;
        }
        if let Some(literal) = string(node) {
            let location = literal.1;
            (*list).texts.push(literal);
            // No number that is written is negative from here on.
            let number = -((*list).texts.len() as c_int);
            *node.cast::<pg_sys::ParamRef>() = pg_sys::ParamRef {
                type_: pg_sys::NodeTag::T_ParamRef,
                number,
                location,
            };
            return false;
        }
        // What a type's name has in parentheses must be a literal.
        if (*node).type_ == pg_sys::NodeTag::T_TypeName {
            return false;
        }
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        if (*node).type_ == pg_sys::NodeTag::T_JsonBehavior {
            let value = (*node.cast::<pg_sys::JsonBehavior>()).expr;
            if !value.is_null() && string(value).is_some() {
                (*list).defaults.push(node);
                return false;
            }
        }
        raw::raw_expression_tree_walker(node, take_out, literals)
    }
}

const _: () = assert!(size_of::<pg_sys::ParamRef>() <= size_of::<pg_sys::A_Const>());

/// The text of a string literal, and where it is written.
///
/// # Safety
/// A node that the parser's grammar has made.
unsafe fn string(node: *mut pg_sys::Node) -> Option<(*const c_char, c_int)> {
    // SAFETY: as the caller says; nodes tell their type, and so does what is in a literal that isn't null.
    unsafe {
        if (*node).type_ != pg_sys::NodeTag::T_A_Const {
            return None;
        }
        let literal = &*node.cast::<pg_sys::A_Const>();
        let is_string = !literal.isnull && literal.val.node.type_ == pg_sys::NodeTag::T_String;
        is_string.then(|| (literal.val.sval.sval.cast_const(), literal.location))
    }
}

/// `DEFAULT 'x'` becomes `DEFAULT 'x'::text`: Postgres takes no parameter there.
///
/// # Safety
/// Such a clause.
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
unsafe fn cast_to_text(clause: *mut pg_sys::Node) {
    // SAFETY: as the caller says; nodes of the current memory context.
    unsafe {
        let clause = clause.cast::<pg_sys::JsonBehavior>();
        let cast = pg_sys::palloc0(size_of::<pg_sys::TypeCast>()).cast::<pg_sys::TypeCast>();
        (*cast).type_ = pg_sys::NodeTag::T_TypeCast;
        (*cast).arg = (*clause).expr;
        (*cast).typeName = pg_sys::SystemTypeName(c"text".as_ptr().cast_mut());
        (*cast).location = -1;
        (*clause).expr = cast.cast();
    }
}

/// There is no such clause.
#[cfg(any(feature = "pg15", feature = "pg16"))]
unsafe fn cast_to_text(_clause: *mut pg_sys::Node) {}

/// Called by the parser for a parameter.
///
/// # Safety
/// The parser's state has [`Literals`].
#[pg_guard]
unsafe extern "C-unwind" fn untyped(
    _state: *mut pg_sys::ParseState,
    written: *mut pg_sys::ParamRef,
) -> *mut pg_sys::Node {
    // SAFETY: as the caller says; a node of the current memory context, all of whose fields may be zero.
    unsafe {
        // There are none but ours.
        if (*written).number >= 0 {
            return ptr::null_mut();
        }
        let param = pg_sys::palloc0(size_of::<pg_sys::Param>()).cast::<pg_sys::Param>();
        (*param).xpr.type_ = pg_sys::NodeTag::T_Param;
        (*param).paramkind = pg_sys::ParamKind::PARAM_EXTERN;
        (*param).paramid = (*written).number;
        (*param).paramtype = pg_sys::UNKNOWNOID;
        (*param).paramtypmod = -1;
        (*param).location = (*written).location;
        param.cast()
    }
}

/// Called by the parser for a parameter that is to be of a type.
///
/// # Safety
/// The parser's state has [`Literals`].
#[pg_guard]
unsafe extern "C-unwind" fn typed(
    state: *mut pg_sys::ParseState,
    param: *mut pg_sys::Param,
    type_oid: pg_sys::Oid,
    modifier: pg_sys::int32,
    location: c_int,
) -> *mut pg_sys::Node {
    use pg_sys::{CoercionContext as Context, CoercionForm as Form};
    // SAFETY: as the caller says; a parameter with a negative number is one of these literals.
    unsafe {
        let literals = &*(*state).p_ref_hook_state.cast::<Literals>();
        let Some(literal) = literals.untyped(&*param) else {
            return ptr::null_mut();
        };
        let of_unknown = pg_sys::UNKNOWNOID;
        if runs_no_code(type_oid) {
            return pg_sys::coerce_type(
                state,
                literal,
                of_unknown,
                type_oid,
                modifier,
                Context::COERCION_EXPLICIT,
                Form::COERCE_EXPLICIT_CAST,
                location,
            );
        }
        // By the type's input function, as a literal is, and not by a cast that somebody has made from text. Its argument is the
        // literal itself, so that Postgres writes it as one (`get_coercion_expr` in src/backend/utils/adt/ruleutils.c).
        let base = pg_sys::getBaseType(type_oid);
        let is_domain = base != type_oid;
        let converted =
            pg_sys::palloc0(size_of::<pg_sys::CoerceViaIO>()).cast::<pg_sys::CoerceViaIO>();
        (*converted).xpr.type_ = pg_sys::NodeTag::T_CoerceViaIO;
        (*converted).arg = literal.cast();
        (*converted).resulttype = base;
        (*converted).coerceformat = match is_domain {
            true => Form::COERCE_IMPLICIT_CAST,
            false => Form::COERCE_EXPLICIT_CAST,
        };
        (*converted).location = location;
        if !is_domain {
            return converted.cast();
        }
        pg_sys::coerce_type(
            state,
            converted.cast(),
            base,
            type_oid,
            modifier,
            Context::COERCION_EXPLICIT,
            Form::COERCE_EXPLICIT_CAST,
            location,
        )
    }
}

/// Called by Postgres for each node of an expression that is copied.
///
/// # Safety
/// Null, or such a node. `literals`: [`Literals`]. An ERROR leaves this frame, which owns nothing.
unsafe extern "C-unwind" fn put_in(
    node: *mut pg_sys::Node,
    literals: *mut c_void,
) -> *mut pg_sys::Node {
    // SAFETY: as the caller says.
    unsafe {
        if node.is_null() {
            return node;
        }
        if (*node).type_ == pg_sys::NodeTag::T_Param {
            let param = &*node.cast::<pg_sys::Param>();
            if let Some(literal) = (*literals.cast::<Literals>()).untyped(param) {
                return literal;
            }
        }
        raw::expression_tree_mutator(node, put_in, literals)
    }
}

/// As `make_const` in src/backend/parser/parse_node.c.
///
/// # Safety
/// A text of the current memory context, and where it is written.
unsafe fn unknown((text, location): (*const c_char, c_int)) -> *mut pg_sys::Node {
    // SAFETY: as the caller says.
    unsafe {
        let text = pg_sys::Datum::from(text);
        let node = pg_sys::makeConst(
            pg_sys::UNKNOWNOID,
            -1,
            pg_sys::InvalidOid,
            -2,
            text,
            false,
            false,
        );
        (*node).location = location;
        node.cast()
    }
}

/// Whether no function of users is called when a literal of the type is read, as the parser does it: of a domain it reads the type
/// below, and checks nothing.
///
/// A type that isn't there is an ERROR.
fn runs_no_code(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: look-ups.
    unsafe {
        let base = pg_sys::getBaseType(type_oid);
        let element = pg_sys::get_element_type(base);
        let read = match element {
            pg_sys::InvalidOid => base,
            element => element,
        };
        // Those of Postgres have its own functions, and contain types of Postgres.
        read.to_u32() < pg_sys::FirstNormalObjectId
            || matches!(
                pg_sys::get_typtype(read) as u8,
                pg_sys::TYPTYPE_BASE | pg_sys::TYPTYPE_ENUM
            )
    }
}
