//! A digest of tensors that does not depend on how files order them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use safetensors::Dtype;

use super::scattered_digest::ScatteredDigest;
use super::{HostTensor, PartReader, TensorSource, WeightsError};

/// The hash domain. A change of meaning takes a new one.
const CONTEXT: &str = "mitune 2025 tensors by name";

/// Bytes that a thread reads at a time where it reads for the digest alone.
const PART: usize = 1 << 20;

/// Hashes every tensor's name, element type, shape and bytes, in the order of the names.
///
/// Two files with the same tensors have the same digest whatever their order, sharding or
/// metadata, so a model that was merely rewritten keeps its identity.
///
/// # Errors
/// When a tensor cannot be read.
pub fn digest_tensors(source: &dyn TensorSource) -> Result<blake3::Hash, WeightsError> {
    DigestedTensors::new(source).finish()
}

/// Tensors on their way into a module, hashed as they are read.
///
/// The digest is that of [`digest_tensors`] for the bytes that were handed out, whatever happens to the files
/// meanwhile. It is made by the threads that read, from bytes that are still in their caches.
pub struct DigestedTensors<'a> {
    source: &'a dyn TensorSource,
    digest: Arc<ScatteredDigest>,
    /// Where the bytes of each tensor begin in the text that is hashed.
    begins: BTreeMap<String, u64>,
    read: Mutex<BTreeSet<String>>,
}

impl<'a> DigestedTensors<'a> {
    /// Begins to hash the tensors of a source.
    pub fn new(source: &'a dyn TensorSource) -> Self {
        let mut begins = BTreeMap::new();
        let mut preambles = Vec::new();
        let mut end = 0;
        for name in source.names() {
            let Some((dtype, shape)) = source.describe(&name) else {
                continue;
            };
            let length = byte_count(dtype, &shape);
            let preamble = preamble(&name, dtype, &shape, length);
            let begin = end + preamble.len() as u64;
            preambles.push((end, preamble));
            begins.insert(name, begin);
            end = begin + length;
        }
        let digest = ScatteredDigest::new(CONTEXT, end);
        for (begin, preamble) in preambles {
            digest.add(begin, &preamble);
        }
        Self {
            source,
            digest: Arc::new(digest),
            begins,
            read: Mutex::default(),
        }
    }

    /// Reads what nobody asked for, and returns the digest of all that was read.
    ///
    /// # Errors
    /// When a tensor cannot be read, or was read in part or twice.
    pub fn finish(self) -> Result<blake3::Hash, WeightsError> {
        for name in self.begins.keys() {
            if !self.is_read(name) {
                self.read_for_digest(name)?;
            }
        }
        let origin = self.source.origin();
        let whole = Arc::into_inner(self.digest).and_then(ScatteredDigest::finish);
        whole.ok_or(WeightsError::NotReadOnce { origin })
    }

    fn read_for_digest(&self, name: &str) -> Result<(), WeightsError> {
        let Some((dtype, shape)) = self.source.describe(name) else {
            return Ok(());
        };
        let (reader, length) = (self.parts(name)?, byte_count(dtype, &shape));
        let parts = length.div_ceil(PART as u64);
        (0..parts).into_par_iter().try_for_each(|part| {
            let begin = part * PART as u64;
            let mut bytes = vec![0; (length - begin).min(PART as u64) as usize];
            reader.read_part(begin, &mut bytes)
        })
    }

    fn is_read(&self, name: &str) -> bool {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.contains(name)
    }

    /// Notes that a tensor is read, and returns where it begins.
    fn begin(&self, name: &str) -> Result<u64, WeightsError> {
        let begin = self.begins.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.source.origin(),
        })?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(name.to_owned());
        Ok(*begin)
    }
}

impl TensorSource for DigestedTensors<'_> {
    fn origin(&self) -> String {
        self.source.origin()
    }

    fn names(&self) -> Vec<String> {
        self.source.names()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        self.source.describe(name)
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let begin = self.begin(name)?;
        let tensor = self.source.read(name)?;
        self.digest.add(begin, &tensor.data);
        Ok(tensor)
    }

    fn shard_of(&self, name: &str) -> Option<String> {
        self.source.shard_of(name)
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        Ok(Box::new(DigestedPart {
            begin: self.begin(name)?,
            reader: self.source.parts(name)?,
            digest: Arc::clone(&self.digest),
        }))
    }
}

/// A tensor of [`DigestedTensors`].
struct DigestedPart {
    reader: Box<dyn PartReader>,
    digest: Arc<ScatteredDigest>,
    /// The tensor's first byte in the text that is hashed.
    begin: u64,
}

impl PartReader for DigestedPart {
    fn read_part(&self, begin: u64, out: &mut [u8]) -> Result<(), WeightsError> {
        self.reader.read_part(begin, out)?;
        self.digest.add(self.begin + begin, out);
        Ok(())
    }
}

fn byte_count(dtype: Dtype, shape: &[usize]) -> u64 {
    let elements: u64 = shape.iter().map(|extent| *extent as u64).product();
    elements * dtype.bitsize() as u64 / 8
}

/// What stands before a tensor's bytes: name, element type, shape and number of bytes.
fn preamble(name: &str, dtype: Dtype, shape: &[usize], length: u64) -> Vec<u8> {
    let dtype = format!("{dtype:?}");
    let mut bytes = Vec::new();
    for text in [name, dtype.as_str()] {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend((shape.len() as u64).to_le_bytes());
    for extent in shape {
        bytes.extend((*extent as u64).to_le_bytes());
    }
    bytes.extend(length.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::{SafetensorsFile, TensorMap, write_safetensors};
    use super::*;

    /// Three tensors, of which one is read in several parts.
    fn tensors() -> TensorMap {
        let values: Vec<f32> = (0..700_000).map(|i| (i as f32 * 0.37).sin()).collect();
        TensorMap::from([
            ("b".to_owned(), HostTensor::from_f32(&values, vec![700, 1000])),
            ("a".to_owned(), HostTensor::from_f32(&[1.0, 2.0], vec![2])),
            ("c".to_owned(), HostTensor::from_f32(&[], vec![0, 3])),
        ])
    }

    /// The digest as it is defined: of one text, from its beginning to its end.
    fn defined(tensors: &TensorMap) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        for (name, tensor) in tensors {
            let length = tensor.data.len() as u64;
            hasher.update(&preamble(name, tensor.dtype, &tensor.shape, length));
            hasher.update(&tensor.data);
        }
        hasher.finalize()
    }

    #[test]
    fn whoever_reads_them_in_whatever_order_tensors_have_the_digest_of_their_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_safetensors(&path, &tensors(), None).unwrap();
        let file = SafetensorsFile::open(&path).unwrap();
        let expected = defined(&tensors());
        assert_eq!(digest_tensors(&file).unwrap(), expected);
        assert_eq!(digest_tensors(&tensors()).unwrap(), expected);
        for order in [["c", "b", "a"], ["b", "a", "c"]] {
            let digested = DigestedTensors::new(&file);
            for name in order {
                assert_eq!(digested.read(name).unwrap(), tensors()[name]);
            }
            assert_eq!(digested.finish().unwrap(), expected);
        }
        let digested = DigestedTensors::new(&file);
        digested.read("b").unwrap();
        assert_eq!(
            digested.finish().unwrap(),
            expected,
            "the rest is read for the digest"
        );
        let digested = DigestedTensors::new(&file);
        assert!(digested.read("d").is_err());
        digested.read("b").unwrap();
        digested.read("b").unwrap();
        assert!(matches!(
            digested.finish().unwrap_err(),
            WeightsError::NotReadOnce { .. }
        ));
    }

    #[test]
    fn the_digest_is_of_what_was_read_and_not_of_what_the_file_holds_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let (before, mut after) = (tensors(), tensors());
        after.insert("a".to_owned(), HostTensor::from_f32(&[1.0, 3.0], vec![2]));
        write_safetensors(&path, &before, None).unwrap();
        let file = SafetensorsFile::open(&path).unwrap();
        let digested = DigestedTensors::new(&file);
        digested.read("a").unwrap();
        // Written over in place, as `cp` does.
        std::fs::write(&path, super::super::encode_safetensors(&after, None).unwrap()).unwrap();
        assert_eq!(digested.finish().unwrap(), defined(&before));
        let digested = DigestedTensors::new(&file);
        assert_eq!(digested.read("a").unwrap(), after["a"]);
        assert_eq!(digested.finish().unwrap(), defined(&after));
        // Replaced, as `mv` does: the file that was opened is read to its end.
        let other = folder.path().join("other.safetensors");
        write_safetensors(&other, &before, None).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(digest_tensors(&file).unwrap(), defined(&after));
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
