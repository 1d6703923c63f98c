//! Folding adapters into the weights of a loaded model.

use std::collections::BTreeMap;

use mitune_diffusion::adapter::{AdapterError, SavedAdapter, TEXT_ENCODER, UNET, merge, multiply_scale};
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::nn::layers::AdaptTarget;

/// Folds the adapters of the components of a model into their weights, each at a factor of its own scale.
///
/// # Errors
/// An adapter does not fit its component, or the model has no such one.
pub(crate) fn fold_into(
    model: &mut DiffusionModel,
    adapters: &BTreeMap<&'static str, SavedAdapter>,
    scale: f64,
) -> Result<(), AdapterError> {
    for (component, adapter) in adapters {
        match *component {
            UNET => fold(adapter, scale, &mut model.network)?,
            TEXT_ENCODER => fold(adapter, scale, &mut model.text_encoder)?,
            component => match model.second_text_encoder.as_mut() {
                Some(second) => fold(adapter, scale, &mut second.text_encoder)?,
                None => {
                    return Err(AdapterError::NoComponent {
                        component: component.to_owned(),
                    });
                }
            },
        }
    }
    Ok(())
}

fn fold<T: AdaptTarget>(adapter: &SavedAdapter, scale: f64, model: &mut T) -> Result<(), AdapterError> {
    adapter.attach(model)?;
    multiply_scale(model, scale);
    merge(model);
    Ok(())
}
