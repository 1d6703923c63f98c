//! The networks that are trained, and what is kept of them.

use burn::module::Module as _;
use burn::tensor::{Int, Tensor};
use mitune_diffusion::adapter::{AdapterConfig, AdapterTargets};
use mitune_diffusion::clip::ClipTextModel;
use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::training::{DenoiserWithTextEncoder, train_only};

use super::stage::Finetune;
use crate::contract::{StageContext, StageError, StageOutput};
use crate::models::changed_model::put_changed;
use crate::training::adapter_training;

/// The denoiser with the text encoder, where both are trained.
pub(super) type BothNetworks = DenoiserWithTextEncoder<DenoisingNetwork>;

/// Token ids of prompts, which is what both networks together are told.
pub(super) type PromptTokens = Tensor<2, Int>;

/// Name of the output of a training of all weights.
pub(super) const MODEL_OUTPUT: &str = "model";

impl Finetune {
    /// Puts the adapter to start from on the denoiser and makes it what is trained, or all weights.
    pub(super) fn prepare(
        &self,
        context: &StageContext<'_>,
        network: DenoisingNetwork,
    ) -> Result<DenoisingNetwork, StageError> {
        match self.adapter_config() {
            Some(config) => adapter_training::prepare(context, &config, network),
            None => Ok(train_only(network, |_| true)),
        }
    }

    /// As [`Self::prepare`], with the text encoder.
    pub(super) fn prepare_both(
        &self,
        context: &StageContext<'_>,
        denoiser: DenoisingNetwork,
        text_encoder: ClipTextModel,
    ) -> Result<BothNetworks, StageError> {
        let networks = DenoiserWithTextEncoder {
            denoiser,
            text_encoder,
        };
        let Some(config) = self.adapter_config() else {
            return Ok(train_only(networks, |_| true));
        };
        let text_config = AdapterConfig {
            targets: AdapterTargets::of_text_encoder(),
            ..config.clone()
        };
        adapter_training::prepare_both(context, [&config, &text_config], networks)
    }

    /// Keeps what was trained, with its size.
    pub(super) fn store(
        &self,
        context: &StageContext<'_>,
        trained: &DenoisingNetwork,
    ) -> Result<StageOutput, StageError> {
        if self.config.method.adapter().is_some() {
            return adapter_training::store(context, trained);
        }
        let model = put_changed(context, &self.model, &trained.valid(), None)?;
        Ok(StageOutput::one(MODEL_OUTPUT, model).with_metric("trained_numbers", trained.num_params()))
    }

    /// As [`Self::store`], with the text encoder.
    pub(super) fn store_both(
        &self,
        context: &StageContext<'_>,
        trained: &BothNetworks,
    ) -> Result<StageOutput, StageError> {
        if self.config.method.adapter().is_some() {
            return adapter_training::store_both(context, trained);
        }
        let DenoiserWithTextEncoder {
            denoiser,
            text_encoder,
        } = trained.valid();
        let model = put_changed(context, &self.model, &denoiser, Some(&text_encoder))?;
        Ok(StageOutput::one(MODEL_OUTPUT, model).with_metric("trained_numbers", trained.num_params()))
    }
}
