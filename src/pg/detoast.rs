//! Values of variable length: `text`, `bytea`, `numeric`, `jsonb`, arrays.

use pgrx::{pg_sys, varlena};

/// The bytes behind the header, wherever Postgres stores them.
///
/// # Safety
/// `datum` is a non-null varlena that lives as long as the call, `'a`.
pub(in crate::pg) unsafe fn payload<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: detoasting gives an inline, uncompressed varlena: the datum's own bytes or a copy in
    // the current memory context, which is the call's. What is inline already needs no call.
    unsafe {
        inline_payload(datum).unwrap_or_else(|| {
            varlena::varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr()))
        })
    }
}

/// The bytes behind the header, if they are there as they are: neither compressed nor stored apart.
///
/// # Safety
/// `datum` is a non-null varlena that lives for `'a`.
#[inline]
pub(in crate::pg) unsafe fn inline_payload<'a>(datum: pg_sys::Datum) -> Option<&'a [u8]> {
    let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: as the caller says; the header tells the form, and of these two the length.
    unsafe {
        let is_inline = varlena::varatt_is_4b_u(varlena)
            || (varlena::varatt_is_1b(varlena) && !varlena::varatt_is_1b_e(varlena));
        is_inline.then(|| varlena::varlena_to_byte_slice(varlena))
    }
}
