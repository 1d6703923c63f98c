//! The rows that count, and the images that they show.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ingest::images::place::ImagePlace;
use crate::ingest::images::rows::RowPlace;
use crate::ingest::prompts::PromptIdentity;

/// A row that counts, with the content and the place of its images: one, or a winner and a loser.
pub(super) struct ChosenRow {
    pub(super) at: RowPlace,
    pub(super) prompt: Arc<str>,
    pub(super) images: Vec<(blake3::Hash, ImagePlace)>,
    pub(super) weight: Option<f64>,
}

/// All rows that count.
pub(super) struct Kept {
    pub(super) rows: Vec<KeptRow>,
    /// The images of the rows, each once, in the order in which rows show them.
    pub(super) images: Vec<KnownImage>,
    /// Number of the prompts.
    pub(super) prompts: usize,
}

/// A row of the result.
pub(super) struct KeptRow {
    pub(super) at: RowPlace,
    pub(super) prompt: Arc<str>,
    /// The image, in a pair the winner.
    pub(super) image: KeptImage,
    pub(super) loser: Option<KeptImage>,
    pub(super) weight: Option<f64>,
}

/// An image of a row.
#[derive(Clone, Copy)]
pub(super) struct KeptImage {
    /// Its place among all images.
    pub(super) index: usize,
    /// Its place among those of its prompt.
    pub(super) seed_index: u32,
}

/// An image by its content, and where it is read again.
pub(super) struct KnownImage {
    pub(super) digest: blake3::Hash,
    pub(super) place: ImagePlace,
    /// The first row that shows it.
    pub(super) at: RowPlace,
}

/// Counts images while rows come.
#[derive(Default)]
struct Numbering {
    images: Vec<KnownImage>,
    by_digest: HashMap<blake3::Hash, usize>,
    by_prompt: HashMap<Arc<str>, HashMap<usize, u32>>,
}

impl Kept {
    /// Numbers the images of rows: an image has one number among those of a prompt, however many rows show it.
    pub(super) fn of(chosen: Vec<ChosenRow>) -> Self {
        let mut numbering = Numbering::default();
        let mut rows = Vec::with_capacity(chosen.len());
        for row in chosen {
            let mut images = row.images.into_iter();
            let Some(first) = images.next() else { continue };
            rows.push(KeptRow {
                image: numbering.number(row.at, &row.prompt, first),
                loser: images
                    .next()
                    .map(|loser| numbering.number(row.at, &row.prompt, loser)),
                at: row.at,
                prompt: row.prompt,
                weight: row.weight,
            });
        }
        Self {
            rows,
            images: numbering.images,
            prompts: numbering.by_prompt.len(),
        }
    }
}

impl KeptRow {
    /// The identity of the prompt, which its text alone decides.
    pub(super) fn prompt_id(&self) -> String {
        PromptIdentity::new(None, None, "", &self.prompt, 0).prompt_id()
    }

    /// The image, then the loser if there is one.
    pub(super) fn images(&self) -> impl Iterator<Item = KeptImage> {
        std::iter::once(self.image).chain(self.loser)
    }
}

impl Numbering {
    fn number(
        &mut self,
        at: RowPlace,
        prompt: &Arc<str>,
        (digest, place): (blake3::Hash, ImagePlace),
    ) -> KeptImage {
        let index = *self.by_digest.entry(digest).or_insert_with(|| {
            self.images.push(KnownImage { digest, place, at });
            self.images.len() - 1
        });
        let of_prompt = self.by_prompt.entry(Arc::clone(prompt)).or_default();
        // No table has four thousand million images of one prompt.
        let next = u32::try_from(of_prompt.len()).unwrap_or(u32::MAX);
        let seed_index = *of_prompt.entry(index).or_insert(next);
        KeptImage { index, seed_index }
    }
}
