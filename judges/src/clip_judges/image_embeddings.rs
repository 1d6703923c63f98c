//! Embeddings of pictures.

use burn::tensor::{DType, FloatDType, Tensor};
use mitune_diffusion::nn::weights::TensorSource;

use super::{Execution, JudgeError};
use crate::clip::{ClipConfig, ClipError, ClipVisionModel};
use crate::picture::Picture;
use crate::preprocessing::{Pixels, Preprocessing};

/// A vision model that makes embeddings of pictures, as judges and distances of sets need them.
#[derive(Debug)]
pub struct ImageEmbeddings {
    model: ClipVisionModel,
    preprocessing: Preprocessing,
    execution: Execution,
}

impl ImageEmbeddings {
    /// Loads the vision model of a CLIP.
    ///
    /// # Errors
    /// When the configuration is inconsistent, or the tensors do not fit it.
    pub fn load(
        source: &dyn TensorSource,
        config: &ClipConfig,
        preprocessing: Preprocessing,
        execution: Execution,
    ) -> Result<Self, ClipError> {
        let model = ClipVisionModel::load(source, config, &execution.device, execution.dtype)?;
        Ok(Self::new(model, preprocessing, execution))
    }

    /// Takes a model that lies on the device of `execution`.
    pub fn new(model: ClipVisionModel, preprocessing: Preprocessing, execution: Execution) -> Self {
        Self {
            model,
            preprocessing,
            execution,
        }
    }

    /// How pictures are prepared.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Embeds each picture, projected and as long as it comes out of the network.
    ///
    /// # Errors
    /// When a picture cannot be prepared, or the network gives no numbers for it.
    pub fn embed(&self, pictures: &[&Picture]) -> Result<Vec<Vec<f32>>, JudgeError> {
        let mut embeddings = Vec::with_capacity(pictures.len());
        for batch in pictures.chunks(self.execution.batch.get()) {
            let prepared = self.preprocessing.apply_all(batch).map_err(JudgeError::from);
            let prepared = prepared.map_err(|error| error.among(|index| embeddings.len() + index))?;
            embeddings.extend(self.embed_prepared(prepared)?);
        }
        self.finite(embeddings)
    }

    /// Embeds each picture and brings the embedding to length 1.
    ///
    /// # Errors
    /// As [`Self::embed`], and when an embedding has no direction.
    pub fn embed_normalised(&self, pictures: &[&Picture]) -> Result<Vec<Vec<f32>>, JudgeError> {
        let embeddings = self.embed(pictures)?;
        self.finite(embeddings.iter().map(|embedding| normalised(embedding)).collect())
    }

    /// Embeds at most a batch of prepared pictures.
    pub(super) fn embed_prepared(&self, mut prepared: Vec<Pixels>) -> Result<Vec<Vec<f32>>, JudgeError> {
        let (count, side) = (prepared.len(), self.model.image_size());
        if let Some(other) = prepared
            .iter()
            .find(|pixels| (pixels.height, pixels.width) != (side, side))
        {
            return Err(JudgeError::PictureSize {
                expected: side,
                height: other.height,
                width: other.width,
            });
        }
        while prepared.len() < self.execution.batch.get() {
            prepared.push(Pixels {
                height: side,
                width: side,
                values: vec![0.0; side * side * 3],
            });
        }
        let images = Pixels::batch(&prepared, &self.execution.device, self.execution.dtype);
        let mut rows = rows(self.model.forward(images))?;
        rows.truncate(count);
        Ok(rows)
    }

    fn finite(&self, embeddings: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>, JudgeError> {
        let broken = embeddings
            .iter()
            .position(|embedding| embedding.iter().any(|value| !value.is_finite()));
        match broken {
            Some(index) => Err(JudgeError::NotFinite {
                index,
                dtype: self.dtype(),
            }),
            None => Ok(embeddings),
        }
    }

    /// The type of parameters and activations.
    pub fn dtype(&self) -> FloatDType {
        self.execution.dtype
    }
}

/// The rows of a matrix, on the host.
pub(super) fn rows(matrix: Tensor<2>) -> Result<Vec<Vec<f32>>, JudgeError> {
    let [_, width] = matrix.dims();
    let values = matrix
        .try_into_data_dtype(DType::F32)
        .and_then(|data| Ok(data.try_into_vec::<f32>()?))
        .map_err(|source| JudgeError::Unreadable { source })?;
    Ok(values.chunks(width).map(<[f32]>::to_vec).collect())
}

/// An embedding with length 1; not finite where it has no direction.
pub(super) fn normalised(embedding: &[f32]) -> Vec<f32> {
    let length = length(embedding);
    embedding
        .iter()
        .map(|value| (f64::from(*value) / length) as f32)
        .collect()
}

/// Euclidean length.
pub(super) fn length(embedding: &[f32]) -> f64 {
    let squares = embedding.iter().map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}
