//! Text as a number.

/// FNV-1a of the bytes.
pub(super) fn text_hash(text: &str) -> u32 {
    bytes_hash(text.as_bytes())
}

/// The same of bytes that are no text.
pub(super) fn bytes_hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
