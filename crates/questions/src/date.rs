//! Dates: extension −1 of MessagePack, as `JSON.stringify` writes a `Date`.

/// The text of `toISOString()`, of a timestamp extension's bytes. `None` if they are none, or none that JavaScript has.
///
/// The three forms are those of the specification
/// (<https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type>).
pub(crate) fn iso(bytes: &[u8]) -> Option<String> {
    let (seconds, nanoseconds) = match *bytes {
        [_, _, _, _] => (i64::from(u32::from_be_bytes(bytes.try_into().ok()?)), 0),
        [_, _, _, _, _, _, _, _] => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            ((both & 0x3_FFFF_FFFF) as i64, (both >> 34) as u32)
        }
        [_, _, _, _, ref seconds @ ..] if bytes.len() == 12 => (
            i64::from_be_bytes(seconds.try_into().ok()?),
            u32::from_be_bytes(bytes[..4].try_into().ok()?),
        ),
        _ => return None,
    };
    // 100,000,000 days before and after 1970 (https://tc39.es/ecma262/#sec-time-values-and-time-range).
    const MAX_SECONDS: i64 = 100_000_000 * 86_400;
    if seconds.abs() > MAX_SECONDS || nanoseconds >= 1_000_000_000 {
        return None;
    }
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{}{:06}", if year < 0 { '-' } else { '+' }, year.abs()),
    };
    Some(format!(
        "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        nanoseconds / 1_000_000
    ))
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar. Years are counted from March, and in
/// cycles of 400, after which the calendar repeats.
fn civil(days: i64) -> (i64, i64, i64) {
    const CYCLE: i64 = 146_097;
    // From 1 March 0000.
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year = (day - day / 1_460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(seconds: i64, nanoseconds: u32) -> Option<String> {
        let bytes = [&nanoseconds.to_be_bytes()[..], &seconds.to_be_bytes()[..]].concat();
        iso(&bytes)
    }

    #[test]
    fn each_form_and_the_ends_of_the_calendar() {
        // From new Date(...).toISOString() in Node.
        assert_eq!(iso(&[0; 4]).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        let both = (123_000_000u64 << 34) | 951_782_400;
        let leap = "2000-02-29T00:00:00.123Z";
        assert_eq!(iso(&both.to_be_bytes()).as_deref(), Some(leap));
        for (seconds, expected) in [
            (-1, "1969-12-31T23:59:59.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_800, "+010000-01-01T00:00:00.000Z"),
            (-62_167_219_200, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_201, "-000001-12-31T23:59:59.000Z"),
            (8_640_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ] {
            assert_eq!(long(seconds, 0).as_deref(), Some(expected));
        }
        assert_eq!(long(8_640_000_000_001, 0), None);
        assert_eq!(long(0, 1_000_000_000), None);
        assert_eq!(iso(&[0; 5]), None);
    }
}
