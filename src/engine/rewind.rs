//! Going back to the first stage when a result that was found turns out to be none.
//!
//! What was lacking is known by then, so the stage that made it is found lacking and computes.

use std::collections::HashMap;

use mitune_store::Store;

use super::error::EngineError;

/// How often a run goes back for the same reason.
const SAME: usize = 3;

/// Why a run went back, so that it ends if going back does not help.
#[derive(Debug, Default)]
pub(super) struct Rewinds {
    reasons: HashMap<String, usize>,
}

impl Rewinds {
    /// Tells whether the run may come further from the beginning.
    pub(super) fn may_help(&mut self, store: &Store, error: &EngineError) -> bool {
        // A remote lost them, or had other bytes, after their stage was found there.
        let lost = store.blobs().take_lost();
        let mut reasons: Vec<String> = lost.iter().map(ToString::to_string).collect();
        match error {
            EngineError::Disowned { stage, reason } => reasons.push(format!("{stage}: {reason}")),
            EngineError::Interrupted { .. } => return false,
            _ => {}
        }
        let mut help = false;
        for reason in reasons {
            let count = self.reasons.entry(reason).or_default();
            *count += 1;
            help |= *count <= SAME;
        }
        help
    }
}

#[cfg(test)]
mod tests {
    use mitune_store::{FileDigest, StoreError};

    use super::*;

    #[test]
    fn a_run_goes_back_for_each_reason_a_few_times() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let mut rewinds = Rewinds::default();
        let mut missing = |text: &str| {
            let file = FileDigest::of(text.as_bytes());
            assert!(store.blobs().read(&file).is_err());
            rewinds.may_help(&store, &EngineError::from(StoreError::MissingBlob(file)))
        };
        for text in ["a", "b", "c", "d", "e"] {
            assert!(missing(text), "{text}");
        }
        assert!(missing("a") && missing("a") && !missing("a"));
        let other = EngineError::Outputs {
            stage: "a".into(),
            declared: String::new(),
            yielded: String::new(),
        };
        assert!(!rewinds.may_help(&store, &other));
    }
}
