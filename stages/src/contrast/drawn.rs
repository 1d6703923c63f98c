//! Which contrasts are made of an image.

use super::captions::Captions;
use super::config::NegativeShares;
use super::hard_text::hard_texts;
use super::images::Image;
use super::nearest_images::NearestImages;
use super::other_images::{Others, below};
use crate::draws::Draws;
use crate::tables::contrasts::ContrastKind;

/// What contrasts are drawn from.
pub(super) struct Negatives<'a> {
    pub(super) images: &'a [Image],
    pub(super) others: Others<'a>,
    pub(super) shares: NegativeShares,
    pub(super) nearest: Option<NearestImages>,
    /// How many of the nearest images one is drawn from.
    pub(super) most_nearest: usize,
    /// Hard texts of a file, which then takes the place of exchanging words.
    pub(super) captions: Option<Captions>,
    pub(super) seed: u64,
}

/// A contrast of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drawn {
    /// The image, by its place.
    pub(super) image: usize,
    pub(super) mismatch: Mismatch,
    /// The kind that was drawn; another one than that of the mismatch where there is none of it.
    pub(super) wanted: ContrastKind,
}

/// What is mismatched.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mismatch {
    /// Another image, by its place.
    Image(usize),
    /// A text that is nearly the prompt.
    HardText(String),
    /// Another prompt.
    RandomText(String),
}

impl Mismatch {
    pub(super) fn kind(&self) -> ContrastKind {
        match self {
            Self::Image(_) => ContrastKind::Image,
            Self::HardText(_) => ContrastKind::HardText,
            Self::RandomText(_) => ContrastKind::RandomText,
        }
    }
}

impl Negatives<'_> {
    /// Draws the contrasts of an image; none where there is nothing that contrasts with it.
    ///
    /// Each depends on the seed, on what the image is, on the number of the contrast and on what else there is, and not
    /// on the order of rows.
    pub(super) fn draw(&self, image: usize, count: u32) -> Option<Vec<Drawn>> {
        let own = &self.images[image];
        let purpose = format!("contrast {} {}", own.seed_index, own.prompt_id);
        let mut known = Known::default();
        (0..count)
            .map(|number| {
                let mut draws = Draws::new(&purpose, self.seed, u64::from(number));
                let wanted = self.shares.kind(draws.unit());
                let mismatch = match wanted {
                    ContrastKind::Image => self.other_image(image, &mut known, &mut draws),
                    ContrastKind::HardText => self.hard_text(own, &mut known, &mut draws),
                    ContrastKind::RandomText => None,
                };
                let mismatch = match mismatch {
                    Some(mismatch) => mismatch,
                    None => Mismatch::RandomText(self.others.text(&own.prompt, &mut draws)?.to_owned()),
                };
                Some(Drawn {
                    image,
                    mismatch,
                    wanted,
                })
            })
            .collect()
    }

    fn other_image(&self, own: usize, known: &mut Known, draws: &mut Draws) -> Option<Mismatch> {
        let Some(features) = &self.nearest else {
            return self.others.image(&self.images[own], draws).map(Mismatch::Image);
        };
        let nearest = known
            .nearest
            .get_or_insert_with(|| features.of_image(self.images, own, self.most_nearest));
        let drawn = below(nearest.len(), draws)?;
        Some(Mismatch::Image(nearest[drawn]))
    }

    fn hard_text(&self, own: &Image, known: &mut Known, draws: &mut Draws) -> Option<Mismatch> {
        let texts = known.hard_texts.get_or_insert_with(|| match &self.captions {
            Some(captions) => captions.of(&own.prompt).to_vec(),
            None => hard_texts(&own.prompt),
        });
        let drawn = below(texts.len(), draws)?;
        Some(Mismatch::HardText(texts[drawn].clone()))
    }
}

/// What several contrasts of one image are drawn from, found once.
#[derive(Default)]
struct Known {
    nearest: Option<Vec<usize>>,
    hard_texts: Option<Vec<String>>,
}
