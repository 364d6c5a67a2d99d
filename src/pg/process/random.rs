//! Randomness.

use pgrx::pg_sys;

/// Sixteen random hexadecimal digits, which nobody can guess. An ERROR if the system has no randomness.
pub fn id() -> String {
    let mut bytes = [0u8; 8];
    // SAFETY: fills so many bytes.
    let is_filled = unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), bytes.len()) };
    assert!(is_filled, "could not generate random bytes");
    format!("{:016x}", u64::from_ne_bytes(bytes))
}
