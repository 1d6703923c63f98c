//! One evaluation of an objective on given tensors, for comparisons with other programs.
//!
//! Objectives, settings and tensors go by names here, as they stand in files that scripts make.

mod error;
mod losses;
mod policy_losses;
mod tensors;

use burn::tensor::{Device, Tensor};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::nn::weights::{Dtype, HostTensor, TensorMap};
use tensors::CaseTensors;

pub use error::CaseError;

/// An objective with its settings, and which gradients of it are asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct ObjectiveCase {
    /// `sft`, `gors`, `diffusion-dpo`, `f-dpo-rkl`, `f-dpo-fkl`, `f-dpo-js`, `f-dpo-alpha`, `rpo`, `hn-itm`,
    /// `dpok` or `ddpo`.
    pub objective: String,
    /// Settings of the objective; those that are left out have its defaults.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Names of the tensors with four axes that gradients are asked for.
    #[serde(default)]
    pub gradients_of: Vec<String>,
}

impl ObjectiveCase {
    /// Computes in f64: `loss`, which has no axes, and `grad_NAME` for each of the gradients.
    ///
    /// # Errors
    /// Objective, settings or tensors are not as expected.
    ///
    /// # Panics
    /// The shapes of the tensors do not fit each other.
    pub fn evaluate(&self, inputs: &TensorMap, device: &Device) -> Result<TensorMap, CaseError> {
        let device = device.clone().autodiff();
        let tensors = CaseTensors::new(inputs, &self.gradients_of, device)?;
        let loss = losses::loss(&self.objective, Value::Object(self.settings.clone()), &tensors)?;
        let gradients = loss.is_tracked().then(|| loss.backward());
        let mut found = TensorMap::from([("loss".to_owned(), doubles("loss", loss, Vec::new())?)]);
        for name in &self.gradients_of {
            let leaf = tensors.latents(name)?;
            let gradient = gradients.as_ref().and_then(|gradients| leaf.grad(gradients));
            let gradient = gradient.unwrap_or_else(|| leaf.zeros_like());
            let shape = leaf.dims().to_vec();
            found.insert(format!("grad_{name}"), doubles(name, gradient, shape)?);
        }
        Ok(found)
    }
}

/// Copies a tensor to the host.
fn doubles<const D: usize>(
    name: &str,
    tensor: Tensor<D>,
    shape: Vec<usize>,
) -> Result<HostTensor, CaseError> {
    let values: Vec<f64> = tensor
        .inner()
        .try_into_vec_as()
        .map_err(|source| CaseError::Read {
            tensor: name.to_owned(),
            source,
        })?;
    Ok(HostTensor {
        dtype: Dtype::F64,
        shape,
        data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    })
}
