//! The remotes of a store and what the store thinks of each.

use serde::{Deserialize, Serialize};

use super::{Cause, Place, RemoteError};
use crate::error::StoreError;
use crate::files::{AtPath, replace};
use crate::store::Remotes;
use crate::trust::{Policy, PolicySettings, Unsigned};

/// The version of the settings that this program writes.
const VERSION: u32 = 2;

/// Bytes that settings stay far below.
const SIZE_LIMIT: u64 = 1 << 20;

/// Everything about a remote but its secrets, which are never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteSettings {
    /// Version of the settings, 2 when they are written.
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
    pub policy: PolicySettings,
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

impl RemoteSettings {
    /// Makes the settings of a remote that runs read from and write to.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            v: VERSION,
            url: url.into(),
            endpoint: None,
            region: None,
            store_id: String::new(),
            read_only: false,
            read_through: true,
            write_back: true,
            policy: PolicySettings::default(),
            creates_once: None,
            checksums: false,
        }
    }

    /// Returns whose records are taken now. Whoever can write to a folder of the house is known; a bucket may be
    /// anybody's.
    pub fn policy(&self) -> Policy {
        self.policy.policy(self.is_folder())
    }

    fn is_folder(&self) -> bool {
        Place::parse(&self.url).is_ok_and(|place| place.is_folder())
    }

    /// Version 1 kept what followed from nothing being said as if it had been said.
    fn renewed(mut self) -> Self {
        let default = match self.is_folder() {
            true => Unsigned::Warn,
            false => Unsigned::Deny,
        };
        if self.v < 2 && self.policy.unsigned == Some(default) {
            self.policy.unsigned = None;
        }
        self.v = VERSION;
        self
    }
}

impl Remotes<'_> {
    /// Lists the names of the remotes.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the settings cannot be listed.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        // A link or a pipe has a name too: reading it says what it is, where passing it over would say nothing.
        let entries = self.store.entries(&self.store.root().join("remotes"))?;
        let names = entries
            .iter()
            .filter_map(|entry| entry.file_name().into_string().ok());
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
    pub fn read(&self, name: &str) -> Result<RemoteSettings, RemoteError> {
        check_name(name)?;
        let path = self.store.layout().remote(name);
        let (bytes, _) = match self.store.files().read_bounded(&path, SIZE_LIMIT) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (name, known) = (name.to_owned(), self.names()?);
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
            _ => serde_json::from_value(value)
                .map(RemoteSettings::renewed)
                .map_err(|error| unreadable(name, &path, error.into())),
        }
    }

    /// Writes the settings of a remote, replacing earlier ones.
    ///
    /// # Errors
    /// [`RemoteError::Name`] or [`RemoteError::Store`].
    pub fn set(&self, name: &str, settings: &RemoteSettings) -> Result<(), RemoteError> {
        check_name(name)?;
        let settings = RemoteSettings {
            v: VERSION,
            ..settings.clone()
        };
        let mut json = serde_json::to_vec_pretty(&settings).map_err(StoreError::unwritten)?;
        json.push(b'\n');
        let staged = self.store.stage_bytes(&json)?;
        Ok(replace(&staged, &self.store.layout().remote(name))?)
    }

    /// Forgets a remote; what came from it stays.
    ///
    /// # Errors
    /// [`RemoteError::Unknown`] or [`RemoteError::Store`].
    pub fn remove(&self, name: &str) -> Result<(), RemoteError> {
        check_name(name)?;
        let path = self.store.layout().remote(name);
        // Also one whose settings nobody can read.
        match self.store.files().remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (name, known) = (name.to_owned(), self.names()?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn what_version_1_wrote_without_being_told_follows_the_keys() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store")).unwrap();
        let key = crate::trust::SecretKey::generate().unwrap().public();
        std::fs::create_dir_all(store.root().join("remotes")).unwrap();
        for (url, unsigned, expected) in [
            ("/data/store", "warn", Unsigned::Deny),
            ("/data/store", "accept", Unsigned::Accept),
            ("s3://lab-store/x", "deny", Unsigned::Deny),
            ("s3://lab-store/x", "warn", Unsigned::Warn),
        ] {
            let text = serde_json::json!({
                "v": 1, "url": url, "store_id": "x", "policy": { "trust": [key], "unsigned": unsigned },
            });
            let _ = store.remotes().remove("lab");
            std::fs::write(store.root().join("remotes/lab.json"), text.to_string()).unwrap();
            let read = store.remotes().read("lab").unwrap();
            assert_eq!(read.policy().unsigned, expected, "{url} {unsigned}");
            store.remotes().set("lab", &read).unwrap();
            assert_eq!(store.remotes().read("lab").unwrap(), read);
        }
    }

    #[test]
    fn settings_of_any_size_are_read_in_bounded_memory() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store")).unwrap();
        std::fs::create_dir_all(store.root().join("remotes")).unwrap();
        let file = std::fs::File::create(store.root().join("remotes/lab.json")).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = store.remotes().read("lab").unwrap_err();
        assert!(matches!(error, RemoteError::Settings { .. }), "{error}");
        assert!(super::super::describe(&error).contains("at most"), "{error}");
    }
}
