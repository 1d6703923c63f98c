//! A whole CLIP.

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use mitune_diffusion::clip::{ClipTextModel, TEXT_MODEL_NAMES};
use mitune_diffusion::nn::compute_threads::on_compute_thread;
use mitune_diffusion::nn::kernels::sum_type;
use mitune_diffusion::nn::weights::{LoadProblem, TensorSource, WeightsError, load_module};

use super::renamed_tensors::RenamedTensors;
use super::vision_model::PARTS as VISION_PARTS;
use super::{ClipConfig, ClipError, ClipVisionModel};

/// transformers' `CLIPModel`: both halves and the scale of their similarity.
#[derive(Debug)]
pub struct ClipModel {
    /// The half that looks at images.
    pub vision: ClipVisionModel,
    /// The half that reads texts.
    pub text: ClipTextEncoder,
    /// Logarithm of the factor that cosines were multiplied by in training.
    pub logit_scale: f32,
}

/// The half of a CLIP that reads texts, one at a time.
#[derive(Debug)]
pub struct ClipTextEncoder {
    model: ClipTextModel,
    end_token: i64,
    vocabulary: usize,
    longest: usize,
    device: Device,
}

const TEXT_PARTS: [&str; 2] = ["text_model.", "text_projection."];

pub(super) const SCALE: &str = "logit_scale";

impl ClipModel {
    /// Loads a CLIP from tensors under transformers' names.
    ///
    /// # Errors
    /// When the configuration is inconsistent, or the tensors do not fit it.
    pub fn load(
        source: &dyn TensorSource,
        config: &ClipConfig,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, ClipError> {
        config.validate()?;
        refuse_other_parts(source)?;
        Ok(Self {
            vision: ClipVisionModel::load(source, config, device, dtype)?,
            text: ClipTextEncoder::load(source, config, device, dtype)?,
            logit_scale: read_scale(source)?,
        })
    }
}

impl ClipTextEncoder {
    /// Loads the text model of a whole CLIP, whose other tensors are left alone.
    ///
    /// # Errors
    /// When the configuration is inconsistent, or the tensors do not fit it.
    pub fn load(
        source: &dyn TensorSource,
        config: &ClipConfig,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, ClipError> {
        let model = ClipTextModel::new(&config.text, device).map_err(|source| ClipError::Text { source })?;
        let tensors = RenamedTensors::only(source, &TEXT_PARTS);
        Ok(Self {
            model: load_module(model, &tensors, &TEXT_MODEL_NAMES, dtype)?,
            end_token: config.text.eos_token_id.unwrap_or(LARGEST_ID),
            vocabulary: config.text.vocab_size,
            longest: config.text.max_position_embeddings,
            device: device.clone(),
        })
    }

    /// Number of tokens that the model knows.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The most tokens of a text, start and end included.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Embeds a text in the space that images are embedded in too; not normalised, in f32.
    ///
    /// No token sees a later one, so what stands behind the end, such as padding, is left out: most prompts have a
    /// tenth of the tokens that they are filled up to. Texts are read one by one, so that none depends on another.
    ///
    /// # Shapes
    /// - ids: start token, the text's, end token, and any others; each below [`Self::vocabulary`], at most
    ///   [`Self::longest`]
    /// - output: `[1, projection_dim]`
    pub fn forward(&self, ids: &[u32]) -> Tensor<2> {
        let read = &ids[..self.read_tokens(ids)];
        let numbers: Vec<i32> = read.iter().map(|id| *id as i32).collect();
        let ids = TensorData::new(numbers, [1, read.len()]);
        let ids = Tensor::<2, Int>::from_data(ids, &self.device);
        on_compute_thread(&self.device, || {
            let output = self.model.forward(ids.clone());
            let pooled = self.model.pooled(ids, output.last_hidden_state);
            let dtype = sum_type(pooled.dtype());
            pooled.cast(dtype)
        })
    }

    /// How many tokens have to be read: up to the end, and on to a multiple of a few, so that a device meets few
    /// shapes.
    fn read_tokens(&self, ids: &[u32]) -> usize {
        const STEP: usize = 8;
        let end = match self.end_token {
            LARGEST_ID => {
                let largest = ids.iter().max();
                ids.iter().position(|id| Some(id) == largest)
            }
            end => ids.iter().position(|id| i64::from(*id) == end),
        };
        // Without an end, the model takes the first token.
        let needed = end.unwrap_or(0) + 1;
        needed.next_multiple_of(STEP).min(ids.len())
    }
}

/// The `eos_token_id` of early published models, which says nothing about their vocabulary.
const LARGEST_ID: i64 = 2;

/// Refuses what belongs to neither half: both are loaded from their own part of the names, and would not see it.
fn refuse_other_parts(source: &dyn TensorSource) -> Result<(), WeightsError> {
    let known = |name: &str| {
        let mut parts = VISION_PARTS.iter().chain(&TEXT_PARTS);
        name == SCALE || parts.any(|part| name.starts_with(part))
    };
    let problems: Vec<LoadProblem> = source
        .names()
        .into_iter()
        .filter(|name| !known(name))
        .map(|name| LoadProblem::Unused {
            found: source.describe(&name).map(|(_, shape)| shape).unwrap_or_default(),
            name,
        })
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(misfit(source, problems)),
    }
}

/// Reads the one number that is no tensor of a module.
fn read_scale(source: &dyn TensorSource) -> Result<f32, WeightsError> {
    let name = || SCALE.to_owned();
    let problem = match source.describe(SCALE) {
        None => LoadProblem::Missing {
            name: name(),
            expected: Vec::new(),
        },
        Some((_, found)) if found.iter().product::<usize>() != 1 => LoadProblem::Shape {
            name: name(),
            expected: Vec::new(),
            found,
        },
        Some(_) => match source.read(SCALE)?.to_f32()?.first() {
            Some(scale) if scale.is_finite() => return Ok(*scale),
            _ => LoadProblem::NotFinite {
                name: name(),
                count: 1,
            },
        },
    };
    Err(misfit(source, vec![problem]))
}

fn misfit(source: &dyn TensorSource, problems: Vec<LoadProblem>) -> WeightsError {
    WeightsError::Misfit {
        origin: source.origin(),
        problems,
        shards: Default::default(),
    }
}
