//! Keys that sign records, and their spelling.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use mitune_bounded_file::{BoundedFileError, open_regular, read_open};

use crate::files::{AtPath, PathError};
use crate::names::{hex, unhex, written_as_text};

const PUBLIC: &str = "ed25519:";
const SECRET: &str = "mitune-secret-key-1:";

/// Bytes that the file of a key stays below.
const SECRET_LIMIT: u64 = 1024;

/// The public half of a key, written as `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// The secret half of a key; its text never appears in messages.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// A text or file that is not a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not the spelling of a public key.
    #[error("`{0}` is not a public key: expected `ed25519:` and 64 hexadecimal digits")]
    Public(String),
    /// A point that no signature can be checked with, or that anybody can sign for.
    #[error("`{0}` is nobody's public key: not a point of the curve, or a weak one")]
    Point(String),
    /// The file holds something else.
    #[error("`{0}` does not hold a secret key: move it away, then `mitune key new` makes one")]
    Secret(String),
    /// Others may read the secret.
    #[error("`{path}` can be read by others (mode {mode:o})")]
    Exposed {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// There is a key already.
    #[error("`{0}` exists: a new key would make what the old one signed unknown to others")]
    Exists(String),
    /// The file cannot be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl PublicKey {
    /// Tells whether a signature of these bytes was made with the secret half.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &Signature::from_bytes(signature))
                .is_ok()
        })
    }

    /// Returns the first digits, for messages.
    pub fn short(&self) -> String {
        hex(&self.0[..6])
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PUBLIC}{}", hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError::Public(text.chars().take(100).collect());
        let bytes = unhex::<32>(text.strip_prefix(PUBLIC).ok_or_else(wrong)?).ok_or_else(wrong)?;
        match VerifyingKey::from_bytes(&bytes) {
            // Anybody can make signatures that seem to be of a weak key.
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(KeyError::Point(text.to_owned())),
        }
    }
}

written_as_text!(PublicKey);

impl SecretKey {
    /// Makes a new key from the system's source of randomness.
    ///
    /// # Errors
    /// [`KeyError::Path`] if the system has none.
    pub fn generate() -> Result<Self, KeyError> {
        let path = Path::new("/dev/urandom");
        let mut seed = [0; 32];
        let mut source = File::open(path).at("read", path)?;
        source.read_exact(&mut seed).at("read", path)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// Writes the key to a new file that only its owner may read.
    ///
    /// # Errors
    /// [`KeyError::Exists`] rather than replacing a file, or [`KeyError::Path`].
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).at("create", folder)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let mut file = match file {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(KeyError::Exists(path.display().to_string()));
            }
            file => file.at("create", path)?,
        };
        let text = format!("{SECRET}{}\n", hex(&self.0.to_bytes()));
        file.write_all(text.as_bytes()).at("write", path)?;
        Ok(file.sync_all().at("sync", path)?)
    }

    /// Reads a key, `None` if there is no file.
    ///
    /// # Errors
    /// [`KeyError::Exposed`] if others may read the file, [`KeyError::Secret`] if it holds something else, or
    /// [`KeyError::Path`].
    pub fn load(path: &Path) -> Result<Option<Self>, KeyError> {
        let wrong = || KeyError::Secret(path.display().to_string());
        let (file, metadata) = match open_regular(path) {
            Err(error) if error.is_absent() => return Ok(None),
            Err(BoundedFileError::NotRegular { .. }) => return Err(wrong()),
            opened => opened.at("read", path)?,
        };
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.display().to_string();
            return Err(KeyError::Exposed { path, mode });
        }
        let bytes = read_open(&file, &metadata, path, SECRET_LIMIT).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let digits = text.trim_end().strip_prefix(SECRET).ok_or_else(wrong)?;
        let seed = unhex::<32>(digits).ok_or_else(wrong)?;
        Ok(Some(Self(SigningKey::from_bytes(&seed))))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey of {}", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_are_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/key");
        assert!(SecretKey::load(&path).unwrap().is_none());
        let key = SecretKey::generate().unwrap();
        key.save(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let back = SecretKey::load(&path).unwrap().unwrap();
        assert_eq!(back.public(), key.public());
        assert!(matches!(key.save(&path), Err(KeyError::Exists(_))));
        let text = key.public().to_string();
        assert_eq!(text.parse::<PublicKey>().unwrap(), key.public());
        let secret = std::fs::read_to_string(&path).unwrap();
        let digits = secret.trim_end().strip_prefix(SECRET).unwrap();
        assert!(!format!("{key:?}").contains(digits));

        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(SecretKey::load(&path), Err(KeyError::Exposed { .. })));
    }

    #[test]
    fn signatures_hold_for_their_bytes_and_key_only() {
        let (one, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let signature = one.sign(b"message");
        assert!(one.public().verifies(b"message", &signature));
        assert!(!one.public().verifies(b"massage", &signature));
        assert!(!other.public().verifies(b"message", &signature));
        for text in [
            "",
            "ed25519:",
            "ed25519:00",
            "rsa:00",
            &format!("ed25519:{}", "0g".repeat(32)),
            // Points of small order: the neutral one and that of order two.
            &format!("ed25519:01{}", "00".repeat(31)),
            &format!("ed25519:ec{}7f", "ff".repeat(30)),
        ] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }
}
