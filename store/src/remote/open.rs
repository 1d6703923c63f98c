//! From the settings of a remote to the remote.

use std::sync::Arc;

use ulid::Ulid;

use super::bucket::BucketOptions;
use super::place::{Place, check_endpoint};
use super::{Bucket, Credentials, Folder, Remote, RemoteError, RemoteSettings};
use crate::error::StoreError;
use crate::files::{Format, FormatError};
use crate::names::Object;
use crate::open_options::OpenOptions;
use crate::store::Store;

/// Opens a remote and checks that it holds the store it was added with.
///
/// # Errors
/// [`RemoteError`] if it cannot be reached or holds another store.
pub fn open(settings: &RemoteSettings, credentials: &Credentials) -> Result<Arc<dyn Remote>, RemoteError> {
    let (remote, found) = connect(settings, credentials, false)?;
    let found = found.map(|format| format.store_id);
    if found.as_deref() == Some(settings.store_id.as_str()) {
        return Ok(remote);
    }
    Err(RemoteError::OtherStore {
        place: remote.place(),
        found: found.map_or_else(|| "no store".to_owned(), |id| format!("the store `{id}`")),
        expected: settings.store_id.clone(),
    })
}

/// Reaches a remote, makes the store there if that is asked for, and reads which store it is.
pub(crate) fn connect(
    settings: &RemoteSettings,
    credentials: &Credentials,
    create: bool,
) -> Result<(Arc<dyn Remote>, Option<Format>), RemoteError> {
    match Place::parse(&settings.url)? {
        Place::Folder(path) => {
            let store = Store::open_with(&path, OpenOptions::default().create(create))?;
            let format = Some(store.format().clone()).filter(|format| !format.store_id.is_empty());
            Ok((Arc::new(Folder::new(store)), format))
        }
        Place::Bucket {
            bucket,
            prefix,
            endpoint,
            region,
        } => {
            let mut options = BucketOptions::new(bucket, prefix, credentials.clone());
            let endpoint = settings.endpoint.clone().or(endpoint);
            options.endpoint = endpoint.map(|text| checked(settings, &text)).transpose()?;
            options.region = settings.region.clone().or(region);
            options.checksums = settings.checksums;
            options.creates_once = settings.creates_once;
            let remote = Bucket::new(&options)?;
            let format = bucket_format(&remote, create)?;
            Ok((Arc::new(remote), format))
        }
    }
}

fn checked(settings: &RemoteSettings, endpoint: &str) -> Result<String, RemoteError> {
    check_endpoint(endpoint).map_err(|reason| RemoteError::Url {
        url: settings.url.split('?').next().unwrap_or_default().to_owned(),
        reason: reason.to_owned(),
    })
}

/// Reads which store a bucket holds, and makes one there if that is asked for.
fn bucket_format(remote: &dyn Remote, create: bool) -> Result<Option<Format>, RemoteError> {
    let read = || remote.read(&Object::Format, Object::Format.limit());
    let mut bytes = read()?;
    if bytes.is_none() && create {
        let format = Format::new(Ulid::generate().to_string());
        let text = serde_json::to_vec(&format).map_err(StoreError::unwritten)?;
        // Another user may be first.
        remote.create(&Object::Format, &text)?;
        bytes = read()?;
    }
    let parse = |bytes: Vec<u8>| {
        let path = format!("{} FORMAT", remote.place());
        let format: Format = match serde_json::from_slice(&bytes) {
            Ok(format) => format,
            Err(source) => return Err(FormatError::Unreadable { path, source }),
        };
        format.check_identity(&path)?;
        Ok::<_, FormatError>(format)
    };
    Ok(bytes.map(parse).transpose()?)
}
