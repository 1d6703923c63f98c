//! Counts in messages.

/// Returns what a noun ends with after a count: nothing after one, else `s`.
pub(crate) fn plural(count: u64) -> &'static str {
    match count {
        1 => "",
        _ => "s",
    }
}
