//! A tensor in host memory, as a file holds it.

use half::{bf16, f16};
use safetensors::Dtype;

use super::WeightsError;

/// A tensor's element type, shape and little-endian bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Element type.
    pub dtype: Dtype,
    /// Shape, outermost axis first.
    pub shape: Vec<usize>,
    /// Elements in row-major order, little-endian.
    pub data: Vec<u8>,
}

impl HostTensor {
    /// Builds an f32 tensor.
    pub fn from_f32(values: &[f32], shape: Vec<usize>) -> Self {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self {
            dtype: Dtype::F32,
            shape,
            data,
        }
    }

    /// Converts the elements to f32.
    ///
    /// # Errors
    /// [`WeightsError::NotFloat`] for integer, boolean and sub-16-bit element types.
    pub fn to_f32(&self) -> Result<Vec<f32>, WeightsError> {
        let values = match self.dtype {
            Dtype::F32 => decode(&self.data, f32::from_le_bytes),
            Dtype::F16 => decode(&self.data, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => decode(&self.data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => decode(&self.data, |bytes| f64::from_le_bytes(bytes) as f32),
            found => return Err(WeightsError::NotFloat { found }),
        };
        Ok(values)
    }

    /// Converts the elements to another float type, rounding to nearest even.
    ///
    /// # Errors
    /// [`WeightsError::NotFloat`] when either type is not F16, BF16 or F32 (or F64 as the source).
    pub fn cast(&self, dtype: Dtype) -> Result<Self, WeightsError> {
        if self.dtype == dtype {
            return Ok(self.clone());
        }
        let values = self.to_f32()?;
        let data = match dtype {
            Dtype::F32 => encode(&values, f32::to_le_bytes),
            Dtype::F16 => encode(&values, |value| f16::from_f32(value).to_le_bytes()),
            Dtype::BF16 => encode(&values, |value| bf16::from_f32(value).to_le_bytes()),
            found => return Err(WeightsError::NotFloat { found }),
        };
        Ok(Self {
            dtype,
            shape: self.shape.clone(),
            data,
        })
    }
}

fn decode<const N: usize>(bytes: &[u8], element: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| element(*chunk)).collect()
}

fn encode<const N: usize>(values: &[f32], element: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| element(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_round_trip_where_exact() {
        let tensor = HostTensor::from_f32(&[0.0, -1.5, 0.25, 65504.0], vec![4]);
        for dtype in [Dtype::F16, Dtype::BF16] {
            let narrow = tensor.cast(dtype).unwrap();
            assert_eq!(narrow.data.len(), 8);
            let wide = narrow.to_f32().unwrap();
            assert_eq!(&wide[..3], &[0.0, -1.5, 0.25]);
        }
        assert_eq!(tensor.cast(Dtype::F16).unwrap().to_f32().unwrap()[3], 65504.0);
        assert_eq!(tensor.cast(Dtype::BF16).unwrap().to_f32().unwrap()[3], 65536.0);
    }

    #[test]
    fn integers_are_refused() {
        let tensor = HostTensor {
            dtype: Dtype::I64,
            shape: vec![1],
            data: vec![0; 8],
        };
        assert!(matches!(
            tensor.to_f32(),
            Err(WeightsError::NotFloat { found: Dtype::I64 })
        ));
    }
}
