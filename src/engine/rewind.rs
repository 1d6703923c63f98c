//! Going back to the first stage when a result that was found turns out to be none.
//!
//! What was lacking is known by then, so the stage that made it is found lacking and computes.

use std::collections::HashMap;
use std::error::Error;

use mitune_store::{FileDigest, StoreError};

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
    pub(super) fn may_help(&mut self, error: &EngineError) -> bool {
        let reason = match (error, lacking(error)) {
            (EngineError::Disowned { stage, reason }, _) => format!("{stage}: {reason}"),
            // A remote lost it, or had other bytes, after its stage was found there.
            (_, Some(file)) => file.to_string(),
            _ => return false,
        };
        let count = self.reasons.entry(reason).or_default();
        *count += 1;
        *count <= SAME
    }
}

/// Returns the blob for lack of which a stage failed.
fn lacking(error: &EngineError) -> Option<FileDigest> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(StoreError::MissingBlob(file) | StoreError::CorruptBlob { file, .. }) =
            error.downcast_ref::<StoreError>()
        {
            return Some(*file);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_back_for_each_reason_a_few_times() {
        let mut rewinds = Rewinds::default();
        let missing =
            |text: &str| EngineError::from(StoreError::MissingBlob(FileDigest::of(text.as_bytes())));
        for text in ["a", "b", "c", "d", "e"] {
            assert!(rewinds.may_help(&missing(text)), "{text}");
        }
        assert!(rewinds.may_help(&missing("a")) && rewinds.may_help(&missing("a")));
        assert!(!rewinds.may_help(&missing("a")));
        let other = EngineError::Outputs {
            stage: "a".into(),
            declared: String::new(),
            yielded: String::new(),
        };
        assert!(!rewinds.may_help(&other));
    }
}
