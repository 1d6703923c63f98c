//! Listing what a remote has, many folders at once.
//!
//! What stands where a file of a store should and is none is left out and told: one odd name must not hide the rest.

use std::sync::{Mutex, PoisonError};

use super::parallel::parallel;
use super::{Listing, Remote, RemoteError};
use crate::error::describe;
use crate::names::{Digest, FamilyKey, FileDigest, Object, RunId, StageKey};

/// What a listing found.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) found: Vec<T>,
    /// What was left out, and why.
    pub(crate) odd: Vec<String>,
}

/// Lists the blobs.
pub(crate) fn blobs(remote: &dyn Remote) -> Result<Listed<FileDigest>, RemoteError> {
    fanned(remote, "blobs", |object| match object {
        Object::Blob(file) => Some(file),
        _ => None,
    })
}

/// Lists the keys of the action records.
pub(crate) fn actions(remote: &dyn Remote) -> Result<Listed<StageKey>, RemoteError> {
    fanned(remote, "actions", |object| match object {
        Object::Action(key) => Some(key),
        _ => None,
    })
}

/// Lists the shard records of all families.
pub(crate) fn shards(remote: &dyn Remote) -> Result<Listed<(FamilyKey, Digest)>, RemoteError> {
    fanned(remote, "shards", shard)
}

/// Lists the shard records of one family.
pub(crate) fn family_shards(
    remote: &dyn Remote,
    family: &FamilyKey,
) -> Result<Listed<(FamilyKey, Digest)>, RemoteError> {
    let folder = format!("shards/{}/{family}", family.digest().fan());
    listed(remote, &[folder], &shard)
}

/// Lists the tombstones.
pub(crate) fn tombstones(remote: &dyn Remote) -> Result<Listed<Object>, RemoteError> {
    listed(remote, &["invalid".to_owned()], &Some)
}

/// Lists the runs.
pub(crate) fn runs(remote: &dyn Remote) -> Result<Listed<RunId>, RemoteError> {
    // Not all below: a run has a log of events beside its record.
    let listing = remote.list("runs")?;
    // Only names in the spelling of the store come back as a run.
    let run = |name: String| match format!("runs/{name}/run.json").parse().ok()? {
        Object::Run(run) => Some(run),
        _ => None,
    };
    Ok(Listed {
        found: listing.folders.into_iter().filter_map(run).collect(),
        odd: listing.odd,
    })
}

fn shard(object: Object) -> Option<(FamilyKey, Digest)> {
    match object {
        Object::Shard(family, name) => Some((family, name)),
        _ => None,
    }
}

/// Looks into every fan-out folder.
fn fanned<T: Send>(
    remote: &dyn Remote,
    top: &str,
    pick: impl Fn(Object) -> Option<T> + Sync,
) -> Result<Listed<T>, RemoteError> {
    let fans: Vec<String> = (0..=u8::MAX).map(|fan| format!("{top}/{fan:02x}")).collect();
    listed(remote, &fans, &pick)
}

/// Lists all below some folders; names that are not spelled as a store spells them are none of its files.
fn listed<T: Send>(
    remote: &dyn Remote,
    folders: &[String],
    pick: &(impl Fn(Object) -> Option<T> + Sync),
) -> Result<Listed<T>, RemoteError> {
    let (found, odd) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    parallel(folders, |folder| {
        let listing = match remote.list_below(folder) {
            Err(error @ RemoteError::Failed { .. }) => Listing {
                odd: vec![describe(&error)],
                ..Listing::default()
            },
            listing => listing?,
        };
        let parse = |name: &String| format!("{folder}/{name}").parse::<Object>().ok();
        let named = |object: &Object| format!("`{object}` at {} is a folder", remote.place());
        let folders = listing
            .folders
            .iter()
            .filter_map(parse)
            .map(|object| named(&object));
        let mut told = odd.lock().unwrap_or_else(PoisonError::into_inner);
        told.extend(listing.odd.into_iter().chain(folders));
        drop(told);
        let picked = listing.files.iter().filter_map(parse).filter_map(pick);
        found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(picked);
        Ok::<_, RemoteError>(())
    })?;
    Ok(Listed {
        found: found.into_inner().unwrap_or_else(PoisonError::into_inner),
        odd: odd.into_inner().unwrap_or_else(PoisonError::into_inner),
    })
}
