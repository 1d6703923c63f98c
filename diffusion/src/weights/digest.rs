//! A digest of tensors that does not depend on how files order them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use super::{TensorSource, WeightsError, WeightsFolder};

/// Hashes every tensor's name, element type, shape and bytes, in the order of the names.
///
/// Two files with the same tensors have the same digest whatever their order, sharding or
/// metadata, so a model that was merely rewritten keeps its identity.
///
/// # Errors
/// When a tensor cannot be read.
pub fn digest_tensors(source: &dyn TensorSource) -> Result<blake3::Hash, WeightsError> {
    let mut hasher = blake3::Hasher::new_derive_key("mitune 2025 tensors by name");
    for name in source.names() {
        let tensor = source.read(&name)?;
        let dtype = format!("{:?}", tensor.dtype);
        for text in [name.as_str(), dtype.as_str()] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&(tensor.shape.len() as u64).to_le_bytes());
        for extent in &tensor.shape {
            hasher.update(&(*extent as u64).to_le_bytes());
        }
        hasher.update(&(tensor.data.len() as u64).to_le_bytes());
        hasher.update_rayon(&tensor.data);
    }
    Ok(hasher.finalize())
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FileIdentity {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
    number: Option<u64>,
}

static DIGESTS: OnceLock<Mutex<HashMap<Vec<FileIdentity>, blake3::Hash>>> = OnceLock::new();

impl WeightsFolder {
    /// [`digest_tensors`] of the folder, remembered by this process as long as its files keep
    /// their lengths, times and inodes. Nothing is remembered on disk, where it could go stale.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    pub fn digest(&self) -> Result<blake3::Hash, WeightsError> {
        let identity = self
            .files()
            .iter()
            .map(|file| identity_of(file.path()))
            .collect::<Result<Vec<_>, _>>()?;
        let digests = DIGESTS.get_or_init(Mutex::default);
        let known = digests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&identity)
            .copied();
        if let Some(digest) = known {
            return Ok(digest);
        }
        let digest = digest_tensors(self)?;
        digests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(identity, digest);
        Ok(digest)
    }
}

fn identity_of(path: &std::path::Path) -> Result<FileIdentity, WeightsError> {
    let read = |source| WeightsError::Read {
        path: path.to_owned(),
        source,
    };
    let path = path.canonicalize().map_err(read)?;
    let metadata = path.metadata().map_err(read)?;
    #[cfg(unix)]
    let number = Some(std::os::unix::fs::MetadataExt::ino(&metadata));
    #[cfg(not(unix))]
    let number = None;
    Ok(FileIdentity {
        path,
        bytes: metadata.len(),
        modified: metadata.modified().ok(),
        number,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{HostTensor, TensorMap, write_safetensors};
    use super::*;

    #[test]
    fn a_changed_file_has_another_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut digests = Vec::new();
        for value in [1.0, 2.0, 1.0] {
            let tensors = TensorMap::from([("a".to_owned(), HostTensor::from_f32(&[value], vec![1]))]);
            let draft = folder.path().join("draft");
            write_safetensors(&draft, &tensors, None).unwrap();
            std::fs::rename(&draft, &path).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            let weights = WeightsFolder::open(folder.path(), "model").unwrap();
            assert_eq!(weights.digest().unwrap(), weights.digest().unwrap());
            assert_eq!(weights.digest().unwrap(), digest_tensors(&tensors).unwrap());
            digests.push(weights.digest().unwrap());
        }
        assert_ne!(digests[0], digests[1]);
        assert_eq!(digests[0], digests[2]);
    }

    #[test]
    fn every_ingredient_counts() {
        let base = TensorMap::from([("a".to_owned(), HostTensor::from_f32(&[1.0, 2.0], vec![2]))]);
        let digest = digest_tensors(&base).unwrap();
        assert_eq!(digest, digest_tensors(&base.clone()).unwrap());
        let mut renamed = base.clone();
        let tensor = renamed.remove("a").unwrap();
        renamed.insert("b".to_owned(), tensor.clone());
        let reshaped = TensorMap::from([(
            "a".to_owned(),
            HostTensor {
                shape: vec![1, 2],
                ..tensor.clone()
            },
        )]);
        let retyped = TensorMap::from([(
            "a".to_owned(),
            HostTensor {
                dtype: safetensors::Dtype::I32,
                ..tensor
            },
        )]);
        let changed = TensorMap::from([("a".to_owned(), HostTensor::from_f32(&[1.0, 2.5], vec![2]))]);
        for other in [renamed, reshaped, retyped, changed] {
            assert_ne!(digest, digest_tensors(&other).unwrap());
        }
    }
}
