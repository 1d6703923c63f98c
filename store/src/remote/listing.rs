//! Listing what a remote has, many folders at once.

use super::parallel::{parallel, parallel_map};
use super::{Listing, Object, Remote, RemoteError};
use crate::digest::Digest;
use crate::id::{FamilyKey, FileDigest, StageKey};
use crate::run::RunId;

/// Lists the blobs.
pub(crate) fn blobs(remote: &dyn Remote) -> Result<Vec<FileDigest>, RemoteError> {
    let blob = |object| match object {
        Object::Blob(file) => Some(file),
        _ => None,
    };
    Ok(fanned(remote, "blobs")?.into_iter().filter_map(blob).collect())
}

/// Lists the keys of the action records.
pub(crate) fn actions(remote: &dyn Remote) -> Result<Vec<StageKey>, RemoteError> {
    let key = |object| match object {
        Object::Action(key) => Some(key),
        _ => None,
    };
    Ok(fanned(remote, "actions")?.into_iter().filter_map(key).collect())
}

/// Lists the shard records of all families.
pub(crate) fn shards(remote: &dyn Remote) -> Result<Vec<(FamilyKey, Digest)>, RemoteError> {
    let fans = fans("shards");
    let families: Vec<FamilyKey> = parallel_map(&fans, |fan| remote.list(fan))?
        .into_iter()
        .flat_map(|listing| listing.folders)
        .filter_map(|name| Some(FamilyKey::new(name.parse().ok()?)))
        .collect();
    let shards = parallel_map(&families, |family| family_shards(remote, family))?;
    Ok(shards.into_iter().flatten().collect())
}

/// Lists the shard records of one family.
pub(crate) fn family_shards(
    remote: &dyn Remote,
    family: &FamilyKey,
) -> Result<Vec<(FamilyKey, Digest)>, RemoteError> {
    let folder = format!("shards/{}/{family}", family.digest().fan());
    let shard = |object| match object {
        Object::Shard(family, name) => Some((family, name)),
        _ => None,
    };
    let listing = remote.list(&folder)?;
    Ok(objects(&folder, listing).into_iter().filter_map(shard).collect())
}

/// Lists the tombstones.
pub(crate) fn tombstones(remote: &dyn Remote) -> Result<Vec<Object>, RemoteError> {
    let folders = remote.list("invalid")?.folders;
    let strict: Vec<Digest> = folders.iter().filter_map(|name| name.parse().ok()).collect();
    let listed = parallel_map(&strict, |subject| tombstones_of(remote, subject))?;
    Ok(listed.into_iter().flatten().collect())
}

/// Lists the tombstones of one stage key or shard name.
pub(crate) fn tombstones_of(remote: &dyn Remote, subject: &Digest) -> Result<Vec<Object>, RemoteError> {
    let folder = format!("invalid/{subject}");
    Ok(objects(&folder, remote.list(&folder)?))
}

/// Lists the runs.
pub(crate) fn runs(remote: &dyn Remote) -> Result<Vec<RunId>, RemoteError> {
    let folders = remote.list("runs")?.folders;
    // Only names in the spelling of the store come back as a run.
    let run = |name: String| match format!("runs/{name}/run.json").parse().ok()? {
        Object::Run(run) => Some(run),
        _ => None,
    };
    Ok(folders.into_iter().filter_map(run).collect())
}

/// Looks into every fan-out folder.
fn fanned(remote: &dyn Remote, top: &str) -> Result<Vec<Object>, RemoteError> {
    let found = std::sync::Mutex::new(Vec::new());
    parallel(&fans(top), |folder| {
        let listing = remote.list(folder)?;
        let objects = objects(folder, listing);
        found
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .extend(objects);
        Ok::<_, RemoteError>(())
    })?;
    Ok(found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn fans(top: &str) -> Vec<String> {
    (0..=u8::MAX).map(|fan| format!("{top}/{fan:02x}")).collect()
}

/// Parses the names of files; what is not spelled as a store spells it is left out.
fn objects(folder: &str, listing: Listing) -> Vec<Object> {
    let names = listing.files.into_iter();
    names
        .filter_map(|name| format!("{folder}/{name}").parse().ok())
        .collect()
}
