//! What trainings of adapters share: where they start, and what is kept of them.

use std::collections::BTreeSet;

use mitune_diffusion::adapter::{
    AdapterConfig, AdapterMethod, SavedAdapter, TEXT_ENCODER, UNET, attach, detach,
};
use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::nn::layers::AdaptTarget;
use mitune_diffusion::training::{DenoiserWithTextEncoder, train_adapters};
use mitune_store::Artifact;

use crate::adapters::stored_adapter;
use crate::contract::{ADAPTER_PORT, StageContext, StageError, StageOutput};

/// The adapter to go on from is not of the kind that the settings ask for.
#[derive(Debug, thiserror::Error)]
enum OtherAdapter {
    #[error("The adapter to go on from has `{setting}` {found}, the settings say {expected}")]
    Setting {
        setting: &'static str,
        found: String,
        expected: String,
    },
    #[error(
        "The adapter to go on from changes {found} layers, the `targets` of the settings {expected}; `{layer}` is in one \
         of them only"
    )]
    Layers {
        layer: String,
        found: usize,
        expected: usize,
    },
    #[error("The adapter to go on from does not change the `{component}`, which the settings train")]
    Component { component: &'static str },
    #[error(
        "The adapter to go on from changes the `{component}` too, which the settings do not train and would lose: go on \
         with `text_encoder` of `finetune`, or fold it into the model before, with a stage `merge_into_model`"
    )]
    Untrained { component: &'static str },
}

/// Puts the adapter to start from on the denoiser - that of the port, if one is connected, else a fresh one - and makes
/// it what is trained.
///
/// # Errors
/// [`StageError::Configuration`] if no layer is selected, or the adapter of the port is of another kind or changes more
/// than the denoiser.
pub(crate) fn prepare(
    context: &StageContext<'_>,
    config: &AdapterConfig,
    mut network: DenoisingNetwork,
) -> Result<DenoisingNetwork, StageError> {
    let saved = context.optional_input(ADAPTER_PORT);
    let saved = saved
        .map(|artifact| denoiser_alone(context, artifact))
        .transpose()?;
    begin(saved.as_ref(), config, &mut network)?;
    Ok(train_adapters(network))
}

/// As [`prepare`], for a denoiser and a text encoder with an adapter each.
///
/// # Errors
/// As [`prepare`], and if the adapter of the port lacks one of the two.
pub(crate) fn prepare_both(
    context: &StageContext<'_>,
    [config, text_config]: [&AdapterConfig; 2],
    mut networks: DenoiserWithTextEncoder<DenoisingNetwork>,
) -> Result<DenoiserWithTextEncoder<DenoisingNetwork>, StageError> {
    let saved = context.optional_input(ADAPTER_PORT);
    let saved = saved
        .map(|artifact| stored_adapter::read_all(context, artifact))
        .transpose()?;
    let part = |component: &'static str| match &saved {
        None => Ok(None),
        Some(saved) => match saved.get(component) {
            None => Err(StageError::configuration(OtherAdapter::Component { component })),
            part => Ok(part),
        },
    };
    begin(part(UNET)?, config, &mut networks.denoiser)?;
    begin(part(TEXT_ENCODER)?, text_config, &mut networks.text_encoder)?;
    Ok(train_adapters(networks))
}

/// The adapter of the denoiser to go on from; what it changes elsewhere would be lost.
fn denoiser_alone(context: &StageContext<'_>, artifact: &Artifact) -> Result<SavedAdapter, StageError> {
    let mut saved = stored_adapter::read_all(context, artifact)?;
    let denoiser = saved.remove(UNET);
    match (denoiser, saved.keys().next().copied()) {
        (Some(denoiser), None) => Ok(denoiser),
        (Some(_), Some(component)) => Err(StageError::configuration(OtherAdapter::Untrained { component })),
        (None, _) => Err(StageError::configuration(OtherAdapter::Component {
            component: UNET,
        })),
    }
}

/// Puts an adapter on a network: the saved one, if it is what a fresh one would be but for its values, or a fresh one.
fn begin<T: AdaptTarget>(
    saved: Option<&SavedAdapter>,
    config: &AdapterConfig,
    network: &mut T,
) -> Result<(), StageError> {
    let layers = attach(network, config).map_err(StageError::configuration)?;
    if let Some(saved) = saved {
        agree(saved, config, &layers).map_err(StageError::configuration)?;
        detach(network);
        saved.attach(network).map_err(StageError::configuration)?;
    }
    Ok(())
}

/// Keeps the adapter that was trained, with its size.
///
/// # Errors
/// An error of the store.
pub(crate) fn store(
    context: &StageContext<'_>,
    trained: &DenoisingNetwork,
) -> Result<StageOutput, StageError> {
    let saved = extract(trained)?;
    let output = StageOutput::one("adapter", stored_adapter::put(context, &saved)?);
    Ok(with_sizes(&[&saved], output))
}

/// Keeps the adapters of a denoiser and a text encoder as one, with its size.
///
/// # Errors
/// An error of the store.
pub(crate) fn store_both(
    context: &StageContext<'_>,
    trained: &DenoiserWithTextEncoder<DenoisingNetwork>,
) -> Result<StageOutput, StageError> {
    let saved = extract(&trained.denoiser)?;
    let text = SavedAdapter::extract(&trained.text_encoder).map_err(StageError::failed)?;
    let artifact = stored_adapter::put_all(context, [(UNET, &saved), (TEXT_ENCODER, &text)])?;
    Ok(with_sizes(
        &[&saved, &text],
        StageOutput::one("adapter", artifact),
    ))
}

/// The adapter of a denoiser in the shapes of files.
fn extract(trained: &DenoisingNetwork) -> Result<SavedAdapter, StageError> {
    Ok(SavedAdapter::extract(trained)
        .map_err(StageError::failed)?
        .with_stored_shapes(|name, shape| trained.stored_shape(name, shape)))
}

fn with_sizes(saved: &[&SavedAdapter], output: StageOutput) -> StageOutput {
    let layers: usize = saved.iter().map(|saved| saved.layers.len()).sum();
    let numbers: usize = saved.iter().map(|saved| trained_numbers(saved)).sum();
    output
        .with_metric("adapted_layers", layers)
        .with_metric("trained_numbers", numbers)
}

/// Checks that a saved adapter is what a fresh one would be, but for its values.
fn agree(saved: &SavedAdapter, config: &AdapterConfig, layers: &[String]) -> Result<(), OtherAdapter> {
    let word = |method| {
        if method == AdapterMethod::Dora {
            "dora"
        } else {
            "lora"
        }
    };
    let settings = [
        (
            "method",
            word(saved.method).to_owned(),
            word(config.method).to_owned(),
        ),
        ("rank", shared(saved.rank()), config.rank.to_string()),
        ("alpha", shared(saved.alpha()), config.alpha.to_string()),
    ];
    if let Some((setting, found, expected)) = settings
        .into_iter()
        .find(|(_, found, expected)| found != expected)
    {
        return Err(OtherAdapter::Setting {
            setting,
            found,
            expected,
        });
    }
    let expected: BTreeSet<&String> = layers.iter().collect();
    let found: BTreeSet<&String> = saved.layers.keys().collect();
    match expected.symmetric_difference(&found).next() {
        None => Ok(()),
        Some(layer) => Err(OtherAdapter::Layers {
            layer: (*layer).clone(),
            found: found.len(),
            expected: expected.len(),
        }),
    }
}

fn shared(value: Option<impl ToString>) -> String {
    value.map_or_else(
        || "of its own in every layer".to_owned(),
        |value| value.to_string(),
    )
}

fn trained_numbers(adapter: &SavedAdapter) -> usize {
    let numbers = adapter
        .layers
        .values()
        .map(|layer| layer.lora_a.len() + layer.lora_b.len() + layer.magnitude.as_ref().map_or(0, Vec::len));
    numbers.sum()
}
