//! Candidates of a prompt, by whichever method guides.

use burn::tensor::Device;
use mitune_diffusion::conditioning::{Conditioning, ImageSize};
use mitune_diffusion::denoiser::DenoiserError;
use mitune_diffusion::guidance::{
    AttendAndExcite, ClassifierFreeGuidance, PhraseEncoding, SemanticAwareGuidance, structured,
};
use mitune_diffusion::model::{DenoisingNetwork, DiffusionModel};
use mitune_diffusion::noise::BatchNoise;
use mitune_diffusion::sampler::{Candidate, CandidateRequest, OnStep, Sampler, SamplerError};
use mitune_diffusion::training::train_only;

use super::guidance_method::GuidanceMethod;
use super::prompt_subjects::{PromptSubjects, SubjectTokens};
use super::unprompted::{Unprompted, unprompted};
use crate::contract::StageError;
use crate::subjects::Phrase;

/// A run with its method, and what both need of the model beside the prompts.
pub(crate) struct GuidedSampler {
    method: GuidanceMethod,
    unprompted: Unprompted,
    /// The denoiser on the device that records gradients, for methods that go through it. It shares every weight with
    /// the model; what it takes besides is the graph of one forward pass with the prompt.
    recorded: Option<DenoisingNetwork>,
    size: ImageSize,
}

/// Whether a run ended because the model lacks the attention that the method looks at: another setting helps, trying
/// again does not.
pub(super) fn lacks_attention(error: &SamplerError) -> bool {
    matches!(
        error,
        SamplerError::Denoiser(DenoiserError::NoAttentionMaps | DenoiserError::NoSuchAttention)
    )
}

/// A prompt as a method reads it.
pub(crate) struct GuidedPrompt {
    /// One row.
    pub(crate) conditioning: Conditioning,
    /// Whether it was longer than the text encoder reads.
    pub(crate) truncated: bool,
    /// Whether the method found in it what it looks for.
    pub(crate) has_subjects: bool,
    /// What Attend-and-Excite looks at.
    tokens: Option<SubjectTokens>,
}

impl GuidedSampler {
    /// Encodes what stands beside the prompts, `negative` and the empty prompt, and makes ready what the method needs.
    ///
    /// # Errors
    /// [`StageError::Failed`] if a text cannot be encoded.
    pub(crate) fn new(
        model: &DiffusionModel,
        method: &GuidanceMethod,
        sampler: Sampler,
        negative: &str,
        size: ImageSize,
        device: &Device,
    ) -> Result<Self, StageError> {
        let recorded = matches!(method, GuidanceMethod::AttendAndExcite(_));
        Ok(Self {
            method: method.clone(),
            unprompted: unprompted(model, sampler, negative, size, device)?,
            recorded: recorded.then(|| train_only(model.network.clone(), |_| false)),
            size,
        })
    }

    /// Whether the text that guidance steers away from was longer than the text encoder reads.
    pub(crate) fn negative_is_truncated(&self) -> bool {
        self.unprompted.encoded.truncated.contains(&true)
    }

    /// Encodes a prompt, with the phrases that stand in it where the method reads them.
    ///
    /// # Errors
    /// [`StageError::Failed`] if it cannot be encoded.
    pub(crate) fn encode(
        &self,
        model: &DiffusionModel,
        prompt: &str,
        device: &Device,
    ) -> Result<GuidedPrompt, StageError> {
        let encoded = model
            .encode_prompts(&[prompt], self.size, device)
            .map_err(StageError::failed)?;
        let plain = GuidedPrompt {
            conditioning: encoded.conditioning,
            truncated: encoded.truncated.contains(&true),
            has_subjects: false,
            tokens: None,
        };
        Ok(
            match PromptSubjects::find(&self.method, prompt, &model.tokenizer)? {
                PromptSubjects::None => plain,
                PromptSubjects::Tokens(tokens) => GuidedPrompt {
                    has_subjects: true,
                    tokens: Some(tokens),
                    ..plain
                },
                PromptSubjects::Phrases(phrases) => GuidedPrompt {
                    conditioning: self.with_phrases(model, plain.conditioning, &phrases, device)?,
                    has_subjects: true,
                    ..plain
                },
            },
        )
    }

    /// The prompt with what its phrases lend it, each of them read alone.
    fn with_phrases(
        &self,
        model: &DiffusionModel,
        prompt: Conditioning,
        phrases: &[Phrase<'_>],
        device: &Device,
    ) -> Result<Conditioning, StageError> {
        let GuidanceMethod::Structured(config) = &self.method else {
            return Ok(prompt);
        };
        let texts: Vec<&str> = phrases.iter().map(|phrase| phrase.text).collect();
        let encoded = model
            .encode_prompts(&texts, self.size, device)
            .map_err(StageError::failed)?;
        let encoding = |(row, phrase): (usize, &Phrase<'_>)| PhraseEncoding {
            tokens: phrase.tokens.clone(),
            conditioning: encoded.conditioning.clone().narrow(row, 1),
        };
        let encodings: Vec<PhraseEncoding> = phrases.iter().enumerate().map(encoding).collect();
        Ok(structured(&prompt, &encodings, config.form, config.formulation))
    }

    /// Makes candidates of a prompt, from noise of another source than the counter where one is given.
    ///
    /// # Errors
    /// [`SamplerError`] if a result is not finite, the device fails, or `on_step` says stop.
    pub(crate) fn candidates(
        &self,
        model: &DiffusionModel,
        prompt: &GuidedPrompt,
        requests: &[CandidateRequest<'_>],
        latent_shape: [usize; 3],
        noise: Option<&mut dyn BatchNoise>,
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Candidate>, SamplerError> {
        let Unprompted {
            sampler,
            encoded,
            baseline,
        } = &self.unprompted;
        let unconditional = &encoded.conditioning;
        let (denoiser, scale) = (model.denoiser(), sampler.guidance());
        match (&self.method, &self.recorded, &prompt.tokens) {
            (GuidanceMethod::AttendAndExcite(settings), Some(recorded), Some(tokens)) => {
                let guided = ClassifierFreeGuidance::new(denoiser, unconditional.clone(), scale);
                let guided = match baseline.clone() {
                    Some(baseline) => guided.comparing_with(baseline),
                    None => guided,
                };
                let SubjectTokens { positions, end } = tokens.clone();
                let steering = AttendAndExcite::new(recorded, settings.clone(), positions, end);
                sampler.generate_guided_steered(&guided, Some(&steering), requests, latent_shape, on_step)
            }
            (GuidanceMethod::SemanticAware(settings), _, _) => {
                let guided =
                    SemanticAwareGuidance::new(denoiser, unconditional.clone(), scale, settings.clone());
                let guided = match baseline.clone() {
                    Some(baseline) => guided.comparing_with(baseline),
                    None => guided,
                };
                sampler.generate_guided(&guided, requests, latent_shape, on_step)
            }
            _ => match noise {
                None => sampler.generate(denoiser, requests, unconditional, latent_shape, on_step),
                Some(noise) => {
                    sampler.generate_with(denoiser, requests, unconditional, latent_shape, noise, on_step)
                }
            },
        }
    }
}
