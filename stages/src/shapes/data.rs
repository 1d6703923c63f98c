//! The endless training set: sample i is a function of (seed, i).

use thiserror::Error;

use super::caption::{Caption, CaptionKind};
use super::mixture::{CaptionMixture, MixtureError};
use super::render::Image;
use super::scene::Scene;
use super::world::Prompt;
use crate::draws::Draws;

/// A training set over some prompts; nothing is stored, samples are drawn when asked for.
///
/// Images and captions come from separate streams: another mixture of captions leaves every image as it was.
#[derive(Clone, Debug)]
pub struct ShapesData {
    seed: u64,
    prompts: Vec<Prompt>,
    mixture: CaptionMixture,
}

/// One image with its caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The true content of the image.
    pub prompt: Prompt,
    /// The arrangement that was rendered.
    pub scene: Scene,
    /// The caption, which may fail to describe the image.
    pub caption: Caption,
}

impl ShapesData {
    /// Opens the training set of these prompts.
    ///
    /// # Errors
    /// When there is no prompt, when the mixture is refused, or when it asks for a kind of caption that cannot
    /// be made for some prompt without naming a prompt outside the list.
    pub fn new(seed: u64, prompts: Vec<Prompt>, mixture: CaptionMixture) -> Result<Self, DataError> {
        mixture.check()?;
        if prompts.is_empty() {
            return Err(DataError::NoPrompts);
        }
        for (kind, probability) in mixture.probabilities() {
            let mut draws = Draws::new("shapes check", seed, 0);
            let impossible = |prompt: &&Prompt| kind.caption(**prompt, &prompts, &mut draws).is_none();
            if probability > 0.0
                && let Some(prompt) = prompts.iter().find(impossible)
            {
                return Err(DataError::NoCaption {
                    kind: kind.name(),
                    prompt: prompt.to_string(),
                });
            }
        }
        Ok(Self {
            seed,
            prompts,
            mixture,
        })
    }

    /// Returns sample `index`.
    pub fn sample(&self, index: u64) -> Sample {
        let mut draws = Draws::new("shapes scene", self.seed, index);
        let count = u32::try_from(self.prompts.len()).unwrap_or(u32::MAX);
        let prompt = self.prompts[draws.below(count) as usize];
        let scene = Scene::draw(prompt, &mut draws);
        Sample {
            prompt,
            scene,
            caption: self.caption(prompt, index),
        }
    }

    /// Returns the prompts.
    pub fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    fn caption(&self, prompt: Prompt, index: u64) -> Caption {
        let mut draws = Draws::new("shapes caption", self.seed, index);
        let faithful = || Caption {
            kind: CaptionKind::Faithful,
            text: prompt.to_string(),
        };
        // `new` has made sure that every kind of the mixture can be made for every prompt.
        self.mixture
            .draw(&mut draws)
            .caption(prompt, &self.prompts, &mut draws)
            .unwrap_or_else(faithful)
    }
}

impl Sample {
    /// Renders the image.
    pub fn image(&self) -> Image {
        Image::render(&self.scene)
    }
}

/// Why a training set was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum DataError {
    #[error("Training set has no prompts, expected at least one")]
    NoPrompts,
    #[error("No caption of kind `{kind}` for `{prompt}` among the prompts of the training set")]
    NoCaption { kind: &'static str, prompt: String },
    #[error("Caption mixture refused")]
    Mixture(#[from] MixtureError),
}

#[cfg(test)]
mod tests {
    use super::{DataError, ShapesData};
    use crate::shapes::mixture::CaptionMixture;
    use crate::shapes::split::Split;
    use crate::shapes::world::Prompt;

    fn data(seed: u64, mixture: CaptionMixture) -> ShapesData {
        let split = Split::draw(0, 30).expect("valid");
        ShapesData::new(seed, split.train, mixture).expect("valid")
    }

    #[test]
    fn a_sample_depends_on_seed_and_index_only() {
        let (one, other) = (
            data(5, CaptionMixture::default()),
            data(6, CaptionMixture::default()),
        );
        let forwards: Vec<_> = (0..50).map(|index| one.sample(index)).collect();
        let backwards: Vec<_> = (0..50).rev().map(|index| one.sample(index)).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()));
        assert!((0..50).all(|index| one.sample(index).scene != other.sample(index).scene));
    }

    #[test]
    fn another_mixture_leaves_the_images_as_they_were() {
        let (noisy, clean) = (
            data(5, CaptionMixture::default()),
            data(5, CaptionMixture::faithful()),
        );
        for index in 0..100 {
            assert_eq!(noisy.sample(index).scene, clean.sample(index).scene);
            assert_eq!(
                clean.sample(index).caption.text,
                clean.sample(index).prompt.to_string()
            );
        }
    }

    #[test]
    fn the_data_never_drifts() {
        let data = data(0, CaptionMixture::default());
        let mut hasher = blake3::Hasher::new();
        for index in 0..64 {
            let sample = data.sample(index);
            hasher.update(&sample.image().to_rgb8());
            for value in sample.image().values() {
                hasher.update(&value.to_le_bytes());
            }
            hasher.update(sample.prompt.to_string().as_bytes());
            hasher.update(sample.caption.kind.name().as_bytes());
            hasher.update(sample.caption.text.as_bytes());
        }
        assert_eq!(
            hasher.finalize().to_hex().as_str(),
            "4724636f35a1613ab1404f9318a190ec42d840a59807fe5d9fb6701c8d89a46a"
        );
    }

    #[test]
    fn sets_without_prompts_or_with_impossible_captions_are_refused() {
        let mixture = CaptionMixture::default();
        assert_eq!(
            ShapesData::new(0, Vec::new(), mixture).err(),
            Some(DataError::NoPrompts)
        );
        let single = vec![Prompt::all()[0]];
        assert!(matches!(
            ShapesData::new(0, single.clone(), mixture),
            Err(DataError::NoCaption {
                kind: "unrelated",
                ..
            })
        ));
        assert!(ShapesData::new(0, single.clone(), CaptionMixture::faithful()).is_ok());
        let broken = CaptionMixture {
            empty: -1.0,
            ..mixture
        };
        assert!(matches!(
            ShapesData::new(0, single, broken),
            Err(DataError::Mixture(_))
        ));
    }
}
