//! How files are written, named and told apart on any file system, whatever dies in between.
//!
//! Nothing here knows of an open store: it is built of these.

mod age;
mod file_system;
mod format;
mod host;
mod identity;
mod path_error;
mod publish;
mod quarantine;
mod staging;
mod staging_owner;
mod volume;

pub(crate) use self::age::age;
pub(crate) use self::file_system::{FileSystem, OsFileSystem, Reading, is_absent, is_lasting, leads_to_none};
pub(crate) use self::format::is_identity;
pub use self::format::{Format, FormatError};
pub(crate) use self::host::host_name;
pub use self::identity::FileIdentity;
pub(crate) use self::path_error::AtPath;
pub use self::path_error::PathError;
pub(crate) use self::publish::{Placed, publish, publish_all, replace};
pub(crate) use self::quarantine::move_if_same;
pub(crate) use self::staging::{StagedFile, Staging};
pub(crate) use self::staging_owner::{Life, StagingOwner};
pub(crate) use self::volume::{
    NOT_A_DIRECTORY, Volume, ensure_directory, ensure_outside, is_directory, parent,
};
