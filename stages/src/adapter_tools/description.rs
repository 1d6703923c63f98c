use std::collections::{BTreeMap, BTreeSet};

use mitune_diffusion::adapter::{AdapterForm, AdapterMethod, SavedLayer, UNET};
use serde::Serialize;

use crate::adapters::adapter_file::AdapterFile;
use crate::contract::StageError;

/// What an adapter file holds.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterDescription {
    /// How the file names its tensors.
    pub form: AdapterForm,
    /// Components of the model that are changed.
    pub components: Vec<&'static str>,
    /// Kind of adapter of each component.
    pub methods: Vec<AdapterMethod>,
    /// Ranks that occur, ascending.
    pub ranks: Vec<usize>,
    /// Alphas that occur, ascending.
    pub alphas: Vec<f64>,
    /// Last parts of the names of the layers, as PEFT's `target_modules`.
    pub targets: BTreeSet<String>,
    /// Element types of the tensors.
    pub dtypes: BTreeSet<String>,
    /// How many numbers were trained.
    pub numbers: usize,
    /// Length of all changes `s B A` together, as the root of the sum of squares.
    pub norm: f64,
    /// Every layer by its diffusers name, after that of its component unless it is the denoiser.
    pub layers: BTreeMap<String, LayerDescription>,
    /// What the header of the file says.
    pub metadata: BTreeMap<String, String>,
}

/// What an adapter file holds of one layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerDescription {
    /// Inner dimension of the product.
    pub rank: usize,
    /// The product is scaled by `alpha / rank`.
    pub alpha: f64,
    /// Output features or channels.
    pub outputs: usize,
    /// Input features or channels.
    pub inputs: usize,
    /// Kernel of a convolution.
    pub kernel: Option<[usize; 2]>,
    /// Length of the change `s B A`, as the root of the sum of squares.
    pub norm: f64,
}

/// Describes an adapter file.
///
/// # Errors
/// [`StageError::Configuration`] if it cannot be read or is no adapter.
pub fn describe(file: &AdapterFile) -> Result<AdapterDescription, StageError> {
    let contents = file.read().map_err(StageError::configuration)?;
    let all: BTreeMap<String, &SavedLayer> = contents
        .adapters
        .iter()
        .flat_map(|(component, adapter)| {
            let name = move |layer: &String| match *component {
                UNET => layer.clone(),
                component => format!("{component}.{layer}"),
            };
            adapter
                .layers
                .iter()
                .map(move |(layer, saved)| (name(layer), saved))
        })
        .collect();
    let layers: BTreeMap<String, LayerDescription> = all
        .iter()
        .map(|(name, layer)| (name.clone(), LayerDescription::of(layer)))
        .collect();
    let methods = contents.adapters.values().map(|adapter| adapter.method);
    let ranks: BTreeSet<usize> = layers.values().map(|layer| layer.rank).collect();
    let mut alphas: Vec<f64> = layers.values().map(|layer| layer.alpha).collect();
    alphas.sort_by(f64::total_cmp);
    alphas.dedup();
    let numbers = |layer: &SavedLayer| {
        layer.lora_a.len() + layer.lora_b.len() + layer.magnitude.as_ref().map_or(0, Vec::len)
    };
    Ok(AdapterDescription {
        form: contents.form,
        methods: methods.collect(),
        components: contents.adapters.keys().copied().collect(),
        ranks: ranks.into_iter().collect(),
        alphas,
        targets: layers.keys().map(|name| target(name)).collect(),
        dtypes: contents.dtypes,
        numbers: all.values().map(|layer| numbers(layer)).sum(),
        norm: layers
            .values()
            .map(|layer| layer.norm.powi(2))
            .sum::<f64>()
            .sqrt(),
        layers,
        metadata: contents.metadata,
    })
}

impl LayerDescription {
    fn of(layer: &SavedLayer) -> Self {
        Self {
            rank: layer.rank,
            alpha: layer.alpha,
            outputs: layer.shape.outputs,
            inputs: layer.shape.inputs,
            kernel: layer.shape.kernel,
            norm: layer.norm(),
        }
    }
}

/// The last part of a layer's name that says what the layer is: `to_q`, `to_out.0`, `ff.net.2`, `conv1`.
fn target(layer: &str) -> String {
    if let Some((_, inside)) = layer.rsplit_once(".ff.") {
        return format!("ff.{inside}");
    }
    let parts: Vec<&str> = layer.split('.').collect();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let start = parts.iter().rposition(|part| !is_number(part)).unwrap_or(0);
    parts[start..].join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_last_parts_that_say_something() {
        for (layer, expected) in [
            ("mid_block.attentions.0.transformer_blocks.0.attn1.to_q", "to_q"),
            (
                "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0",
                "to_out.0",
            ),
            ("mid_block.attentions.0.transformer_blocks.0.ff.net.2", "ff.net.2"),
            (
                "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
                "ff.net.0.proj",
            ),
            ("down_blocks.0.resnets.0.conv1", "conv1"),
            ("conv_in", "conv_in"),
        ] {
            assert_eq!(target(layer), expected);
        }
    }
}
