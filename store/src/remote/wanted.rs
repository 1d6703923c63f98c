use std::collections::BTreeSet;

use crate::error::StoreError;
use crate::names::{Digest, FamilyKey, Object, RunId, StageKey};
use crate::records::ActionRecord;
use crate::remote::RemoteError;
use crate::runs::RunStatus;
use crate::store::Store;

/// Fewer digits of a key would match by chance.
const DIGITS: usize = 4;

/// Which results a transfer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Everything.
    All,
    /// The results of one run.
    Run(RunId),
    /// The results of one kind of stage, or of the stage whose key begins so.
    Stage(String),
    /// The results that hold an artifact whose file or content digest begins so.
    Artifact(String),
}

impl Wanted {
    /// Refuses a transfer of chosen results of which there are none.
    pub(crate) fn check_found(&self, found: bool, side: &'static str) -> Result<(), RemoteError> {
        let what = match self {
            _ if found => return Ok(()),
            Self::All => return Ok(()),
            Self::Run(run) => format!("`--run {run}`: there is no such run"),
            Self::Stage(name) => format!("`--stage {name}`"),
            Self::Artifact(digits) => format!("`--artifact {digits}`"),
        };
        Err(RemoteError::NothingMatches { side, what })
    }

    /// Tells whether a record is wanted, as far as the record itself tells.
    pub(crate) fn matches(&self, record: &ActionRecord) -> bool {
        match self {
            Self::All => true,
            Self::Run(run) => record.run == Some(*run),
            Self::Stage(name) => {
                record.stage == *name
                    || (name.len() >= DIGITS
                        && record.key.to_string().starts_with(&name.to_ascii_lowercase()))
            }
            Self::Artifact(digits) => record.outputs.values().any(|artifact| {
                let begins = |digest: String| digest.starts_with(digits.as_str());
                begins(artifact.file.to_string()) || begins(artifact.content.to_string())
            }),
        }
    }
}

impl Store {
    /// Lists the records of this store that are wanted, in the order in which others may learn of them.
    pub(crate) fn wanted_here(&self, wanted: &Wanted) -> Result<Vec<Object>, StoreError> {
        let mut objects = Vec::new();
        // Few, and worth knowing whatever else is wanted.
        objects.extend(self.records().tombstones()?);
        let keys = match wanted {
            Wanted::All => {
                for (_, family) in self.fanned("shards", "")? {
                    let family = FamilyKey::new(family);
                    let names = self.shards().shard_names(&family)?;
                    objects.extend(names.into_iter().map(|name| Object::Shard(family, name)));
                }
                self.catalog().action_keys()?
            }
            Wanted::Run(run) => {
                let keys: BTreeSet<_> = self.runs().stages_of_run(run).collect();
                keys.into_iter().collect()
            }
            Wanted::Stage(_) | Wanted::Artifact(_) => {
                let matching = self.catalog().actions()?.filter(|record| wanted.matches(record));
                matching.map(|record| record.key).collect()
            }
        };
        if *wanted != Wanted::All {
            // A damaged one is set aside, and told, where it would be sent.
            let read = |key: &StageKey| {
                self.is_there(&self.layout().action(key));
                self.records().recorded_action(key)
            };
            let records: Vec<_> = keys.iter().filter_map(read).collect();
            let records: Vec<&ActionRecord> = records.iter().collect();
            let shards = self.shards_of(&records)?;
            objects.extend(
                shards
                    .into_iter()
                    .map(|(family, name)| Object::Shard(family, name)),
            );
        }
        objects.extend(keys.into_iter().map(Object::Action));
        match wanted {
            Wanted::All => objects.extend(self.ended_runs()?.into_iter().map(Object::Run)),
            Wanted::Run(run) => objects.push(Object::Run(*run)),
            Wanted::Stage(_) | Wanted::Artifact(_) => {}
        }
        Ok(objects)
    }

    /// Lists the shards whose rows stand in the results of some records.
    pub(crate) fn shards_of(
        &self,
        records: &[&ActionRecord],
    ) -> Result<Vec<(FamilyKey, Digest)>, StoreError> {
        let mut blobs = BTreeSet::new();
        for artifact in records.iter().flat_map(|record| record.outputs.values()) {
            // A list that is gone names nothing that could be looked for.
            blobs.extend(
                self.artifacts()
                    .members(artifact)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(blob, _)| blob),
            );
        }
        let mut shards = Vec::new();
        if blobs.is_empty() {
            return Ok(shards);
        }
        for (_, family) in self.fanned("shards", "")? {
            let family = FamilyKey::new(family);
            for name in self.shards().shard_names(&family)? {
                if let Some(record) = self.shards().good_shard(&family, &name)
                    && blobs.contains(&record.blob)
                {
                    shards.push((family, name));
                }
            }
        }
        Ok(shards)
    }

    fn ended_runs(&self) -> Result<Vec<RunId>, StoreError> {
        let runs = self.runs().list()?.into_iter();
        Ok(runs
            .filter(|run| run.status != RunStatus::Running)
            .map(|run| run.id)
            .collect())
    }
}
