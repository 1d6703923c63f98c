//! What the judge is shown in each step of its training.

use std::collections::BTreeMap;

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::image::RgbImage;
use mitune_diffusion::tokenizer::{Tokenizer, TokenizerError};
use mitune_judges::picture::Picture;
use mitune_judges::preprocessing::{Pixels, Preprocessing};
use rayon::prelude::*;

use super::denoiser_training::token_tensor;
use super::judge_captions::{FAULTS, FaultyCaptions};
use super::judge_training::{ContrastBatch, in_order, shared_captions};
use crate::draws::Draws;
use crate::shapes::data::ShapesData;
use crate::shapes::render::{Image, SIDE};
use crate::shapes::world::Prompt;

/// Where the batches of a training come from; each is a function of its number.
pub(super) struct JudgeBatches {
    data: ShapesData,
    seed: u64,
    captions: FaultyCaptions,
    /// Start, words and end of each caption, which are equally many.
    tokens: BTreeMap<Prompt, Vec<i64>>,
    preprocessing: Preprocessing,
}

/// An image with its captions.
struct Shown {
    prompt: Prompt,
    faulty: [Prompt; FAULTS],
    pixels: Pixels,
}

impl JudgeBatches {
    /// Draws images from `data` and faulty captions from `captions` under a seed.
    ///
    /// # Errors
    /// When the tokenizer cannot encode a prompt.
    pub(super) fn new(
        data: ShapesData,
        seed: u64,
        captions: FaultyCaptions,
        tokenizer: &Tokenizer,
    ) -> Result<Self, TokenizerError> {
        Ok(Self {
            data,
            seed,
            captions,
            tokens: encoded(tokenizer)?,
            preprocessing: Preprocessing::open_ai_clip(SIDE),
        })
    }

    /// The batch of update number `step`.
    pub(super) fn batch(&self, step: u64, size: usize, device: &Device) -> ContrastBatch {
        let first = step * size as u64;
        let shown: Vec<Shown> = (first..first + size as u64)
            .into_par_iter()
            .map(|index| self.shown(index))
            .collect();
        let prompts: Vec<Prompt> = shown.iter().map(|one| one.prompt).collect();
        let faulty: Vec<[Prompt; FAULTS]> = shown.iter().map(|one| one.faulty).collect();
        let pixels: Vec<Pixels> = shown.into_iter().map(|one| one.pixels).collect();
        let ids: Vec<Vec<i64>> = in_order(&prompts, &faulty)
            .iter()
            .map(|caption| self.tokens[caption].clone())
            .collect();
        ContrastBatch {
            images: Pixels::batch(&pixels, device, FloatDType::F32),
            ids: token_tensor(&ids, device),
            shared: shared_captions(&prompts, device),
        }
    }

    fn shown(&self, index: u64) -> Shown {
        let sample = self.data.sample(index);
        let mut draws = Draws::new("judge captions", self.seed, index);
        let faulty = self.captions.draw(sample.prompt, &mut draws);
        let pixels = self.preprocessing.apply(&picture(&sample.image()));
        Shown {
            prompt: sample.prompt,
            faulty: faulty.expect("faulty captions were found for every prompt of the data"),
            pixels: pixels.expect("images of the world have the size that the judge sees"),
        }
    }
}

/// An image of the world as a judge is given it, in 8 bits.
pub(super) fn picture(image: &Image) -> Picture {
    let (side, bytes) = (SIDE as u32, image.to_rgb8());
    Picture::from_rgb(&RgbImage::new(side, side, bytes).expect("an image has three bytes for each pixel"))
}

/// The tokens of each prompt without those that fill it up.
fn encoded(tokenizer: &Tokenizer) -> Result<BTreeMap<Prompt, Vec<i64>>, TokenizerError> {
    let prompts = Prompt::all().into_iter();
    prompts
        .map(|prompt| {
            let encoded = tokenizer.encode(&prompt.to_string())?;
            let ids = encoded.ids[..encoded.length].iter().map(|&id| i64::from(id));
            Ok((prompt, ids.collect()))
        })
        .collect()
}
