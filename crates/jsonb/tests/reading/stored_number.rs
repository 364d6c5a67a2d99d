//! Writes a `numeric` as Postgres does, from the description in its source.

use socketio_emitter_jsonb::Numeric;

/// A `numeric` without its length header (`set_var_from_str` and `make_result` in `numeric.c`).
pub fn numeric(text: &str) -> Vec<u8> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut decimals = "0".repeat(whole.len().next_multiple_of(4) - whole.len());
    decimals += whole;
    let mut weight = decimals.len() as i32 / 4 - 1;
    decimals += fraction;
    decimals += &"0".repeat(decimals.len().next_multiple_of(4) - decimals.len());
    let mut digits: Vec<u16> = decimals
        .as_bytes()
        .chunks(4)
        .map(|four| four.iter().fold(0, |sum, d| sum * 10 + u16::from(d - b'0')))
        .collect();

    // strip_var
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..zeros);
    weight -= zeros as i32;
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let mut negative = text.starts_with('-');
    if digits.is_empty() {
        (weight, negative) = (0, false);
    }

    let scale = fraction.len() as u16;
    let mut words = if scale <= 63 && (-64..=63).contains(&weight) {
        let sign = if negative { 0x2000 } else { 0 };
        let below_one = if weight < 0 { 0x0040 } else { 0 };
        vec![0x8000 | sign | scale << 7 | below_one | (weight & 0x3F) as u16]
    } else {
        let sign = if negative { 0x4000 } else { 0 };
        vec![sign | scale, weight as i16 as u16]
    };
    words.extend(digits);
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// All digits of a number.
pub fn text(number: &Numeric<'_>) -> String {
    let mut text = String::new();
    number.write_text(&mut text);
    text
}
