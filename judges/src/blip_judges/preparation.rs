//! Pictures as a batch of a fixed size, and results from it.

use burn::tensor::{DType, Tensor};

use crate::clip_judges::Execution;
use crate::pair_judge::JudgeError;
use crate::picture::Picture;
use crate::preprocessing::{Pixels, Preprocessing};

/// How pictures become what a network sees.
#[derive(Debug, Clone)]
pub(super) struct Preparation {
    pub(super) preprocessing: Preprocessing,
    /// Side of the network's square, in pixels.
    pub(super) side: usize,
    pub(super) execution: Execution,
}

impl Preparation {
    /// Pictures of a batch.
    pub(super) fn batch_size(&self) -> usize {
        self.execution.batch.get()
    }

    /// Prepares pictures, not more than a batch has, and fills it up with copies of the first: the last digits of a
    /// result depend on the shape of its batch.
    ///
    /// # Shapes
    /// - output: `[batch size, side, side, 3]`
    pub(super) fn batch(&self, pictures: &[&Picture]) -> Result<Tensor<4>, JudgeError> {
        let pixels = self.preprocessing.apply_all(pictures)?;
        let side = self.side;
        if let Some(other) = pixels.iter().find(|one| one.height != side || one.width != side) {
            return Err(JudgeError::PictureSize {
                expected: side,
                height: other.height,
                width: other.width,
            });
        }
        let batch = Pixels::batch(&pixels, &self.execution.device, self.execution.dtype);
        let missing = self.batch_size().saturating_sub(pixels.len());
        if missing == 0 {
            return Ok(batch);
        }
        let copies = batch.clone().narrow(0, 0, 1).repeat_dim(0, missing);
        Ok(Tensor::cat(vec![batch, copies], 0))
    }
}

/// Reads a tensor row by row as f32.
pub(super) fn values_of<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, JudgeError> {
    tensor
        .try_into_data_dtype(DType::F32)
        .and_then(|data| Ok(data.try_into_vec::<f32>()?))
        .map_err(|source| JudgeError::Unreadable { source })
}
