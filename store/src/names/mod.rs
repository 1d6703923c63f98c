//! What everything in a store is called, and the path that follows from it.

mod digest;
mod hex;
mod id;
pub(crate) mod key;
mod layout;
mod lease_key;
mod logical_name;
mod object;
mod pin_name;
mod run_id;
mod text_form;

pub use self::digest::{Digest, DigestError};
pub(crate) use self::hex::{hex, unhex};
pub use self::id::{ContentDigest, FamilyKey, FileDigest, ItemKey, PipelineDigest, RowDigest, StageKey};
pub(crate) use self::key::domain;
pub(crate) use self::layout::{DIRECTORIES, Layout, ON_DEMAND};
pub use self::lease_key::LeaseKey;
pub use self::logical_name::NameError;
pub(crate) use self::logical_name::check_names;
pub use self::object::{Object, ObjectNameError};
pub use self::pin_name::{PinName, PinNameError};
pub use self::run_id::RunId;
pub(crate) use self::text_form::written_as_text;
