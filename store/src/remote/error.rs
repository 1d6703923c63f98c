//! What can go wrong between two stores.

use crate::error::StoreError;
use crate::files::FormatError;
use crate::trust::Refusal;

/// The error underneath, whatever its type.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failed exchange with a remote.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A name that a remote cannot have.
    #[error("`{0}` cannot name a remote: use up to 64 of `a-z`, `0-9`, `-` and `_`, a letter or digit first")]
    Name(String),
    /// There is no such remote.
    #[error("There is no remote `{name}`{}", known_remotes(.known))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The settings of a remote cannot be read.
    #[error("Settings of the remote `{name}` in `{path}` cannot be read")]
    Settings {
        /// The remote.
        name: String,
        /// The file.
        path: String,
        /// Why.
        source: Cause,
    },
    /// The settings of a remote are those of a newer program.
    #[error(
        "Settings of the remote `{name}` in `{path}` have version {version}, this program knows up to {known}"
    )]
    NewerSettings {
        /// The remote.
        name: String,
        /// The file.
        path: String,
        /// Its version.
        version: u64,
        /// The last one this program knows.
        known: u32,
    },
    /// What was asked for is not there.
    #[error("Nothing {side} matches {what}")]
    NothingMatches {
        /// In which store.
        side: &'static str,
        /// What was asked for.
        what: String,
    },
    /// A place that cannot be a remote.
    #[error("`{url}` cannot be a remote: {reason}")]
    Url {
        /// The place without secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The remote does not accept who asks.
    #[error("{place} refuses access{}", refused(object, detail))]
    Denied {
        /// The remote.
        place: String,
        /// What was asked for, if it was one object or folder.
        object: String,
        /// What it said.
        detail: String,
    },
    /// No credentials were found.
    #[error("No credentials for {place}")]
    NoCredentials {
        /// The remote.
        place: String,
        /// What the last place that was asked for some answered.
        source: Cause,
    },
    /// The bucket does not exist.
    #[error("{place} does not exist")]
    NoBucket {
        /// The remote.
        place: String,
    },
    /// Nobody answers.
    #[error("{place} does not answer")]
    Unreachable {
        /// The remote.
        place: String,
        /// What happened.
        source: Cause,
    },
    /// The remote holds another store than the one it was added with, or none.
    #[error("{place} holds {found} instead of the store `{expected}` that it was added with")]
    OtherStore {
        /// The remote.
        place: String,
        /// What is there.
        found: String,
        /// The identity remembered in the settings.
        expected: String,
    },
    /// The remote may only be read.
    #[error("The remote `{0}` is read-only")]
    ReadOnly(String),
    /// A file of the remote is larger than it may be.
    #[error("`{object}` at {place} has {size} bytes, at most {limit} are read")]
    TooLarge {
        /// The remote.
        place: String,
        /// The name of the file.
        object: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A blob of the remote is not what its name says.
    #[error("Blob `{blob}` at {place} is damaged: {reason}")]
    Damaged {
        /// The remote.
        place: String,
        /// The blob.
        blob: String,
        /// How it was told.
        reason: String,
    },
    /// A record named a blob that the remote does not have.
    #[error("Blob `{blob}` is not at {place}")]
    Missing {
        /// The remote.
        place: String,
        /// The blob.
        blob: String,
    },
    /// A record that is not to be trusted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The remote answered in a way that makes no sense here.
    #[error("{place} cannot {action} `{object}`")]
    Failed {
        /// The remote.
        place: String,
        /// What was tried.
        action: &'static str,
        /// The name of the file.
        object: String,
        /// What it said.
        source: Cause,
    },
    /// The store on this side, or a remote that is a folder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn known_remotes(names: &[String]) -> String {
    match names {
        [] => ": the store has none yet".to_owned(),
        names => format!(", only `{}`", names.join("`, `")),
    }
}

fn refused(object: &str, detail: &str) -> String {
    let object = match object {
        "" => String::new(),
        object => format!(" to `{object}`"),
    };
    match detail {
        "" => object,
        detail => format!("{object}: {detail}"),
    }
}

impl RemoteError {
    /// Says what a user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unknown { .. } => "`mitune remote list` lists them, `mitune remote add NAME URL` adds one",
            Self::Denied { .. } => {
                "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), and what the key may do in the bucket"
            }
            Self::NoCredentials { .. } => {
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with `~/.aws/credentials`"
            }
            Self::NoBucket { .. } => "Create the bucket, or correct its name in the remote's URL",
            Self::Unreachable { .. } => {
                "Check the network and the endpoint; `mitune remote check` tries again. What was transferred is kept"
            }
            Self::OtherStore { .. } => {
                "Is the folder mounted? If the store was replaced on purpose, remove the remote and add it again"
            }
            Self::Settings { .. } => {
                "Correct the file, or `mitune remote remove NAME` and `mitune remote add NAME URL` make it anew"
            }
            Self::NewerSettings { .. } => {
                "Use a newer mitune, or `mitune remote remove NAME` and `mitune remote add NAME URL` make it anew"
            }
            Self::NothingMatches { .. } => {
                "`--stage` takes a kind of stage such as `generate`, not its name in a pipeline, or at least 4 digits of a \
                 stage key; `mitune store ls` lists what the store has"
            }
            Self::Refused(refusal) => return refusal.hint(),
            _ => return None,
        })
    }

    /// Tells whether nobody will be reached by trying something else at the same remote.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Denied { .. }
                | Self::NoCredentials { .. }
                | Self::NoBucket { .. }
                | Self::Unreachable { .. }
                | Self::OtherStore { .. }
        )
    }
}

impl From<FormatError> for RemoteError {
    fn from(error: FormatError) -> Self {
        Self::Store(error.into())
    }
}
