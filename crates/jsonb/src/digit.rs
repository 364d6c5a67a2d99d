//! The digits of a `numeric`, which Postgres stores to base 10,000 (`src/backend/utils/adt/numeric.c`).

/// Of a stored digit.
pub(crate) const BASE: i64 = 10_000;

/// A stored digit with its leading zeros.
pub(crate) struct FourDigits([u8; 4]);

pub(crate) fn four_digits(digit: u16) -> FourDigits {
    let decimal = |unit: u16| b'0' + (digit / unit % 10) as u8;
    FourDigits([decimal(1000), decimal(100), decimal(10), decimal(1)])
}

impl FourDigits {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("decimal digits are ASCII")
    }
}
