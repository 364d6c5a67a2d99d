//! Text and double of any number, against Rust's own parser.

use crate::stored_number::{numeric, text};
use proptest::prelude::*;
use socketio_emitter_jsonb::{Decimal, Numeric};

/// Limits of a `numeric`: digits before the point, and behind it.
const MAX_WHOLE: usize = 131_072;
const MAX_SCALE: usize = 16_383;

fn finite(body: &[u8]) -> Numeric<'_> {
    match Decimal::new(body) {
        Ok(Decimal::Finite(number)) => number,
        other => panic!("{other:?}"),
    }
}

fn double(text: &str) -> f64 {
    finite(&numeric(text)).as_f64()
}

/// `digits` times 10 to the power of `exponent`, as Postgres prints it.
fn decimal(digits: &str, exponent: i32) -> String {
    let zeros = |count: usize| "0".repeat(count);
    let shift = exponent.unsigned_abs() as usize;
    let text = if exponent >= 0 {
        digits.to_owned() + &zeros(shift)
    } else {
        let digits = zeros((shift + 1).saturating_sub(digits.len())) + digits;
        let (whole, fraction) = digits.split_at(digits.len() - shift);
        format!("{whole}.{fraction}")
    };
    let whole = text.find('.').unwrap_or(text.len());
    let zeros = text[..whole - 1]
        .bytes()
        .take_while(|digit| *digit == b'0')
        .count();
    text[zeros..].to_owned()
}

/// Numbers of every size, most of them where doubles are, with few digits or more than decide.
fn decimals() -> impl Strategy<Value = String> {
    let digits = prop_oneof![
        3 => "[0-9]{1,20}",
        2 => "[0-9]{1,80}",
        1 => "[0-9]{700,900}",
        1 => "[1-9]0{0,2000}[0-9]{1,3}",
    ];
    let exponent = prop_oneof![
        4 => -30..30i32,
        4 => -400..400i32,
        1 => -(MAX_SCALE as i32)..MAX_WHOLE as i32,
        1 => -2000..2000i32,
    ];
    // What just fits into a double's 53 bits, and what just doesn't.
    let nearly_exact = ("[1-9][0-9]{14,16}", -8..=0);
    let any = prop_oneof![
        4 => (digits, exponent).boxed(),
        1 => nearly_exact.boxed(),
    ];
    ("-?", any).prop_map(|(sign, (digits, exponent))| {
        let most = (MAX_WHOLE - digits.len()) as i32;
        let text = decimal(&digits, exponent.min(most));
        let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        if is_zero { text } else { sign + &text }
    })
}

/// Exact sums and halves of decimal digits, all with the same number of places.
struct Digits(Vec<u8>);

/// As many as any double has, and one more for a half.
const PLACES: usize = 1075;

impl Digits {
    fn of(double: f64) -> Self {
        let text = format!("{double:0400.PLACES$}").replace('.', "");
        Self(text.bytes().map(|byte| byte - b'0').collect())
    }

    fn plus(mut self, other: &Self) -> Self {
        // Both are as wide as the widest double, and then some.
        let width = self.0.len().max(other.0.len());
        let mut carry = 0;
        let pad = |digits: &[u8]| [vec![0; width - digits.len()], digits.to_vec()].concat();
        self.0 = pad(&self.0);
        for (sum, digit) in self.0.iter_mut().zip(pad(&other.0)).rev() {
            carry += *sum + digit;
            *sum = carry % 10;
            carry /= 10;
        }
        self.0.insert(0, carry);
        self
    }

    fn halved(mut self) -> Self {
        let mut rest = 0;
        for digit in &mut self.0 {
            rest = rest * 10 + *digit;
            *digit = rest / 2;
            rest %= 2;
        }
        self
    }

    /// Less one in the last place.
    fn less_a_bit(mut self) -> Self {
        for digit in self.0.iter_mut().rev() {
            if *digit > 0 {
                *digit -= 1;
                break;
            }
            *digit = 9;
        }
        self
    }

    /// With further digits behind the last.
    fn text(&self, tail: &str) -> String {
        let digits: String = self
            .0
            .iter()
            .map(|digit| char::from(b'0' + digit))
            .collect();
        decimal(&(digits + tail), -((PLACES + tail.len()) as i32))
    }
}

/// The middle between a double and the next; behind the largest there would be 2 to the power of 1024.
fn middle(double: f64) -> Digits {
    if double == f64::MAX {
        return Digits::of(double).plus(&Digits::of(2f64.powi(970)));
    }
    Digits::of(double)
        .plus(&Digits::of(double.next_up()))
        .halved()
}

fn check_around_the_middle(below: f64, distance: usize) {
    let above = below.next_up();
    let even = if below.to_bits().is_multiple_of(2) {
        below
    } else {
        above
    };
    assert_eq!(double(&middle(below).text("")), even);
    assert_eq!(
        double(&middle(below).text(&("0".repeat(distance) + "1"))),
        above
    );
    assert_eq!(
        double(&middle(below).less_a_bit().text(&"9".repeat(distance))),
        below
    );
}

proptest! {
    #[test]
    fn a_number_is_printed_with_all_its_digits_and_is_the_double_of_its_text(decimal in decimals()) {
        let body = numeric(&decimal);
        let number = finite(&body);
        prop_assert_eq!(text(&number), decimal.as_str());
        let expected: f64 = decimal.parse().expect("a number");
        prop_assert_eq!(number.as_f64().to_bits(), expected.to_bits(), "{}", decimal);
        let integer = if decimal.contains('.') { None } else { decimal.parse().ok() };
        prop_assert_eq!(number.as_i64(), integer);
    }

    #[test]
    fn the_middle_between_two_doubles_is_rounded_by_its_very_last_digit(
        bits in 0..f64::MAX.to_bits(),
        distance in prop_oneof![0..20usize, 0..15_000usize],
    ) {
        check_around_the_middle(f64::from_bits(bits), distance);
    }
}

#[test]
fn the_smallest_and_the_largest_double_end_where_they_should() {
    for below in [
        0.0,
        5e-324,
        f64::MIN_POSITIVE.next_down(),
        f64::MIN_POSITIVE,
        1.0,
        f64::MAX.next_down(),
        f64::MAX,
    ] {
        for distance in [0, 1, 700, 15_000] {
            check_around_the_middle(below, distance);
        }
    }
    for (digits, exponent, expected) in [
        ("1", 308, 1e308),
        ("1", 309, f64::INFINITY),
        ("9", 308, f64::INFINITY),
        ("1", 131_071, f64::INFINITY),
        ("1", -323, 1e-323),
        ("1", -324, 0.0),
        ("3", -324, 5e-324),
        ("9", -325, 0.0),
        ("1", -16_383, 0.0),
    ] {
        let text = decimal(digits, exponent);
        assert_eq!(double(&text), expected, "{digits}e{exponent}");
        assert_eq!(
            double(&format!("-{text}")),
            -expected,
            "-{digits}e{exponent}"
        );
    }
}

#[test]
fn common_numbers_are_the_doubles_that_they_look_like() {
    for (text, expected) in [
        ("0", 0.0),
        ("0.000", 0.0),
        ("7", 7.0),
        ("1.50", 1.5),
        ("-9.125", -9.125),
        ("0.00001234", 0.000_012_34),
        ("12345678.99", 12_345_678.99),
        ("9000000000000", 9e12),
        ("9007199254740993", 9_007_199_254_740_992.0),
        (
            "9007199254740993.0000000000000000000000000000000001",
            9_007_199_254_740_994.0,
        ),
    ] {
        assert_eq!(double(text).to_bits(), f64::to_bits(expected), "{text}");
    }
}

/// Zeros that Postgres wouldn't store.
#[test]
fn leading_zeros_dont_make_a_number_larger() {
    let words = |words: &[u16]| -> Vec<u8> { words.iter().flat_map(|w| w.to_ne_bytes()).collect() };
    // Long form, weight 1000, a thousand zeros: the 5 counts one.
    let mut body = words(&[0, 1000]);
    body.resize(body.len() + 2 * 1000, 0);
    body.extend(words(&[5]));
    assert_eq!(finite(&body).as_f64(), 5.0);
    assert_eq!(finite(&words(&[0, 32_767, 0, 0])).as_f64(), 0.0);
}

/// It would take minutes, were the digits walked.
#[test]
fn a_number_beyond_all_doubles_takes_no_time() {
    let body = numeric(&decimal("1", 131_071));
    for _ in 0..200_000 {
        assert_eq!(finite(&body).as_f64(), f64::INFINITY);
    }
}
