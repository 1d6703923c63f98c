//! The weights of the chunker, as `tools/noun_phrases/train_chunker.py` writes them.

/// Labels that a token can have.
pub(super) const LABELS: usize = 6;
/// Rows of weights.
pub(super) const ROWS: usize = 1 << 16;
/// What can come before a token: each label, and last the start of the prompt.
const PREVIOUS: usize = LABELS + 1;
const TRANSITION_BYTES: usize = PREVIOUS * LABELS * 2;

/// First two bytes for each pair of labels, then one for each row and label.
pub(super) static DATA: &[u8; TRANSITION_BYTES + ROWS * LABELS] =
    include_bytes!("../../data/noun_chunker.bin");

/// What speaks for each label where a feature is, each a signed byte.
pub(super) fn row(row: usize) -> &'static [u8] {
    &DATA[TRANSITION_BYTES + row * LABELS..][..LABELS]
}

/// What speaks for a label after another one, or at the start.
pub(super) fn transition(previous: Option<usize>, label: usize) -> i64 {
    let place = 2 * (previous.unwrap_or(LABELS) * LABELS + label);
    i64::from(i16::from_le_bytes([DATA[place], DATA[place + 1]]))
}
