//! A value, as text.

use crate::pg::call::spi;
use crate::pg::detoast::payload;
use crate::pg::memory::Memory;
use crate::pg::table::column::function::Function;
use crate::pg::table::column::value::int8;
use crate::pg::table::expression::{Source, View};
use pgrx::pg_sys;
use std::ffi::CStr;
use std::ptr;

/// Reads a value of a row as `value::text` would.
#[derive(Debug)]
pub struct TextReader {
    source: Source,
    form: TextForm,
}

/// The text of values of a type.
#[derive(Debug)]
pub(super) struct TextForm(TextKind);

#[derive(Debug)]
enum TextKind {
    /// Text already.
    Text,
    Int4,
    Int8,
    /// A built-in cast's function: the type has its own idea of its text.
    Cast(Function),
    /// The type's built-in output function.
    Output(Function),
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
    /// `type_oid`: of the value. `memory` must live as long as the reader.
    pub fn new(source: Source, type_oid: pg_sys::Oid, memory: &Memory) -> Self {
        Self {
            source,
            form: TextForm::new(type_oid, memory),
        }
    }

    /// Hands the text to `with`, in the database's encoding; `None` is a NULL.
    pub fn with_text<R>(&self, row: &View<'_>, with: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let datum = row.get(self.source)?;
        // SAFETY: as for `Reader::value` in `value.rs`.
        unsafe { self.form.with_text(datum, with) }
    }
}

impl TextForm {
    /// `memory` must live as long as the form.
    pub(super) fn new(type_oid: pg_sys::Oid, memory: &Memory) -> Self {
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
                        TextKind::Cast(Function::new(cast, memory))
                    } else {
                        TextKind::Query(base)
                    }
                }
                _ if is_built_in(output) => TextKind::Output(Function::new(output, memory)),
                _ => TextKind::Query(base),
            }
        };
        Self(kind)
    }

    /// Hands the text to `with`, in the database's encoding; `None` if a cast of users makes a NULL of the value.
    ///
    /// # Safety
    /// A value of that type.
    pub(super) unsafe fn with_text<R>(
        &self,
        datum: pg_sys::Datum,
        with: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        // SAFETY: as the caller says.
        Some(unsafe {
            match &self.0 {
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
