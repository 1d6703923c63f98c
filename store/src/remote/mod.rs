//! Other stores that results are pushed to and pulled from.
//!
//! A remote has the files of a store under the same names, in a folder or in a bucket. Everything that comes from one
//! is checked before it becomes part of the store here: names are parsed, never joined; sizes are bounded; bytes are
//! hashed while they arrive; records must follow from their preimage and obey the policy of the remote.

mod arrival;
mod blob_arrival;
mod bucket;
mod credentials;
mod error;
mod folder;
mod knowledge;
mod known_objects;
mod listing;
mod local;
mod observer;
mod open;
mod parallel;
mod parcel;
mod place;
mod placement;
mod probe;
mod pull;
mod pull_choice;
mod pull_transfer;
mod push;
mod push_transfer;
mod settings;
mod transfer;
mod upstream;
mod upstreams;
mod wanted;

use std::fmt;
use std::path::Path;

pub use self::bucket::{Bucket, stop_waiting_at};
pub use self::credentials::Credentials;
pub use self::error::{Cause, RemoteError};
pub use self::folder::Folder;
pub use self::observer::{TransferObserver, Unwatched};
pub use self::open::open;
pub(crate) use self::parallel::parallel;
pub use self::place::Place;
pub use self::probe::probe;
pub use self::pull::pull;
pub use self::push::push;
pub(crate) use self::push::push_objects;
pub use self::settings::RemoteSettings;
pub use self::transfer::{TransferOptions, TransferReport};
pub use self::upstream::Upstream;
pub(crate) use self::upstreams::Upstreams;
pub use self::wanted::Wanted;
pub use crate::error::describe;
use crate::names::FileDigest;
pub use crate::names::{Object, ObjectNameError};

/// What became of a file that is to be created once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    New,
    /// Another file has the name and was left alone.
    Existed,
}

/// The entries of one folder of a remote, in no order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names of folders.
    pub folders: Vec<String>,
    /// Names of files.
    pub files: Vec<String>,
    /// What is there and can be neither, for people.
    pub odd: Vec<String>,
}

/// Takes the bytes of a blob piece by piece; an error stops the transfer.
pub type Sink<'s> = dyn FnMut(&[u8]) -> Result<(), RemoteError> + 's;

/// Where another store is. All calls block and may come from any thread.
pub trait Remote: fmt::Debug + Send + Sync {
    /// Names the place for messages, without secrets.
    fn place(&self) -> String;

    /// Returns the size of a file in bytes, `None` if it is not there.
    ///
    /// # Errors
    /// [`RemoteError`] if the remote cannot tell.
    fn size(&self, object: &Object) -> Result<Option<u64>, RemoteError>;

    /// Reads a whole file of bounded size, `None` if it is not there.
    ///
    /// # Errors
    /// [`RemoteError::TooLarge`] before anything is read, or another [`RemoteError`].
    fn read(&self, object: &Object, limit: u64) -> Result<Option<Vec<u8>>, RemoteError>;

    /// Streams a blob of known size; returns false if it is not there.
    ///
    /// # Errors
    /// What the sink returns, or [`RemoteError`]; the sink may then have taken a part.
    fn fetch(&self, blob: &FileDigest, size: u64, sink: &mut Sink<'_>) -> Result<bool, RemoteError>;

    /// Creates a file unless the name is taken.
    ///
    /// # Errors
    /// [`RemoteError`]; the file may then be there all the same.
    fn create(&self, object: &Object, bytes: &[u8]) -> Result<Created, RemoteError>;

    /// Puts a record in the place of one that was disowned.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), RemoteError>;

    /// Uploads a verified blob from a file; one that is there already is left alone.
    ///
    /// # Errors
    /// [`RemoteError`]; nothing half-written is left under the name.
    fn upload(&self, blob: &FileDigest, path: &Path, size: u64) -> Result<(), RemoteError>;

    /// Uploads a verified blob in the place of one that was found damaged.
    ///
    /// By default as [`Remote::upload`] does, for remotes that look at the bytes themselves.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn mend(&self, blob: &FileDigest, path: &Path, size: u64) -> Result<(), RemoteError> {
        self.upload(blob, path, size)
    }

    /// Lists one folder, without those below it; an absent folder is empty.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn list(&self, folder: &str) -> Result<Listing, RemoteError>;

    /// Lists a folder and all below it, with paths relative to the folder; an absent folder is empty.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn list_below(&self, folder: &str) -> Result<Listing, RemoteError> {
        let mut listing = self.list(folder)?;
        for name in listing.folders.clone() {
            let below = match self.list_below(&format!("{folder}/{name}")) {
                Err(error @ RemoteError::Failed { .. }) => Listing {
                    odd: vec![describe(&error)],
                    ..Listing::default()
                },
                below => below?,
            };
            let within = |file: String| format!("{name}/{file}");
            listing.files.extend(below.files.into_iter().map(within));
            listing.folders.extend(below.folders.into_iter().map(within));
            listing.odd.extend(below.odd);
        }
        Ok(listing)
    }

    /// Tells whether the remote was found to let a later file replace an earlier one, whatever was asked of it.
    fn replaces(&self) -> bool {
        false
    }

    /// Removes a file that was made to test the remote.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn remove_canary(&self, object: &Object) -> Result<(), RemoteError>;
}
