//! How often the judge prefers the true caption, for images of prompts that its training held back.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use burn::tensor::{Device, FloatDType};
use mitune_judges::clip::ClipModel;
use mitune_judges::clip_judges::{ClipFiles, ClipScore, Execution, ImageEmbeddings, PromptEmbeddings};
use mitune_judges::pair_judge::JudgeError;
use mitune_judges::picture::Picture;

use super::judge_batches::picture;
use super::judge_captions::{CaptionFault, FAULTS, FaultyCaptions};
use crate::contract::{StageError, StageOutput};
use crate::draws::Draws;
use crate::shapes::data::{Sample, ShapesData};
use crate::shapes::mixture::CaptionMixture;
use crate::shapes::world::Prompt;

/// Images that are looked at together.
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Number of the first image, beyond the data of a training of any length.
const FIRST: u64 = 1 << 40;

/// Images of prompts that a training held back.
#[derive(Clone, Debug)]
pub(super) struct HeldOut {
    /// The prompts.
    pub(super) prompts: Vec<Prompt>,
    /// Seed of images and captions.
    pub(super) seed: u64,
    /// How many images.
    pub(super) images: u64,
}

/// Shares of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Preferences {
    /// Whose true caption has a larger cosine than one with each fault.
    over: [f64; FAULTS],
    /// Whose true caption has a larger cosine than all of these.
    over_all: f64,
}

impl Preferences {
    /// Adds the shares to what a stage has computed.
    pub(super) fn told(&self, output: StageOutput) -> StageOutput {
        let shares = CaptionFault::ALL.into_iter().zip(self.over);
        let output = shares.fold(output, |output, (fault, share)| {
            output.with_metric(&format!("prefers_true_over_{}", fault.name()), share)
        });
        output.with_metric("prefers_true_over_all", self.over_all)
    }
}

impl HeldOut {
    /// Measures the judge in a folder as those who use it load it: its weights have been rounded.
    ///
    /// Faulty captions are drawn from all prompts, so that the judge has been taught some and held back others.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(super) fn preferences(&self, folder: &Path, device: &Device) -> Result<Preferences, StageError> {
        let (looking, reading) = open(folder, device).map_err(StageError::failed)?;
        let directions = directions(&reading).map_err(StageError::failed)?;
        let data = ShapesData::new(self.seed, self.prompts.clone(), CaptionMixture::faithful())
            .map_err(StageError::configuration)?;
        let captions =
            FaultyCaptions::new(&self.prompts, &Prompt::all()).map_err(StageError::configuration)?;
        let (mut over, mut over_all) = ([0_u64; FAULTS], 0_u64);
        for start in (0..self.images).step_by(BATCH.get()) {
            let end = self.images.min(start + BATCH.get() as u64);
            let samples: Vec<Sample> = (start..end).map(|index| data.sample(FIRST + index)).collect();
            let embeddings = looked_at(&looking, &samples).map_err(StageError::failed)?;
            for ((index, sample), image) in (start..end).zip(&samples).zip(&embeddings) {
                let mut draws = Draws::new("judge test captions", self.seed, index);
                let faulty = captions.draw(sample.prompt, &mut draws);
                let along = |caption: &Prompt| product(image, &directions[caption]);
                let own = along(&sample.prompt);
                let won = faulty.iter().flatten().map(|caption| own > along(caption));
                let won: Vec<bool> = won.collect();
                for (count, won) in over.iter_mut().zip(&won) {
                    *count += u64::from(*won);
                }
                over_all += u64::from(won.iter().all(|won| *won));
            }
        }
        let share = |count: u64| count as f64 / self.images.max(1) as f64;
        Ok(Preferences {
            over: over.map(share),
            over_all: share(over_all),
        })
    }
}

fn open(folder: &Path, device: &Device) -> Result<(ImageEmbeddings, PromptEmbeddings), JudgeError> {
    let files = ClipFiles::open(folder)?;
    let dtype = FloatDType::F32;
    let model = ClipModel::load(&files.weights, &files.config, device, dtype)?;
    let execution = Execution {
        device: device.clone(),
        dtype,
        batch: BATCH,
    };
    let looking = ImageEmbeddings::new(model.vision, ClipScore::preprocessing(&files), execution);
    let reading = PromptEmbeddings::new(model.text, ClipScore::tokens(&files)?)?;
    Ok((looking, reading))
}

fn looked_at(looking: &ImageEmbeddings, samples: &[Sample]) -> Result<Vec<Vec<f32>>, JudgeError> {
    let pictures: Vec<Picture> = samples.iter().map(|sample| picture(&sample.image())).collect();
    let pictures: Vec<&Picture> = pictures.iter().collect();
    looking.embed(&pictures)
}

/// The direction that each prompt of the world is embedded in.
fn directions(reading: &PromptEmbeddings) -> Result<BTreeMap<Prompt, Vec<f64>>, JudgeError> {
    let prompts = Prompt::all();
    let texts: Vec<String> = prompts.iter().map(Prompt::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embeddings = reading.embed(&texts)?.into_iter().map(direction);
    Ok(prompts.into_iter().zip(embeddings).collect())
}

fn direction(embedding: Vec<f32>) -> Vec<f64> {
    let squares = embedding.iter().map(|value| f64::from(*value).powi(2));
    let length = squares.sum::<f64>().sqrt();
    embedding.iter().map(|value| f64::from(*value) / length).collect()
}

/// The cosine but for the length of the image's embedding, which is the same for all captions.
fn product(image: &[f32], caption: &[f64]) -> f64 {
    let products = image.iter().zip(caption);
    products.map(|(one, other)| f64::from(*one) * other).sum()
}
