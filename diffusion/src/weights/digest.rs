//! A digest of tensors that does not depend on how files order them.

use super::{TensorSource, WeightsError};

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

#[cfg(test)]
mod tests {
    use super::super::{HostTensor, TensorMap};
    use super::*;

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
