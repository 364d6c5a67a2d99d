//! Postgres's `numeric`: sign, scale, and digits to base 10,000
//! (`src/backend/utils/adt/numeric.c`, `struct NumericData`).

use crate::bytes::{Corrupt, u32_at};
use crate::digit::{BASE, four_digits};
use crate::double::Significant;

// numeric.c: the two high bits of the first header word.
const FLAGS: u16 = 0xC000;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const SHORT: u16 = 0x8000;

// numeric.c: NUMERIC_SHORT_* and NUMERIC_DSCALE_MASK.
const SHORT_SIGN: u16 = 0x2000;
const SHORT_SCALE: u16 = 0x1F80;
const SHORT_SCALE_SHIFT: u32 = 7;
const SHORT_WEIGHT_SIGN: u16 = 0x0040;
const SHORT_WEIGHT: u16 = 0x003F;
const LONG_SCALE: u16 = 0x3FFF;

/// What a column of type `numeric` holds, which JSON has less of.
#[derive(Debug, Clone, Copy)]
pub enum Decimal<'a> {
    Finite(Numeric<'a>),
    /// Not finite: as Postgres writes it, and `to_jsonb` as a string.
    Special(&'static str),
}

// numeric.c: NUMERIC_NAN, NUMERIC_PINF, NUMERIC_NINF.
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

impl<'a> Decimal<'a> {
    /// `payload`: the detoasted datum without its varlena header (`VARDATA_ANY`).
    pub fn new(payload: &'a [u8]) -> Result<Self, Corrupt> {
        let header = u16::from_ne_bytes(*payload.first_chunk().ok_or(Corrupt)?);
        Ok(match header {
            NAN => Self::Special("NaN"),
            INFINITY => Self::Special("Infinity"),
            NEGATIVE_INFINITY => Self::Special("-Infinity"),
            _ => Self::Finite(Numeric::of_body(payload)?),
        })
    }
}

/// A finite decimal number. JSON has no NaN and no infinity, so neither has `jsonb`.
#[derive(Debug, Clone, Copy)]
pub struct Numeric<'a> {
    negative: bool,
    /// Decimal digits shown after the point.
    scale: usize,
    /// The first stored digit counts `10_000 ^ weight`.
    weight: i32,
    digits: &'a [[u8; 2]],
}

impl<'a> Numeric<'a> {
    /// `varlena`: the stored number with its four-byte length header.
    pub(crate) fn new(varlena: &'a [u8]) -> Result<Self, Corrupt> {
        let length = varlena_length(u32_at(varlena, 0)?).ok_or(Corrupt)?;
        Self::of_body(varlena.get(4..length).ok_or(Corrupt)?)
    }

    fn of_body(body: &'a [u8]) -> Result<Self, Corrupt> {
        let (words, rest) = body.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Corrupt);
        }
        let (&first, words) = words.split_first().ok_or(Corrupt)?;
        let header = u16::from_ne_bytes(first);
        match header & FLAGS {
            SHORT => {
                let magnitude = i32::from(header & SHORT_WEIGHT);
                Ok(Self {
                    negative: header & SHORT_SIGN != 0,
                    scale: usize::from((header & SHORT_SCALE) >> SHORT_SCALE_SHIFT),
                    weight: if header & SHORT_WEIGHT_SIGN != 0 {
                        magnitude | !i32::from(SHORT_WEIGHT)
                    } else {
                        magnitude
                    },
                    digits: words,
                })
            }
            sign @ (POSITIVE | NEGATIVE) => {
                let (&weight, digits) = words.split_first().ok_or(Corrupt)?;
                Ok(Self {
                    negative: sign == NEGATIVE,
                    scale: usize::from(header & LONG_SCALE),
                    weight: i32::from(i16::from_ne_bytes(weight)),
                    digits,
                })
            }
            _ => Err(Corrupt),
        }
    }

    /// The number as an integer, if it is written without a decimal point and fits.
    pub fn as_i64(&self) -> Option<i64> {
        if self.scale != 0 || self.weight > 4 {
            return None;
        }
        // Negative while summing up: i64::MIN has no positive counterpart.
        let mut value = 0i64;
        for place in 0..=self.weight {
            value = value
                .checked_mul(BASE)?
                .checked_sub(i64::from(self.digit(place)))?;
        }
        if self.negative {
            Some(value)
        } else {
            value.checked_neg()
        }
    }

    /// The nearest double, ties to even; infinity beyond the largest: what `JSON.parse` makes of the
    /// text. It takes about as long for a number of 131,072 digits as for one of 800.
    pub fn as_f64(&self) -> f64 {
        let magnitude = match self.significant() {
            Some(significant) => significant.nearest(),
            None => 0.0,
        };
        if self.negative { -magnitude } else { magnitude }
    }

    /// What remains without leading zeros; nothing of zero.
    fn significant(&self) -> Option<Significant<'a>> {
        let zeros = self.digits.iter().position(|digit| *digit != [0; 2])?;
        Some(Significant {
            weight: self.weight - i32::try_from(zeros).ok()?,
            digits: &self.digits[zeros..],
        })
    }

    /// Appends what `numeric_out` prints (`get_str_from_var` in numeric.c): a valid JSON number.
    pub fn write_text(&self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        if self.weight < 0 {
            out.push('0');
        } else {
            let first = four_digits(self.digit(0));
            let text = first.as_str().trim_start_matches('0');
            out.push_str(if text.is_empty() { "0" } else { text });
            for place in 1..=self.weight {
                out.push_str(four_digits(self.digit(place)).as_str());
            }
        }
        if self.scale > 0 {
            out.push('.');
            let end = out.len() + self.scale;
            // May be negative: places between the point and the first stored digit are zeros.
            let mut place = self.weight + 1;
            while out.len() < end {
                out.push_str(four_digits(self.digit(place)).as_str());
                place += 1;
            }
            out.truncate(end);
        }
    }

    /// The digit that counts `10_000 ^ (weight - place)`; zeros at either end aren't stored.
    fn digit(&self, place: i32) -> u16 {
        usize::try_from(place)
            .ok()
            .and_then(|place| self.digits.get(place))
            .map_or(0, |digit| u16::from_ne_bytes(*digit))
    }
}

/// `VARSIZE_4B` of an uncompressed, inline varlena (`src/include/varatt.h`), or none.
fn varlena_length(header: u32) -> Option<usize> {
    if cfg!(target_endian = "big") {
        (header & 0xC000_0000 == 0).then_some((header & 0x3FFF_FFFF) as usize)
    } else {
        (header & 0x03 == 0).then_some((header >> 2) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stored number, as `make_result` in numeric.c lays it out.
    fn stored(header: &[u16], digits: &[u16]) -> Vec<u8> {
        let words = [header, digits].concat();
        let length = 4 + 2 * words.len() as u32;
        let varlena = if cfg!(target_endian = "big") {
            length
        } else {
            length << 2
        };
        let mut bytes = varlena.to_ne_bytes().to_vec();
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    fn short(scale: u16, weight: i16, digits: &[u16]) -> Vec<u8> {
        let sign = if weight < 0 { SHORT_WEIGHT_SIGN } else { 0 };
        stored(
            &[SHORT | scale << 7 | sign | weight as u16 & SHORT_WEIGHT],
            digits,
        )
    }

    fn text(bytes: &[u8]) -> String {
        let mut out = String::new();
        Numeric::new(bytes).expect("valid").write_text(&mut out);
        out
    }

    #[test]
    fn prints_what_numeric_out_prints() {
        assert_eq!(text(&short(0, 0, &[])), "0");
        assert_eq!(text(&short(0, 0, &[7])), "7");
        assert_eq!(text(&short(0, 1, &[12, 34])), "120034");
        assert_eq!(text(&short(0, 3, &[1])), "1000000000000");
        assert_eq!(text(&short(2, 0, &[1, 5000])), "1.50");
        assert_eq!(text(&short(8, -2, &[1234])), "0.00001234");
        assert_eq!(text(&short(6, -1, &[1200])), "0.120000");
        assert_eq!(text(&stored(&[NEGATIVE | 3, 0], &[9, 1250])), "-9.125");
        assert_eq!(text(&stored(&[SHORT | SHORT_SIGN], &[42])), "-42");
    }

    #[test]
    fn integers_are_recognised_only_when_they_fit_and_have_no_point() {
        let int = |bytes: &[u8]| Numeric::new(bytes).expect("valid").as_i64();
        assert_eq!(int(&short(0, 1, &[12, 34])), Some(120_034));
        assert_eq!(int(&stored(&[SHORT | SHORT_SIGN], &[42])), Some(-42));
        let max = [922, 3372, 368, 5477, 5807];
        assert_eq!(int(&short(0, 4, &max)), Some(i64::MAX));
        let min = [922, 3372, 368, 5477, 5808];
        assert_eq!(int(&short(0, 4, &min)), None);
        assert_eq!(int(&stored(&[NEGATIVE, 4], &min)), Some(i64::MIN));
        assert_eq!(int(&short(0, 5, &[1])), None);
        assert_eq!(int(&short(1, 0, &[1])), None);
    }

    #[test]
    fn damaged_numbers_are_refused() {
        assert!(Numeric::new(&[]).is_err());
        assert!(Numeric::new(&short(0, 0, &[1])[..6]).is_err());
        let nan = stored(&[0xC000], &[]);
        assert!(Numeric::new(&nan).is_err());
    }
}
