//! Bytes that no store has seen and no disk can compress.

/// Returns bytes that follow from two numbers.
pub(super) fn random_bytes(kind: u64, number: u64, count: usize) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&kind.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    let mut bytes = vec![0; count];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
