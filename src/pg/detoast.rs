//! Values of variable length: `text`, `bytea`, `numeric`, `jsonb`, arrays.

use pgrx::{pg_sys, varlena};

/// The bytes behind the header, wherever Postgres stores them.
///
/// # Safety
/// `datum` is a non-null varlena that lives as long as the call, `'a`.
pub(in crate::pg) unsafe fn payload<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: detoasting gives an inline, uncompressed varlena: the datum's own bytes or a copy in
    // the current memory context, which is the call's. What is inline already needs no call.
    unsafe {
        let inline = varlena::varatt_is_4b_u(varlena)
            || (varlena::varatt_is_1b(varlena) && !varlena::varatt_is_1b_e(varlena));
        varlena::varlena_to_byte_slice(if inline {
            varlena
        } else {
            pg_sys::pg_detoast_datum_packed(varlena)
        })
    }
}
