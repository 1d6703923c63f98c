//! The whole denoiser.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, activation};

use super::PARAMETER_RENAMES;
use super::attention_recording::AttentionRecorder;
use super::blocks::{Condition, DownBlock, MidBlock, UpBlock};
use super::config::{TextTimeAddition, UNet2DConditionConfig};
use super::time_embedding::{TimestepEmbedding, Timesteps};
use crate::conditioning::{AddedConditioning, Conditioning};
use crate::denoiser::{AttentionMap, AttentionPlace, AttentionRequest};
use crate::nn::compute_threads::on_compute_thread;
use crate::nn::kernels::{channels_first, channels_last};
use crate::nn::layers::{AdaptTarget, AdaptableLayer, AttentionContext, Conv2d, GroupNorm, VisitLayers};
use crate::nn::weights::{NameTable, TensorMap, module_tensors};

/// Predicts the noise, or what the model was trained for, in a latent image at a timestep given
/// the prompt; the class of the same name in diffusers, as Stable Diffusion 1.x, 2.x and XL use it.
#[derive(Module, Debug)]
pub struct UNet2DConditionModel {
    /// From latent channels to those of the highest resolution.
    pub conv_in: Conv2d,
    /// Perceptron over the timestep's sines and cosines.
    pub time_embedding: TimestepEmbedding,
    /// Perceptron over the prompt's vector and the image's sizes, of Stable Diffusion XL.
    pub add_embedding: Option<TimestepEmbedding>,
    /// From the highest resolution to the lowest.
    pub down_blocks: Vec<DownBlock>,
    /// At the lowest resolution; absent where the configuration says `null`.
    pub mid_block: Option<MidBlock>,
    /// Back to the highest resolution.
    pub up_blocks: Vec<UpBlock>,
    /// Before the last convolution.
    pub conv_norm_out: GroupNorm,
    /// To the channels of the prediction.
    pub conv_out: Conv2d,
    #[module(skip)]
    time_proj: Timesteps,
    #[module(skip)]
    add_time_proj: Option<Timesteps>,
    #[module(skip)]
    center_input_sample: bool,
}

impl UNet2DConditionModel {
    /// Creates the network with fresh weights, drawn as PyTorch draws them from the device's
    /// random generator.
    pub fn new(config: &UNet2DConditionConfig, device: &Device) -> Self {
        let levels = config.levels();
        let [first, last] = [0, levels.len() - 1].map(|index| levels[index].channels);
        let down = |(index, level): (usize, &super::config::Level)| {
            let padding = (index + 1 < levels.len()).then_some(config.downsample_padding);
            let transformer = level.down_attention.then_some(&level.transformer);
            DownBlock::new(&config.down_resnets(&levels, index), transformer, padding, device)
        };
        let up = |(index, level): (usize, &super::config::Level)| {
            let transformer = level.up_attention.then_some(&level.transformer);
            let resnets = config.up_resnets(&levels, index);
            UpBlock::new(&resnets, transformer, index > 0, device)
        };
        let mid = |()| {
            let level = &levels[levels.len() - 1];
            let transformer = config.mid_transformer(level);
            MidBlock::new(&config.mid_resnet(last), &transformer, device)
        };
        let sines = |features| Timesteps {
            features,
            flip_sin_to_cos: config.flip_sin_to_cos,
            freq_shift: config.freq_shift,
        };
        let add = |addition: &TextTimeAddition| {
            TimestepEmbedding::new(addition.in_features, config.time_features(), device)
        };
        Self {
            conv_in: Conv2d::same([config.in_channels, first], config.conv_in_kernel, device),
            time_embedding: TimestepEmbedding::new(first, config.time_features(), device),
            add_embedding: config.addition.as_ref().map(add),
            down_blocks: levels.iter().enumerate().map(down).collect(),
            mid_block: config.mid_block.then_some(()).map(mid),
            up_blocks: levels.iter().enumerate().rev().map(up).collect(),
            conv_norm_out: GroupNorm::new(config.norm_num_groups, first, config.norm_eps, device),
            conv_out: Conv2d::same([first, config.out_channels], config.conv_out_kernel, device),
            time_proj: sines(first),
            add_time_proj: config.addition.map(|addition| sines(addition.time_features)),
            center_input_sample: config.center_input_sample,
        }
    }

    /// Predicts for a batch of latents, each with its own timestep and prompt.
    ///
    /// # Shapes
    /// - sample: `[batch, in channels, height, width]`, in the dtype of the weights
    /// - timesteps: `[batch]`, f32
    /// - conditioning: one row per latent; hidden states are `[batch, tokens, cross attention dim]`
    /// - output: `[batch, out channels, height, width]`
    ///
    /// # Panics
    /// The network was built for [added](Conditioning::added) conditioning and there is none, or the
    /// other way round.
    pub fn forward(
        &self,
        sample: Tensor<4>,
        timesteps: Tensor<1>,
        conditioning: impl Into<Conditioning>,
    ) -> Tensor<4> {
        self.forward_recorded(sample, timesteps, conditioning.into(), None)
            .0
    }

    /// Predicts as [`Self::forward`] does, and keeps the attention maps that are wanted.
    pub(super) fn forward_recorded(
        &self,
        sample: Tensor<4>,
        timesteps: Tensor<1>,
        conditioning: Conditioning,
        wanted: Option<&AttentionRequest>,
    ) -> (Tensor<4>, Vec<AttentionMap>) {
        on_compute_thread(&sample.device(), || {
            let mut recorder = AttentionRecorder::new(wanted);
            let prediction = self.evaluate(sample, timesteps, conditioning, &mut recorder);
            (prediction, recorder.into_maps())
        })
    }

    fn evaluate(
        &self,
        sample: Tensor<4>,
        timesteps: Tensor<1>,
        conditioning: Conditioning,
        recorder: &mut AttentionRecorder<'_>,
    ) -> Tensor<4> {
        let sines = self.time_proj.forward(timesteps).cast(sample.dtype());
        let time = self.time_embedding.forward(sines);
        let time = match self.addition(conditioning.added.as_ref(), sample.dtype()) {
            Some(addition) => time + addition,
            None => time,
        };
        let condition = Condition {
            activated_time: activation::silu(time),
            context: AttentionContext {
                values: conditioning
                    .value_context
                    .unwrap_or_else(|| conditioning.context.clone()),
                keys: conditioning.context,
                further_keys: conditioning.key_contexts,
            },
        };
        let sample = match self.center_input_sample {
            true => sample * 2.0 - 1.0,
            false => sample,
        };
        let mut x = self.conv_in.forward(channels_last(sample));
        let mut skips = vec![x.clone()];
        for (index, block) in self.down_blocks.iter().enumerate() {
            let mut recording = recorder.level(AttentionPlace::Down, format_args!("down_blocks.{index}"), &x);
            x = block.forward(x, &condition, &mut skips, &mut recording);
        }
        if let Some(block) = &self.mid_block {
            let mut recording = recorder.level(AttentionPlace::Middle, format_args!("mid_block"), &x);
            x = block.forward(x, &condition, &mut recording);
        }
        for (index, block) in self.up_blocks.iter().enumerate() {
            let mut recording = recorder.level(AttentionPlace::Up, format_args!("up_blocks.{index}"), &x);
            x = block.forward(x, &condition, &mut skips, &mut recording);
        }
        let prediction = self.conv_out.forward(self.conv_norm_out.forward_silu(x));
        channels_first(prediction)
    }

    /// Embeds the prompt's vector and the image's sizes, `[batch, time features]`.
    fn addition(&self, added: Option<&AddedConditioning>, dtype: DType) -> Option<Tensor<2>> {
        assert_eq!(
            self.add_embedding.is_some(),
            added.is_some(),
            "a network reads added conditioning if and only if it was built for it"
        );
        let (embedding, sines) = (self.add_embedding.as_ref()?, self.add_time_proj?);
        let AddedConditioning {
            text_embeds,
            time_ids,
        } = added?.clone();
        assert!(
            time_ids.is_some(),
            "a network that reads a pooled vector reads sizes too"
        );
        let time_ids = time_ids?;
        let [batch, sizes] = time_ids.dims();
        let sizes = sines
            .forward(time_ids.reshape([batch * sizes]))
            .reshape([batch, sizes * sines.features]);
        let features = Tensor::cat(vec![text_embeds.cast(dtype), sizes.cast(dtype)], 1);
        Some(embedding.forward(features))
    }

    /// Whether there is an attention layer anywhere.
    pub(super) fn has_attention(&self) -> bool {
        let down = self.down_blocks.iter().map(|block| &block.attentions);
        let middle = self.mid_block.iter().map(|block| &block.attentions);
        let up = self.up_blocks.iter().map(|block| &block.attentions);
        down.chain(middle)
            .chain(up)
            .any(|attentions| !attentions.is_empty())
    }

    /// Copies every weight to the host under its name and in its shape in diffusers' files.
    pub fn stored_tensors(&self, config: &UNet2DConditionConfig) -> TensorMap {
        let names = NameTable {
            rename: PARAMETER_RENAMES,
            ..NameTable::default()
        };
        let mut tensors = module_tensors(self, &names);
        for (name, tensor) in &mut tensors {
            tensor.shape = config.stored_shape(name, &tensor.shape);
        }
        tensors
    }

    /// Shows each linear layer and convolution to `visit` under its diffusers name, such as
    /// `down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q`.
    pub fn named_layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.conv_in.visit_layers("conv_in", visit);
        self.time_embedding.visit_layers("time_embedding", visit);
        self.add_embedding.visit_layers("add_embedding", visit);
        self.down_blocks.visit_layers("down_blocks", visit);
        self.mid_block.visit_layers("mid_block", visit);
        self.up_blocks.visit_layers("up_blocks", visit);
        self.conv_out.visit_layers("conv_out", visit);
    }
}

impl AdaptTarget for UNet2DConditionModel {
    fn layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.named_layers_mut(visit);
    }
}
