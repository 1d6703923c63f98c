//! Who vouches for records, and whose records are taken from remotes.
//!
//! A record is signed when it is published, if the user has a key. Signatures are checked where records enter the
//! store: by a pull and by reading through. What is in the store is trusted, because whoever may write to its folder
//! could also change the policies in it.

mod key;
mod policy;
mod signed;

pub use self::key::{KeyError, PublicKey, SecretKey};
pub use self::policy::{Policy, PolicySettings, Reason, Refusal, Unsigned};
pub use self::signed::{RecordSignature, SignatureBytes};
pub(crate) use self::signed::{sign, voucher};
