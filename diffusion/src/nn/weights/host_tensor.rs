//! A tensor in host memory, as a file holds it.

use half::{bf16, f16};
use safetensors::Dtype;

use super::WeightsError;
use super::element::{Number as _, with_element};

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

    /// Converts the elements to f32, each rounded once.
    ///
    /// # Errors
    /// [`WeightsError::NotFloat`] for element types of less than 8 bits and complex ones.
    pub fn to_f32(&self) -> Result<Vec<f32>, WeightsError> {
        with_element!(self.dtype, |element| decode(&self.data, |bytes| element(bytes)
            .single()))
        .ok_or(WeightsError::NotFloat { found: self.dtype })
    }

    /// Converts the elements to f64: exactly, but for integers beyond 2^53.
    ///
    /// # Errors
    /// As [`Self::to_f32`].
    pub fn to_f64(&self) -> Result<Vec<f64>, WeightsError> {
        with_element!(self.dtype, |element| decode(&self.data, |bytes| element(bytes)
            .double()))
        .ok_or(WeightsError::NotFloat { found: self.dtype })
    }

    /// Converts the elements to another float type, rounding to nearest even.
    ///
    /// # Errors
    /// [`WeightsError::NotFloat`] when `dtype` is not F16, BF16 or F32, or the elements are no numbers.
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

fn decode<const N: usize, T>(bytes: &[u8], element: impl Fn([u8; N]) -> T) -> Vec<T> {
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
    fn integers_become_floats_and_what_is_no_number_is_refused() {
        let integers = HostTensor {
            dtype: Dtype::I64,
            shape: vec![2],
            data: [2_i64, -(1 << 53) - 1]
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        };
        assert_eq!(integers.to_f32().unwrap(), [2.0, -(2.0_f32.powi(53))]);
        assert_eq!(integers.to_f64().unwrap(), [2.0, -(2.0_f64.powi(53))]);
        assert_eq!(integers.cast(Dtype::F16).unwrap().to_f32().unwrap()[0], 2.0);
        let complex = HostTensor {
            dtype: Dtype::C64,
            ..integers
        };
        assert!(matches!(
            complex.to_f32(),
            Err(WeightsError::NotFloat { found: Dtype::C64 })
        ));
    }
}
