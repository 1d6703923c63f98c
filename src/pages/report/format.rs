//! Numbers, times and texts as people read them.

use mitune_store::Timestamp;

use crate::inspect::report::model::Interval;

const MINUS: char = '\u{2212}';
const ELLIPSIS: char = '\u{2026}';

/// A share as a percentage with one decimal, such as `54.2%`.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", hundredths(share))
}

/// A share in percent without the sign of it, as the ends of its interval are written.
pub(super) fn hundredths(share: f64) -> String {
    signed_zero(format!("{:.1}", share * 100.0))
}

/// An interval such as `[50.1, 58.3]`, with a way to write its ends.
pub(super) fn interval(interval: &Interval, end: fn(f64) -> String) -> String {
    format!("[{}, {}]", end(interval.low), end(interval.high))
}

/// A share close to 1 as a percentage with two decimals.
pub(super) fn percent_fine(share: f64) -> String {
    format!("{}%", decimal(share * 100.0, 2))
}

/// A difference of shares in percentage points with its sign, such as `+4.1`.
pub(super) fn points(difference: f64) -> String {
    plus(format!("{:.1}", difference * 100.0))
}

/// A number with three decimals, such as an area under a curve.
pub(super) fn three(value: f64) -> String {
    signed_zero(format!("{value:.3}"))
}

/// A number of any size with about four significant digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let text = if !value.is_finite() {
        format!("{value}")
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
        format!("{value:.decimals$}")
    };
    signed_zero(text)
}

/// A difference of numbers of any size with its sign.
pub(super) fn change(difference: f64) -> String {
    plus(number(difference))
}

/// A number with so many decimals.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    signed_zero(format!("{value:.decimals$}"))
}

/// A count with a comma before each group of three digits.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A noun with its count, with an `s` unless there is one.
pub(super) fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

/// A time span, such as `1.2 s`, `3 min 20 s` or `2 h 05 min`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        _ if seconds < 0.001 => "0 s".to_owned(),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        _ if seconds < 59.95 => format!("{seconds:.1} s"),
        0..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A size in bytes, such as `1.2 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut size = bytes as f64;
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = "B";
    for larger in units {
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = larger;
    }
    let decimals = usize::from(size < 99.95);
    format!("{size:.decimals$} {unit}")
}

/// A point in time in UTC, to the second.
pub(super) fn time(time: Timestamp) -> String {
    let known = i64::try_from(time.0)
        .ok()
        .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok());
    match known {
        Some(known) => known.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => "unknown time".to_owned(),
    }
}

/// The beginning of a text, and how many characters were cut off.
pub(super) fn shorten(text: &str, limit: usize) -> (String, usize) {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(limit).collect();
    match characters.count() {
        0 => (start, 0),
        rest => (format!("{start}{ELLIPSIS}"), rest),
    }
}

/// A text of at most so many characters, with an ellipsis where it was cut off.
pub(super) fn short(text: &str, limit: usize) -> String {
    shorten(text, limit).0
}

fn plus(text: String) -> String {
    let text = signed_zero(text);
    match text.starts_with(MINUS) || text.chars().all(|digit| matches!(digit, '0' | '.')) {
        true => text,
        false => format!("+{text}"),
    }
}

/// Writes a real minus sign, and none before a number that rounds to zero.
fn signed_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|digit| matches!(digit, '0' | '.')) => digits.to_owned(),
        Some(digits) => format!("{MINUS}{digits}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(percent(0.5423), "54.2%");
        assert_eq!(
            (points(0.041), points(-0.041)),
            ("+4.1".into(), "\u{2212}4.1".into())
        );
        assert_eq!((points(0.0), points(-0.0001)), ("0.0".into(), "0.0".into()));
        assert_eq!(three(-0.0001), "0.000");
        for (value, text) in [
            (0.0, "0"),
            (1234.5678, "1235"),
            (12.345678, "12.35"),
            (-0.0123456, "\u{2212}0.01235"),
            (1e-7, "1.00e-7"),
            (2.5e9, "2.50e9"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!((change(12.5), change(0.0)), ("+12.50".into(), "0".into()));
        assert_eq!(change(-0.25), "\u{2212}0.2500");
        assert_eq!((count(7), count(1234567)), ("7".into(), "1,234,567".into()));
        assert_eq!(
            (counted(1, "image"), counted(1000, "image")),
            ("1 image".into(), "1,000 images".into())
        );
    }

    #[test]
    fn spans_sizes_and_times_read_well() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.0421, "42 ms"),
            (1.24, "1.2 s"),
            (59.99, "1 min 00 s"),
            (200.4, "3 min 20 s"),
            (7500.0, "2 h 05 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1234, "1.2 kB"),
            (999_600, "1.0 MB"),
            (123_456_789, "123 MB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(time(Timestamp(1_750_000_000_999)), "2025-06-15 15:06:40 UTC");
        assert_eq!(time(Timestamp(u64::MAX)), "unknown time");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shorten("abc", 3), ("abc".to_owned(), 0));
        assert_eq!(
            shorten("\u{1f600}\u{e9}bc", 2),
            ("\u{1f600}\u{e9}\u{2026}".to_owned(), 2)
        );
    }
}
