//! Names in statements.

use std::ffi::{CStr, CString, c_char};

/// # Safety
/// `name` is a C string.
pub(super) unsafe fn owned(name: *const c_char) -> CString {
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(name).to_owned() }
}
