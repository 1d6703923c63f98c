//! Ages and sizes as people write them.

use std::time::Duration;

/// Parses an age such as `7d`, `12h`, `30m` or `90s`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];
    let wrong = || format!("`{text}` is no age: write a number and s, m, h, d or w, such as `7d`");
    let (number, seconds) = split(text, &units).ok_or_else(wrong)?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// Parses a number of bytes such as `500GB`, `1.5TiB` or `1048576`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let units = [
        ("B", 1),
        ("", 1),
        ("kB", 1000),
        ("MB", 1000 * 1000),
        ("GB", 1000 * 1000 * 1000),
        ("TB", 1000 * 1000 * 1000 * 1000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let wrong = || format!("`{text}` is no size: write a number and a unit, such as `500GB` or `1.5TiB`");
    if let Some((number, unit)) = split(text, &units) {
        return number.checked_mul(unit).ok_or_else(wrong);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = units
        .iter()
        .find(|(name, _)| *name == &text[digits.len()..])
        .ok_or_else(wrong)?
        .1;
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let bytes = number * unit as f64;
    // Fractions of units are far below 2^53, where a float is exact.
    if digits.starts_with(|c: char| c.is_ascii_digit()) && bytes.is_finite() && bytes < 1e18 {
        return Ok(bytes as u64);
    }
    Err(wrong())
}

fn split(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = units.iter().find(|(name, _)| *name == &text[end..])?.1;
    Some((text[..end].parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_read_as_written() {
        let seconds = |text| age(text).map(|age| age.as_secs()).ok();
        let ages = [
            ("90s", 90),
            ("30m", 1800),
            ("12h", 43_200),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("0s", 0),
        ];
        for (text, expected) in ages {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "7",
            "d",
            "-1d",
            "1.5d",
            "7 d",
            "7D",
            "99999999999999999999s",
            "9999999999999999999w",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        let sizes = [
            ("0", 0),
            ("1048576", 1 << 20),
            ("500GB", 500_000_000_000),
            ("1.5TiB", 3 << 39),
            ("2KiB", 2048),
        ];
        for (text, expected) in sizes {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "GB",
            "-1GB",
            "1gb",
            "1.5.5GB",
            "infGB",
            "nanGB",
            "99999999999TiB",
            "1e99GB",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
