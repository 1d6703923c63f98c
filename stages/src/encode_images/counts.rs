//! What became of the rows of a source.

use std::collections::BTreeMap;

/// What became of the rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) read: u64,
    pub(super) ties: u64,
    pub(super) broken: u64,
    /// Rows that show what another row shows.
    pub(super) repeated: u64,
    /// Pairs of one and the same image.
    pub(super) alike: u64,
    pub(super) not_sampled: u64,
    /// Rows without a prompt, by the reason.
    pub(super) rejected: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// What became of the rows, in a few words.
    pub(super) fn in_words(&self) -> String {
        let rejected = self.rejected.iter().map(|(reason, count)| (*reason, *count));
        let others = [
            ("ties", self.ties),
            ("broken images", self.broken),
            ("repeated", self.repeated),
            ("pairs of one image", self.alike),
            ("not sampled", self.not_sampled),
        ];
        let counted = others.into_iter().chain(rejected).filter(|(_, count)| *count > 0);
        let counted: Vec<String> = counted
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        match counted.is_empty() {
            true => format!("{} rows read", self.read),
            false => format!("{} rows read, {}", self.read, counted.join(", ")),
        }
    }
}
