//! What must and what may be in a store, from what was promised before it crashed.

use std::collections::BTreeSet;

use super::journal::{Claim, Entry, Fact};
use crate::names::FileDigest;

#[derive(Debug, Clone, Default)]
pub(super) struct Expectation {
    /// What must be there.
    pub(super) claims: Vec<Claim>,
    /// What may be there.
    pub(super) attempted: BTreeSet<Fact>,
    /// The test took or damaged something, so that records may name what is gone.
    pub(super) damaged: bool,
    /// Something may lie in the trash.
    pub(super) collected: bool,
    /// A key that was acknowledged with two results, one after the other.
    pub(super) contradiction: Option<String>,
}

impl Expectation {
    pub(super) fn read(&mut self, entry: &Entry) {
        match entry {
            Entry::Disk(_) => {}
            Entry::Attempted(fact) => {
                self.attempted.insert(fact.clone());
            }
            Entry::Acknowledged(claim) => self.claim(claim.clone()),
            Entry::Lost(file) => {
                self.damaged = true;
                self.forget_checkpoints_with(file);
                self.claims.retain(|claim| !claim.needs.contains(file));
            }
            Entry::Collected => self.collected = true,
            Entry::LostRecord(lost) | Entry::Forgotten(lost) => {
                self.damaged |= matches!(entry, Entry::LostRecord(_));
                self.claims
                    .retain(|claim| !matches!(&claim.fact, Fact::Record { key, .. } if key == lost));
            }
        }
    }

    /// Without its newest checkpoints a stage may have none left, since the older ones were dropped.
    fn forget_checkpoints_with(&mut self, file: &FileDigest) {
        let stage = |claim: &Claim| match &claim.fact {
            Fact::Checkpoint { key, .. } => Some(*key),
            _ => None,
        };
        let hurt = self.claims.iter().filter(|claim| claim.needs.contains(file));
        let hurt: BTreeSet<_> = hurt.filter_map(stage).collect();
        self.claims
            .retain(|claim| stage(claim).is_none_or(|key| !hurt.contains(&key)));
    }

    fn claim(&mut self, claim: Claim) {
        if let Fact::Record { key, file } = &claim.fact {
            for other in &self.claims {
                if let Fact::Record {
                    key: known,
                    file: before,
                } = &other.fact
                    && known == key
                    && before != file
                    && !self.collected
                {
                    self.contradiction = Some(format!("{key} was {before} and became {file}"));
                }
            }
        }
        if !self
            .claims
            .iter()
            .any(|known| known.fact == claim.fact && known.needs == claim.needs)
        {
            self.claims.push(claim);
        }
    }

    /// Forgets what one file that could not be read may have taken along.
    pub(super) fn expect_nothing(&mut self) {
        self.claims.clear();
        self.contradiction = None;
        self.damaged = true;
    }
}
