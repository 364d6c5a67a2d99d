//! Numbers in a row of bytes that may be damaged.

/// The bytes are no `jsonb`: an offset, a length or a type tag points nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("corrupt jsonb")
    }
}

impl std::error::Error for Corrupt {}

/// The word that begins at a byte.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Corrupt> {
    let word = bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .ok_or(Corrupt)?;
    Ok(u32::from_ne_bytes(*word))
}
