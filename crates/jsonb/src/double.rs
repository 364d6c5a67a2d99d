//! From digits to base 10,000 to the nearest double.

use crate::digit::{BASE, four_digits};

/// A number above zero without leading zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Significant<'a> {
    /// The first digit counts `10_000 ^ weight`.
    pub(crate) weight: i32,
    /// Not empty, and the first isn't zero.
    pub(crate) digits: &'a [[u8; 2]],
}

/// The largest double is below 10 to the power of this.
const INFINITE_FROM: i32 = 309;

/// Below 10 to the power of this, zero is nearer than the smallest double, 4.9e-324.
const ZERO_BELOW: i32 = -324;

/// As many stored digits as decide which double is nearest: a double, and the middle between two,
/// has 767 significant decimal digits at most, so of all further ones it only matters whether they
/// are zeros. A stored digit has four, but the first may have three zeros in front.
const DECISIVE: usize = (767 + 3usize).div_ceil(4);

impl Significant<'_> {
    pub(crate) fn nearest(&self) -> f64 {
        // The number is 10 to the power of `ends - 1` or more, and less than 10 to that of `ends`.
        let leading = u16::from_ne_bytes(self.digits[0]).ilog10() as i32;
        let ends = self.weight * 4 + leading + 1;
        if ends > INFINITE_FROM {
            f64::INFINITY
        } else if ends <= ZERO_BELOW {
            0.0
        } else {
            self.by_division().unwrap_or_else(|| self.by_text())
        }
    }

    /// The number if it takes no more than one rounding to get there: up to 15 digits and 22 places,
    /// which is what most decimals in tables have.
    fn by_division(&self) -> Option<f64> {
        // Powers of ten up to this one are doubles, and so are integers of 53 bits; IEEE 754 rounds
        // their quotient correctly (Clinger, "How to read floating point numbers accurately", 1990).
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
            1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
        ];
        const MAX_EXACT: i64 = 1 << 53;
        let last = i32::try_from(self.digits.len()).ok()? - 1;
        let end = last.max(self.weight);
        let mut value = 0i64;
        for place in 0..=end {
            let digit = usize::try_from(place)
                .ok()
                .and_then(|place| self.digits.get(place))
                .map_or(0, |digit| u16::from_ne_bytes(*digit));
            value = value.checked_mul(BASE)?.checked_add(i64::from(digit))?;
        }
        if value > MAX_EXACT {
            return None;
        }
        // The last digit taken counts 10,000 to the power of -places / 4.
        let places = (end - self.weight) * 4;
        let power = POWERS.get(usize::try_from(places).ok()?)?;
        Some(value as f64 / power)
    }

    /// The number by its decimal digits, no more than decide.
    fn by_text(&self) -> f64 {
        let (taken, cut) = self
            .digits
            .split_at_checked(DECISIVE)
            .unwrap_or((self.digits, &[]));
        let mut text = String::with_capacity(taken.len() * 4 + 8);
        for digit in taken {
            text.push_str(four_digits(u16::from_ne_bytes(*digit)).as_str());
        }
        let mut exponent = (self.weight + 1) * 4 - text.len() as i32;
        // Whatever was cut stands behind the middle between two doubles, if it isn't zero.
        if cut.iter().any(|digit| *digit != [0; 2]) {
            text.push('1');
            exponent -= 1;
        }
        text.push('e');
        text.push_str(&exponent.to_string());
        text.parse().expect("digits and an exponent are a number")
    }
}
