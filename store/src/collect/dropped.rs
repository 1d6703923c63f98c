//! Stages whose results were collected on purpose while their records stay.
//!
//! Without a note of it, `verify` could not tell them from results that were lost.

use super::error::CollectError;
use super::sweep::Sweep;
use crate::files::{parent, publish};
use crate::names::StageKey;
use crate::store::Store;

impl Sweep<'_> {
    /// Notes that the results of a kept record are about to be collected.
    pub(super) fn note_drop(&mut self, key: &StageKey) -> Result<(), CollectError> {
        if self.moves.is_none() || self.mark.has_results(key) || self.store.is_dropped(key) {
            return Ok(());
        }
        let Some(links) = self.store.action_links(key)? else {
            return Ok(());
        };
        for output in links.outputs.values() {
            let members = self.store.member_links(output.kind, &output.file)?;
            if members
                .iter()
                .chain([&output.file])
                .all(|file| self.mark.has_blob(file))
            {
                continue;
            }
            let staged = self.store.stage(None)?;
            publish(&staged, &self.store.layout().dropped(key))?;
            break;
        }
        Ok(())
    }
}

impl Store {
    /// Tells whether the results of a stage were collected although its record stays.
    pub(crate) fn is_dropped(&self, key: &StageKey) -> bool {
        self.files().exists(&self.layout().dropped(key))
    }

    /// Removes the note once the results are there again, or the record is gone.
    pub(crate) fn forget_drop(&self, key: &StageKey) {
        let note = self.layout().dropped(key);
        // A note too many only hides that results are missing that nothing keeps.
        if self.files().exists(&note) && self.check_inside(parent(&note)).is_ok() {
            let _ = self.files().remove_file(&note);
        }
    }
}
