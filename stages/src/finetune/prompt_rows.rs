//! What a trained network is told of prompts: their encodings, or, where a text encoder is trained too, their tokens.

use burn::tensor::{Device, Int, Tensor};
use mitune_diffusion::conditioning::{Conditioning, ImageSize};
use mitune_diffusion::model::{DiffusionModel, EncodedPrompts, ModelError, TokenizedPrompts};

/// Rows about prompts, one for each.
pub(super) trait PromptRows: Clone {
    /// Makes those of prompts, for images of a size.
    fn of_prompts(
        model: &DiffusionModel,
        prompts: &[&str],
        size: ImageSize,
        device: &Device,
    ) -> Result<EncodedRows<Self>, ModelError>;

    /// Makes the one of the empty prompt.
    fn of_empty(model: &DiffusionModel, size: ImageSize, device: &Device) -> Result<Self, ModelError>;

    /// Takes one row.
    fn row(&self, row: usize) -> Self;

    /// Puts rows under each other, on the device that records gradients.
    fn under_each_other(rows: Vec<Self>) -> Self;
}

/// Rows about prompts, and whether the end of each prompt was cut off.
pub(super) struct EncodedRows<C> {
    pub(super) rows: C,
    pub(super) truncated: Vec<bool>,
}

impl PromptRows for Conditioning {
    fn of_prompts(
        model: &DiffusionModel,
        prompts: &[&str],
        size: ImageSize,
        device: &Device,
    ) -> Result<EncodedRows<Self>, ModelError> {
        let EncodedPrompts {
            conditioning: rows,
            truncated,
        } = model.encode_prompts(prompts, size, device)?;
        Ok(EncodedRows { rows, truncated })
    }

    fn of_empty(model: &DiffusionModel, size: ImageSize, device: &Device) -> Result<Self, ModelError> {
        Ok(model.encode_negative("", size, device)?.conditioning)
    }

    fn row(&self, row: usize) -> Self {
        self.clone().narrow(row, 1)
    }

    fn under_each_other(rows: Vec<Self>) -> Self {
        Self::cat(rows).autodiff()
    }
}

/// Token ids of the text encoder.
impl PromptRows for Tensor<2, Int> {
    fn of_prompts(
        model: &DiffusionModel,
        prompts: &[&str],
        _: ImageSize,
        device: &Device,
    ) -> Result<EncodedRows<Self>, ModelError> {
        // Integers have no gradient, but stand on the device of the network that reads them.
        let TokenizedPrompts { ids, truncated } =
            model.tokenize_prompts(prompts, &device.clone().autodiff())?;
        Ok(EncodedRows { rows: ids, truncated })
    }

    fn of_empty(model: &DiffusionModel, size: ImageSize, device: &Device) -> Result<Self, ModelError> {
        Ok(Self::of_prompts(model, &[""], size, device)?.rows)
    }

    fn row(&self, row: usize) -> Self {
        self.clone().narrow(0, row, 1)
    }

    fn under_each_other(rows: Vec<Self>) -> Self {
        Self::cat(rows, 0)
    }
}
