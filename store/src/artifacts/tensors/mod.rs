//! Named tensors in a safetensors file.

mod error;
mod header;

use std::collections::BTreeMap;
use std::fs::File;

use safetensors::{Dtype, SafeTensors};

pub use self::error::TensorError;
use crate::artifacts::{Artifact, ArtifactKind, Reach};
use crate::error::StoreError;
use crate::files::AtPath;
use crate::names::{ContentDigest, domain};
use crate::store::Artifacts;

/// A tensor by its bytes, row-major and little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorBytes {
    /// Type of an element.
    pub dtype: Dtype,
    /// Extents, outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<u8>,
}

impl Artifacts<'_> {
    /// Stores named tensors; the same tensors and metadata always give the same bytes.
    ///
    /// # Errors
    /// [`StoreError::Tensors`] if a tensor has another number of bytes than its shape says, or any error of writing.
    pub fn put_tensors(
        &self,
        tensors: &BTreeMap<String, TensorBytes>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Artifact, StoreError> {
        for (name, tensor) in tensors {
            check_size(name, tensor)?;
        }
        // The order the format asks for: wide elements first, so that all of them are aligned.
        let mut ordered: Vec<_> = tensors.iter().collect();
        ordered.sort_by(|(a_name, a), (b_name, b)| b.dtype.cmp(&a.dtype).then(a_name.cmp(b_name)));
        let header = header::header(&ordered, metadata)?;
        let data: u64 = ordered.iter().map(|(_, tensor)| tensor.data.len() as u64).sum();
        let bytes = 8 + header.len() as u64 + data;
        let mut writer = self.store.blobs().writer(Some(bytes))?;
        writer.append(&(header.len() as u64).to_le_bytes())?;
        writer.append(&header)?;
        for (_, tensor) in ordered {
            writer.append(&tensor.data)?;
        }
        let file = writer.finish()?;
        Ok(Artifact {
            kind: ArtifactKind::Tensors,
            file,
            content: tensors_content(tensors),
            bytes,
            rows: None,
        })
    }

    /// Reads all tensors.
    ///
    /// # Errors
    /// [`StoreError`] if the blob is missing, damaged or not a safetensors file.
    pub fn read_tensors(&self, artifact: &Artifact) -> Result<BTreeMap<String, TensorBytes>, StoreError> {
        artifact.expect(ArtifactKind::Tensors)?;
        Ok(parse(&self.store.blobs().read(&artifact.file)?)?)
    }

    /// Checks that an artifact is a tensor file, from its header alone.
    ///
    /// # Errors
    /// [`StoreError::Tensors`] if it is none, or any error of reading.
    pub fn check_tensors(&self, artifact: &Artifact, reach: Reach) -> Result<(), StoreError> {
        artifact.expect(ArtifactKind::Tensors)?;
        if reach == Reach::Here && !self.store.blobs().is_here(&artifact.file) {
            return Ok(());
        }
        let path = self.store.blobs().path(&artifact.file)?;
        let file = File::open(&path).at("open", &path)?;
        let size = file.metadata().at("read", &path)?.len();
        let checked = header::check(file, size).at("read", &path)?;
        Ok(checked.map_err(TensorError::Parse)?)
    }

    /// Reads the metadata of a tensor file.
    ///
    /// # Errors
    /// [`StoreError`] if the blob is missing, damaged or not a safetensors file.
    pub fn read_tensor_metadata(&self, artifact: &Artifact) -> Result<BTreeMap<String, String>, StoreError> {
        artifact.expect(ArtifactKind::Tensors)?;
        let bytes = self.store.blobs().read(&artifact.file)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(TensorError::Parse)?;
        Ok(header
            .metadata()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}

/// Hashes tensors by name, type, shape and bytes, whatever file holds them and in whatever order.
pub fn tensors_content(tensors: &BTreeMap<String, TensorBytes>) -> ContentDigest {
    let mut hasher = blake3::Hasher::new_derive_key(domain::TENSORS);
    for (name, tensor) in tensors {
        for text in [name.as_str(), &tensor.dtype.to_string()] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&(tensor.shape.len() as u64).to_le_bytes());
        for extent in &tensor.shape {
            hasher.update(&(*extent as u64).to_le_bytes());
        }
        hasher.update(&(tensor.data.len() as u64).to_le_bytes());
        hasher.update(&tensor.data);
    }
    ContentDigest::new(hasher.finalize().into())
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<String, TensorBytes>, TensorError> {
    let file = SafeTensors::deserialize(bytes).map_err(TensorError::Parse)?;
    let tensor = |view: safetensors::tensor::TensorView<'_>| TensorBytes {
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        data: view.data().to_vec(),
    };
    Ok(file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, tensor(view)))
        .collect())
}

fn check_size(name: &str, tensor: &TensorBytes) -> Result<(), TensorError> {
    if name == "__metadata__" {
        return Err(TensorError::ReservedName);
    }
    let elements = tensor
        .shape
        .iter()
        .try_fold(1_usize, |product, extent| product.checked_mul(*extent));
    let bits = elements.and_then(|elements| elements.checked_mul(tensor.dtype.bitsize()));
    if bits.is_some_and(|bits| Some(bits) == tensor.data.len().checked_mul(8)) {
        return Ok(());
    }
    Err(TensorError::Size {
        name: name.to_owned(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        found: tensor.data.len(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Store;

    fn tensors() -> impl Strategy<Value = BTreeMap<String, TensorBytes>> {
        let dtype = prop::sample::select(vec![
            Dtype::F32,
            Dtype::F16,
            Dtype::BF16,
            Dtype::I64,
            Dtype::U8,
            Dtype::BOOL,
        ]);
        let tensor = (dtype, prop::collection::vec(0..4_usize, 0..4)).prop_flat_map(|(dtype, shape)| {
            let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            prop::collection::vec(any::<u8>(), bytes).prop_map(move |data| TensorBytes {
                dtype,
                shape: shape.clone(),
                data,
            })
        });
        prop::collection::btree_map("[a-z.\"\\\\\u{e9}]{1,12}", tensor, 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn tensors_come_back_and_other_writers_agree(
            tensors in tensors(),
            metadata in prop::collection::btree_map("[a-z]{1,8}", ".{0,8}", 0..4),
        ) {
            let root = tempfile::tempdir().unwrap();
            let store = Store::open(root.path()).unwrap();
            let artifact = store.artifacts().put_tensors(&tensors, &metadata).unwrap();
            prop_assert_eq!(store.artifacts().read_tensors(&artifact).unwrap(), tensors.clone());
            prop_assert_eq!(store.artifacts().read_tensor_metadata(&artifact).unwrap(), metadata);
            prop_assert_eq!(store.blobs().path(&artifact.file).unwrap().metadata().unwrap().len(), artifact.bytes);

            let views: Vec<_> = tensors
                .iter()
                .map(|(name, t)| (name, safetensors::tensor::TensorView::new(t.dtype, t.shape.clone(), &t.data).unwrap()))
                .collect();
            let theirs = safetensors::serialize(views, None).unwrap();
            prop_assert_eq!(tensors_content(&parse(&theirs).unwrap()), artifact.content);
            let ours = store.artifacts().put_tensors(&tensors, &BTreeMap::new()).unwrap();
            prop_assert_eq!(store.blobs().read(&ours.file).unwrap(), theirs);
            prop_assert_eq!(ours.content, artifact.content);
        }
    }

    #[test]
    fn every_part_of_a_tensor_is_content() {
        let tensor = TensorBytes {
            dtype: Dtype::F32,
            shape: vec![2, 1],
            data: vec![0; 8],
        };
        let one =
            |name: &str, tensor: TensorBytes| tensors_content(&BTreeMap::from([(name.to_owned(), tensor)]));
        let mut digests = vec![
            one("w", tensor.clone()),
            one("v", tensor.clone()),
            one(
                "w",
                TensorBytes {
                    shape: vec![1, 2],
                    ..tensor.clone()
                },
            ),
            one(
                "w",
                TensorBytes {
                    dtype: Dtype::I32,
                    ..tensor.clone()
                },
            ),
            one(
                "w",
                TensorBytes {
                    data: vec![1; 8],
                    ..tensor
                },
            ),
            tensors_content(&BTreeMap::new()),
        ];
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 6);
    }

    #[test]
    fn misshapen_tensors_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let put = |name: &str, shape: Vec<usize>, bytes: usize| {
            let tensor = TensorBytes {
                dtype: Dtype::F32,
                shape,
                data: vec![0; bytes],
            };
            store
                .artifacts()
                .put_tensors(&BTreeMap::from([(name.to_owned(), tensor)]), &BTreeMap::new())
        };
        let error = put("w", vec![2, 3], 20).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Tensor `w` of type F32 and shape [2, 3] has 20 bytes"
        );
        assert!(put("w", vec![usize::MAX, 2], 8).is_err());
        assert!(put("__metadata__", vec![1], 4).is_err());
        put("w", vec![], 4).unwrap();
    }
}
