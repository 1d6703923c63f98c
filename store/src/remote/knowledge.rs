//! What a remote has, found out before a push.

use super::parallel::parallel;
use super::upstream::LIST_FROM;
use super::{RemoteError, Upstream, listing};
use crate::names::{FileDigest, Object};

/// Finds out which records the remote has: by listing if there are many, else when they are created.
pub(super) fn learn_records(upstream: &Upstream, objects: &[Object]) -> Result<(), RemoteError> {
    let unknown = objects
        .iter()
        .filter(|object| !upstream.known.contains(object))
        .count();
    if unknown <= LIST_FROM {
        return Ok(());
    }
    let remote = upstream.remote();
    upstream
        .known
        .extend(listing::actions(remote)?.found.into_iter().map(Object::Action));
    let shards = listing::shards(remote)?.found.into_iter();
    upstream
        .known
        .extend(shards.map(|(family, name)| Object::Shard(family, name)));
    upstream.known.extend(listing::tombstones(remote)?.found);
    upstream
        .known
        .extend(listing::runs(remote)?.found.into_iter().map(Object::Run));
    Ok(())
}

/// Finds out which blobs the remote has: by listing if there are many, else by asking for each.
pub(super) fn learn_blobs(
    upstream: &Upstream,
    blobs: impl Iterator<Item = FileDigest>,
    first: bool,
) -> Result<(), RemoteError> {
    let blobs = blobs.map(Object::Blob);
    let unknown: Vec<Object> = blobs.filter(|blob| !upstream.known.contains(blob)).collect();
    if unknown.len() > LIST_FROM {
        if first {
            upstream.known.extend(
                listing::blobs(upstream.remote())?
                    .found
                    .into_iter()
                    .map(Object::Blob),
            );
        }
        return Ok(());
    }
    parallel(&unknown, |object| {
        if upstream.remote.size(object)?.is_some() {
            upstream.known.extend([*object]);
        }
        Ok(())
    })
}
