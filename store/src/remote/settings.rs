//! The remotes of a store and what the store thinks of each.

use serde::{Deserialize, Serialize};

use super::{Cause, RemoteError};
use crate::error::StoreError;
use crate::path_error::AtPath;
use crate::publish::replace;
use crate::store::Store;
use crate::trust::Policy;

/// The version of the settings that this program writes.
const VERSION: u32 = 1;

/// Everything about a remote but its secrets, which are never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteSettings {
    /// Version of the settings, 1.
    pub v: u32,
    /// Where it is: a path, `file://...` or `s3://bucket/prefix`.
    pub url: String,
    /// The server of a bucket that is not at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region of a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The identity of the store there when it was added; another one later is an error.
    pub store_id: String,
    /// Nothing is ever written to it.
    #[serde(default)]
    pub read_only: bool,
    /// Runs look there for what the store lacks.
    #[serde(default = "yes")]
    pub read_through: bool,
    /// Runs send what they compute there.
    #[serde(default = "yes")]
    pub write_back: bool,
    /// Whose records are taken.
    pub policy: Policy,
    /// Whether the server refuses to create a file whose name is taken, as found when it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creates_once: Option<bool>,
    /// Whether the server takes SHA-256 checksums with uploads, as found when it was added.
    #[serde(default)]
    pub checksums: bool,
}

fn yes() -> bool {
    true
}

impl Store {
    /// Lists the names of the remotes.
    ///
    /// # Errors
    /// [`RemoteError::Store`] if the settings cannot be listed.
    pub fn remote_names(&self) -> Result<Vec<String>, RemoteError> {
        let names = self.object_names("remotes")?.files.into_iter();
        let mut names: Vec<String> = names
            .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
            .filter(|name| check_name(name).is_ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Reads the settings of a remote.
    ///
    /// # Errors
    /// [`RemoteError::Name`], [`RemoteError::Unknown`], [`RemoteError::NewerSettings`] or
    /// [`RemoteError::Settings`].
    pub fn remote(&self, name: &str) -> Result<RemoteSettings, RemoteError> {
        check_name(name)?;
        let path = self.layout().remote(name);
        let bytes = match self.files().read_whole(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (name, known) = (name.to_owned(), self.remote_names()?);
                return Err(RemoteError::Unknown { name, known });
            }
            read => read.map_err(|error| unreadable(name, &path, error.into()))?,
        };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(name, &path, error.into()))?;
        match value.get("v").and_then(serde_json::Value::as_u64) {
            Some(version) if version > u64::from(VERSION) => Err(RemoteError::NewerSettings {
                name: name.to_owned(),
                path: path.display().to_string(),
                version,
                known: VERSION,
            }),
            _ => serde_json::from_value(value).map_err(|error| unreadable(name, &path, error.into())),
        }
    }

    /// Writes the settings of a remote, replacing earlier ones.
    ///
    /// # Errors
    /// [`RemoteError::Name`] or [`RemoteError::Store`].
    pub fn set_remote(&self, name: &str, settings: &RemoteSettings) -> Result<(), RemoteError> {
        check_name(name)?;
        let mut json = serde_json::to_vec_pretty(settings).map_err(|source| StoreError::Json {
            action: "write",
            source,
        })?;
        json.push(b'\n');
        let staged = self.stage_bytes(&json)?;
        Ok(replace(&staged, &self.layout().remote(name))?)
    }

    /// Forgets a remote; what came from it stays.
    ///
    /// # Errors
    /// [`RemoteError::Unknown`] or [`RemoteError::Store`].
    pub fn remove_remote(&self, name: &str) -> Result<(), RemoteError> {
        check_name(name)?;
        let path = self.layout().remote(name);
        // Also one whose settings nobody can read.
        match self.files().remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (name, known) = (name.to_owned(), self.remote_names()?);
                Err(RemoteError::Unknown { name, known })
            }
            removed => Ok(removed.at("remove", &path)?),
        }
    }
}

fn unreadable(name: &str, path: &std::path::Path, source: Cause) -> RemoteError {
    RemoteError::Settings {
        name: name.to_owned(),
        path: path.display().to_string(),
        source,
    }
}

fn check_name(name: &str) -> Result<(), RemoteError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && name.len() <= 64 && name.chars().all(plain) {
        return Ok(());
    }
    Err(RemoteError::Name(name.chars().take(80).collect()))
}
