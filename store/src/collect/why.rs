//! Why something is kept: the way from a root to it.

use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

use super::chain::{Chain, ChainStep, Root};
use super::digest_set::DigestSet;
use super::error::CollectError;
use super::links::ActionLinks;
use super::mark::Keep;
use super::mark_roots::{checkpoint_paths, is_recent, pin_error, shard_paths};
use super::options::CollectOptions;
use crate::artifacts::ArtifactKind;
use crate::names::{FamilyKey, FileDigest, StageKey};
use crate::retention::PinTarget;
use crate::store::Store;

/// More ways than a reader wants to see.
const MOST: usize = 16;

impl Store {
    /// Finds out why something stays: the shortest way from each root to a stage key, blob or content whose digest
    /// begins with the given digits.
    ///
    /// Recent records are looked through only if no other root leads there.
    ///
    /// # Errors
    /// [`CollectError`] if a record cannot be read.
    pub fn why(&self, digits: &str, options: &CollectOptions) -> Result<Vec<Chain>, CollectError> {
        let now = self.clock();
        let mut search = Search {
            store: self,
            digits,
            fruitless: DigestSet::default(),
        };
        let mut chains = Vec::new();
        for pin in self.pins().list().map_err(pin_error)? {
            let root = Root::Pin(pin.name);
            match pin.target {
                PinTarget::Run(run) => search.from(&root, self.runs().stages_of_run(&run), &mut chains)?,
                PinTarget::Stage(key) => search.from(&root, [key], &mut chains)?,
                PinTarget::Artifact { artifact, .. } => {
                    let found = search.artifact("artifact", artifact.kind, &artifact.file)?;
                    chains.extend(found.map(|steps| Chain { root, steps }));
                }
            }
        }
        for key in self.leased()? {
            search.from(&Root::Lease, [key], &mut chains)?;
        }
        for run in self.kept_runs(options.keep_runs, options.older_than, now)? {
            if run.why.is_none() || chains.len() >= MOST {
                continue;
            }
            search.from(
                &Root::Run(run.id),
                self.runs().stages_of_run(&run.id),
                &mut chains,
            )?;
        }
        if chains.is_empty() {
            search.recent(options, now, &mut chains)?;
        }
        chains.truncate(MOST);
        Ok(chains)
    }
}

struct Search<'a> {
    store: &'a Store,
    digits: &'a str,
    /// Stages that lead nowhere, so that the next root need not follow them again.
    fruitless: DigestSet,
}

impl Search<'_> {
    /// Looks for the shortest way that begins with one of the stages.
    fn from(
        &mut self,
        root: &Root,
        keys: impl IntoIterator<Item = StageKey>,
        chains: &mut Vec<Chain>,
    ) -> Result<(), CollectError> {
        let mut wave: Vec<(StageKey, Keep)> = keys.into_iter().map(|key| (key, Keep::Results)).collect();
        let mut before: HashMap<StageKey, (Option<StageKey>, String)> = HashMap::new();
        wave.iter().for_each(|(key, _)| {
            before.insert(*key, (None, String::new()));
        });
        while !wave.is_empty() {
            let mut next = Vec::new();
            for (key, keep) in std::mem::take(&mut wave) {
                if keep == Keep::Results && self.fruitless.contains(key.digest()) {
                    continue;
                }
                let links = self.store.action_links(&key)?;
                if let (Some(links), Some(entry)) = (&links, before.get_mut(&key)) {
                    entry.1.clone_from(&links.stage);
                }
                let found = match &links {
                    Some(links) => self.stage(&key, links, keep)?,
                    None => self.checkpoints(&key)?,
                };
                if let Some(steps) = found {
                    let steps = [way(&before, key), steps].concat();
                    let root = root.clone();
                    chains.push(Chain { root, steps });
                    return Ok(());
                }
                for input in links.iter().flat_map(ActionLinks::inputs) {
                    before.entry(input).or_insert_with(|| {
                        next.push((input, Keep::Record));
                        (Some(key), String::new())
                    });
                }
            }
            wave = next;
        }
        for (key, (parent, _)) in before {
            if parent.is_none() {
                self.fruitless.insert(key.digest());
            }
        }
        Ok(())
    }

    /// Looks at what a stage keeps itself.
    fn stage(
        &self,
        key: &StageKey,
        links: &ActionLinks,
        keep: Keep,
    ) -> Result<Option<Vec<ChainStep>>, CollectError> {
        if self.is_wanted(key) {
            return Ok(Some(Vec::new()));
        }
        if self.is_wanted(&links.preimage) {
            return Ok(Some(vec![step("preimage", &links.preimage)]));
        }
        if keep == Keep::Record {
            return Ok(None);
        }
        for (port, output) in &links.outputs {
            let what = format!("output `{port}`");
            if self.is_wanted(&output.content) {
                return Ok(Some(vec![step(&what, &output.file)]));
            }
            if let Some(steps) = self.artifact(&what, output.kind, &output.file)? {
                return Ok(Some(steps));
            }
        }
        Ok(None)
    }

    fn artifact(
        &self,
        what: &str,
        kind: ArtifactKind,
        file: &FileDigest,
    ) -> Result<Option<Vec<ChainStep>>, CollectError> {
        if self.is_wanted(file) {
            return Ok(Some(vec![step(what, file)]));
        }
        let members = self.store.member_links(kind, file)?;
        let part = members.iter().find(|part| self.is_wanted(part));
        Ok(part.map(|part| vec![step(what, file), step("part", part)]))
    }

    fn checkpoints(&self, key: &StageKey) -> Result<Option<Vec<ChainStep>>, CollectError> {
        for (path, number) in checkpoint_paths(self.store, key)? {
            let Some(links) = self.store.checkpoint_links(&path)? else {
                continue;
            };
            if let Some((name, file)) = links.blobs.iter().find(|(_, file)| self.is_wanted(file)) {
                return Ok(Some(vec![step(&format!("checkpoint {number}, `{name}`"), file)]));
            }
        }
        Ok(None)
    }

    fn shards(
        &self,
        root: &Root,
        family: &FamilyKey,
        counts: impl Fn(&std::path::Path) -> bool,
        chains: &mut Vec<Chain>,
    ) -> Result<(), CollectError> {
        for (path, name) in shard_paths(self.store, family)? {
            if chains.len() < MOST
                && counts(&path)
                && let Some(links) = self.store.shard_links(&path)?
                && (self.is_wanted(&links.blob) || self.is_wanted(&name))
            {
                let steps = vec![
                    step("family", family),
                    step("shard", &name),
                    step("blob", &links.blob),
                ];
                let root = root.clone();
                chains.push(Chain { root, steps });
            }
        }
        Ok(())
    }

    fn recent(
        &mut self,
        options: &CollectOptions,
        now: SystemTime,
        chains: &mut Vec<Chain>,
    ) -> Result<(), CollectError> {
        let store = self.store;
        let recent = options.recent(store);
        let is_recent = |path: &std::path::Path| is_recent(store, path, recent, now);
        for fan in store.fans("actions")? {
            for (path, key) in store.fan_entries(&fan, ".json")? {
                if chains.len() < MOST && is_recent(&path) {
                    self.from(&Root::Recent, [StageKey::new(key)], chains)?;
                }
            }
        }
        for fan in store.fans("shards")? {
            for (_, family) in store.fan_entries(&fan, "")? {
                self.shards(&Root::Recent, &FamilyKey::new(family), is_recent, chains)?;
            }
        }
        for fan in store.fans("checkpoints")? {
            for (_, key) in store.fan_entries(&fan, "")? {
                let key = StageKey::new(key);
                if let Some(steps) = self.checkpoints(&key)? {
                    let steps = [vec![step("stage", &key)], steps].concat();
                    let root = Root::Recent;
                    chains.push(Chain { root, steps });
                }
            }
        }
        Ok(())
    }

    fn is_wanted(&self, digest: &impl fmt::Display) -> bool {
        digest.to_string().starts_with(self.digits)
    }
}

/// Lists the stages from the root to this one.
fn way(before: &HashMap<StageKey, (Option<StageKey>, String)>, key: StageKey) -> Vec<ChainStep> {
    let mut steps = Vec::new();
    let mut next = Some(key);
    while let Some(key) = next {
        let Some((parent, stage)) = before.get(&key) else {
            break;
        };
        steps.push(step(&format!("stage `{stage}`"), &key));
        next = *parent;
    }
    steps.reverse();
    steps
}

fn step(what: &str, digest: &impl fmt::Display) -> ChainStep {
    ChainStep {
        what: what.to_owned(),
        digest: digest.to_string(),
    }
}
