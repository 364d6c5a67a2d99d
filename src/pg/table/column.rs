//! A column's value, as `to_jsonb` shows it and as text.

use crate::pg::call::{foreign_code, spi};
use crate::pg::detoast::payload;
use crate::pg::memory::Memory;
use crate::pg::table::row::Row;
use pgrx::{FromDatum, pg_sys, varlena};
use std::ffi::CStr;
use std::ptr;

/// What `to_jsonb` makes of a value. Borrowed from the row, or from the current memory context.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// A `numeric` without its varlena header.
    Numeric(&'a [u8]),
    /// A string, in the database's encoding.
    Text(&'a [u8]),
    /// A `jsonb` without its varlena header.
    Jsonb(&'a [u8]),
}

/// Reads a column of a row.
#[derive(Debug)]
pub struct Reader {
    index: usize,
    kind: Kind,
    is_varlena: bool,
}

/// How `datum_to_jsonb` in `src/backend/utils/adt/jsonb.c` treats the type. What is common goes
/// straight from the row; the rest through `to_jsonb` itself.
#[derive(Debug)]
enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Numeric,
    Text,
    Jsonb,
    /// `date`, `timestamp`, `timestamptz`: ISO 8601.
    DateTime(pg_sys::Oid),
    Other(Call),
}

/// A function of one argument, looked up.
#[derive(Debug)]
struct Call(Box<pg_sys::FmgrInfo>);

impl Call {
    /// `memory` must live as long as the call is used: functions keep there what they look up.
    fn new(function: pg_sys::Oid, memory: &Memory) -> Self {
        let mut info = Box::new(pg_sys::FmgrInfo::default());
        // SAFETY: fills the box, which doesn't move.
        unsafe { pg_sys::fmgr_info_cxt(function, &mut *info, memory.context()) };
        Self(info)
    }

    /// `to_jsonb`, which takes anything and asks the expression that it is called in for the type.
    fn to_jsonb(of: pg_sys::Oid, memory: &Memory) -> Self {
        let mut call = Self::new(pg_sys::Oid::from_u32(pg_sys::F_TO_JSONB), memory);
        // SAFETY: nodes of the memory that the call lives in.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(memory.context());
            let argument = pg_sys::makeNullConst(of, -1, pg_sys::InvalidOid);
            call.0.fn_expr = pg_sys::makeFuncExpr(
                pg_sys::Oid::from_u32(pg_sys::F_TO_JSONB),
                pg_sys::JSONBOID,
                pg_sys::lappend(ptr::null_mut(), argument.cast()),
                pg_sys::InvalidOid,
                pg_sys::InvalidOid,
                pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
            )
            .cast();
            pg_sys::MemoryContextSwitchTo(before);
        }
        call
    }

    /// # Safety
    /// `value` is of the type that the function takes, and the function answers no NULL.
    unsafe fn call(&self, value: pg_sys::Datum) -> pg_sys::Datum {
        let info = ptr::from_ref(&*self.0).cast_mut();
        // SAFETY: functions write to nothing of it but fn_extra, and the backend has one thread; those
        // that are called so are built in, see `is_built_in`. A type's functions have no collation to
        // ask for but the default one.
        // `to_jsonb` may call a cast of users.
        foreign_code::call(|| unsafe {
            pg_sys::FunctionCall1Coll(info, pg_sys::DEFAULT_COLLATION_OID, value)
        })
    }
}

impl Reader {
    /// `index`: from 0, dropped columns counted. `memory` must live as long as the reader.
    pub(in crate::pg) fn new(index: usize, type_oid: pg_sys::Oid, memory: &Memory) -> Self {
        // SAFETY: a look-up in the catalog.
        let base = unsafe { pg_sys::getBaseType(type_oid) };
        let kind = match base {
            pg_sys::BOOLOID => Kind::Bool,
            pg_sys::INT2OID => Kind::Int2,
            pg_sys::INT4OID => Kind::Int4,
            pg_sys::INT8OID => Kind::Int8,
            pg_sys::NUMERICOID => Kind::Numeric,
            // The output function of bpchar keeps the padding; so does to_jsonb.
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID => Kind::Text,
            pg_sys::JSONBOID => Kind::Jsonb,
            pg_sys::DATEOID | pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => Kind::DateTime(base),
            _ => Kind::Other(Call::to_jsonb(type_oid, memory)),
        };
        Self {
            index,
            kind,
            // SAFETY: a look-up in the catalog.
            is_varlena: unsafe { pg_sys::get_typlen(base) } == -1,
        }
    }

    /// Bytes that reading the value takes beside those in the row: it is stored apart, or compressed.
    pub fn bytes_out_of_line(&self, row: Row<'_>) -> usize {
        match row.get(self.index) {
            // SAFETY: the row's value of a variable-length type.
            Some(datum) if self.is_varlena => unsafe {
                let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
                if varlena::varatt_is_1b_e(varlena) || varlena::varatt_is_4b_c(varlena) {
                    pg_sys::toast_raw_datum_size(datum)
                } else {
                    0
                }
            },
            _ => 0,
        }
    }

    pub fn value<'a>(&self, row: Row<'a>) -> Value<'a> {
        let Some(datum) = row.get(self.index) else {
            return Value::Null;
        };
        // SAFETY: the reader was made for the type of the row's column; results are of the current
        // memory context, which outlives the row's borrow.
        unsafe {
            match &self.kind {
                Kind::Bool => Value::Bool(datum.value() as u8 != 0),
                Kind::Int2 => Value::Integer((datum.value() as i16).into()),
                Kind::Int4 => Value::Integer((datum.value() as i32).into()),
                Kind::Int8 => Value::Integer(int8(datum)),
                Kind::Numeric => Value::Numeric(payload(datum)),
                Kind::Text => Value::Text(payload(datum)),
                Kind::Jsonb => Value::Jsonb(payload(datum)),
                Kind::DateTime(of) => {
                    let text = pg_sys::JsonEncodeDateTime(ptr::null_mut(), datum, *of, ptr::null());
                    Value::Text(CStr::from_ptr(text).to_bytes())
                }
                Kind::Other(to_jsonb) => Value::Jsonb(payload(to_jsonb.call(datum))),
            }
        }
    }
}

/// # Safety
/// `datum` is an `int8`.
unsafe fn int8(datum: pg_sys::Datum) -> i64 {
    // SAFETY: as the caller says; by value or by reference as the build has it, pgrx knows.
    unsafe { i64::from_datum(datum, false) }.expect("not null")
}

/// Reads a column of a row as `column::text` would.
#[derive(Debug)]
pub struct TextReader {
    index: usize,
    kind: TextKind,
}

#[derive(Debug)]
enum TextKind {
    /// Text already.
    Text,
    Int4,
    Int8,
    /// A built-in cast's function: the type has its own idea of its text.
    Cast(Call),
    /// The type's built-in output function.
    Output(Call),
    /// What a user's cast or type, or a function of any type, makes of it: asked anew each time.
    Query(pg_sys::Oid),
}

/// Functions below are Postgres's own, and C: they keep in their `FmgrInfo` what doesn't change, and
/// call no SQL. Of others it must not outlive a call. They may come back to us while they run, by a
/// trigger, and what `fmgr_info` remembers of them (owner, SECURITY DEFINER, body) can be altered.
fn is_built_in(function: pg_sys::Oid) -> bool {
    function.to_u32() < pg_sys::FirstNormalObjectId
}

/// Whether the function takes anything, and asks the expression that it is called in for the type: `concat`,
/// `quote_literal`.
fn is_polymorphic(function: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; the arguments' types are palloc'd, and there is one.
    unsafe {
        let mut types = ptr::null_mut();
        let mut count = 0;
        pg_sys::get_func_signature(function, &mut types, &mut count);
        let is_pseudo = count > 0 && pg_sys::get_typtype(*types) as u8 == pg_sys::TYPTYPE_PSEUDO;
        if !types.is_null() {
            pg_sys::pfree(types.cast());
        }
        is_pseudo
    }
}

impl TextReader {
    /// As [`Reader::new`].
    pub(in crate::pg) fn new(index: usize, type_oid: pg_sys::Oid, memory: &Memory) -> Self {
        // SAFETY: look-ups in the catalog, with out-parameters on this stack.
        let kind = unsafe {
            let base = pg_sys::getBaseType(type_oid);
            let mut cast = pg_sys::InvalidOid;
            let mut output = pg_sys::InvalidOid;
            let mut is_varlena = false;
            pg_sys::getTypeOutputInfo(base, &mut output, &mut is_varlena);
            match (base, cast_to_text(base, &mut cast)) {
                (pg_sys::INT4OID, _) => TextKind::Int4,
                (pg_sys::INT8OID, _) => TextKind::Int8,
                (_, pg_sys::CoercionPathType::COERCION_PATH_RELABELTYPE) => TextKind::Text,
                (_, pg_sys::CoercionPathType::COERCION_PATH_FUNC) => {
                    if is_built_in(cast)
                        && pg_sys::get_func_nargs(cast) == 1
                        && !is_polymorphic(cast)
                    {
                        TextKind::Cast(Call::new(cast, memory))
                    } else {
                        TextKind::Query(base)
                    }
                }
                _ if is_built_in(output) => TextKind::Output(Call::new(output, memory)),
                _ => TextKind::Query(base),
            }
        };
        Self { index, kind }
    }

    /// Hands the text to `with`, in the database's encoding; `None` is a NULL.
    pub fn with_text<R>(&self, row: Row<'_>, with: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let datum = row.get(self.index)?;
        // SAFETY: as for `Reader::value`.
        Some(unsafe {
            match &self.kind {
                TextKind::Query(of) => spi::query_text(TEXT, datum, *of, with)?,
                TextKind::Text => with(payload(datum)),
                TextKind::Int4 => with(itoa::Buffer::new().format(datum.value() as i32).as_bytes()),
                TextKind::Int8 => with(itoa::Buffer::new().format(int8(datum)).as_bytes()),
                TextKind::Cast(cast) => with(payload(cast.call(datum))),
                TextKind::Output(output) => {
                    let text = output.call(datum).cast_mut_ptr::<std::ffi::c_char>();
                    with(CStr::from_ptr(text).to_bytes())
                }
            }
        })
    }
}

/// As SQL has it.
const TEXT: &CStr = c"SELECT $1::pg_catalog.text";

/// How `value::text` gets there.
///
/// # Safety
/// Only as unsafe as any look-up in the catalog.
unsafe fn cast_to_text(
    from: pg_sys::Oid,
    function: &mut pg_sys::Oid,
) -> pg_sys::CoercionPathType::Type {
    // SAFETY: an out-parameter.
    unsafe {
        pg_sys::find_coercion_pathway(
            pg_sys::TEXTOID,
            from,
            pg_sys::CoercionContext::COERCION_EXPLICIT,
            function,
        )
    }
}
