use std::path::Path;

use mitune_diffusion::adapter::{AdapterError, SavedAdapter, UNET};
use mitune_diffusion::nn::layers::LayerShape;
use mitune_diffusion::nn::weights::{TensorSource, WeightsFolder};

use crate::contract::StageError;

/// The weights of a component of a model, as its files hold them.
pub(crate) struct BaseWeights<'a>(&'a dyn TensorSource);

/// The name of the files of a component without its end: diffusers' of a denoiser, else transformers'.
pub(super) fn stem(component: &str) -> &'static str {
    match component {
        UNET => "diffusion_pytorch_model",
        _ => "model",
    }
}

/// Opens the files of a component.
pub(super) fn open_weights(model: &Path, component: &str) -> Result<WeightsFolder, StageError> {
    let folder = model.join(component);
    if !folder.is_dir() {
        return Err(StageError::configuration(AdapterError::NoComponent {
            component: component.to_owned(),
        }));
    }
    WeightsFolder::open(&folder, stem(component)).map_err(StageError::configuration)
}

impl<'a> BaseWeights<'a> {
    pub(crate) fn of(tensors: &'a dyn TensorSource) -> Self {
        Self(tensors)
    }

    /// Checks that every layer of an adapter is there in its shape.
    pub(crate) fn check(&self, adapter: &SavedAdapter) -> Result<(), AdapterError> {
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
    pub(crate) fn rows(&self, layer: &str) -> Option<Vec<f32>> {
        let tensor = self.0.read(&self.tensor(layer)?).ok()?;
        tensor.to_f32().ok()
    }

    /// The name of a layer's weight; transformers 5 leaves `text_model.` out.
    pub(super) fn tensor(&self, layer: &str) -> Option<String> {
        let names = [layer, layer.strip_prefix("text_model.").unwrap_or(layer)];
        let mut names = names.iter().map(|name| format!("{name}.weight"));
        names.find(|name| self.0.describe(name).is_some())
    }

    fn shape(&self, layer: &str) -> Option<LayerShape> {
        let (_, shape) = self.0.describe(&self.tensor(layer)?)?;
        LayerShape::of_weight(&shape)
    }
}
