use std::path::Path;

use mitune_diffusion::adapter::{AdapterError, LayerShape, SavedAdapter};
use mitune_diffusion::weights::{TensorSource as _, WeightsFolder};

use crate::stage::StageError;

/// The weights of a model's denoiser, as its files hold them.
pub(super) struct BaseWeights {
    folder: WeightsFolder,
}

impl BaseWeights {
    pub(super) fn open(model: &Path) -> Result<Self, StageError> {
        let folder = WeightsFolder::open(&model.join("unet"), "diffusion_pytorch_model");
        Ok(Self {
            folder: folder.map_err(StageError::configuration)?,
        })
    }

    pub(super) fn folder(&self) -> &WeightsFolder {
        &self.folder
    }

    /// Checks that every layer of an adapter is there in its shape.
    pub(super) fn check(&self, adapter: &SavedAdapter) -> Result<(), AdapterError> {
        let missing: Vec<&String> = adapter
            .layers
            .keys()
            .filter(|layer| self.shape(layer).is_none())
            .collect();
        if let Some(layer) = missing.first() {
            return Err(AdapterError::UnknownLayer {
                layer: (*layer).clone(),
                count: missing.len(),
            });
        }
        for (name, layer) in &adapter.layers {
            if let Some(shape) = self.shape(name) {
                layer.fits(name, &shape)?;
            }
        }
        Ok(())
    }

    /// The rows of a layer's weight.
    pub(super) fn rows(&self, layer: &str) -> Option<Vec<f32>> {
        let tensor = self.folder.read(&format!("{layer}.weight")).ok()?;
        tensor.to_f32().ok()
    }

    fn shape(&self, layer: &str) -> Option<LayerShape> {
        let (_, shape) = self.folder.describe(&format!("{layer}.weight"))?;
        LayerShape::of_weight(&shape)
    }
}
