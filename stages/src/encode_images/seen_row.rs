//! Rows on their way from the source: before and after their images were looked at.

use std::sync::Arc;

use super::fit::Fit;
use super::prepare::check;
use crate::ingest::images::error::ImageProblem;
use crate::ingest::images::place::ImagePlace;
use crate::ingest::images::rows::RowPlace;
use crate::ingest::prompts::PromptIdentity;

/// A row whose images are still to be looked at.
pub(super) struct WaitingRow {
    pub(super) at: RowPlace,
    pub(super) prompt: Arc<str>,
    pub(super) weight: Option<f64>,
    pub(super) images: Vec<WaitingImage>,
}

/// An image of such a row.
pub(super) struct WaitingImage {
    pub(super) place: ImagePlace,
    pub(super) bytes: Result<Vec<u8>, ImageProblem>,
}

/// A row whose images were looked at.
pub(super) struct SeenRow {
    pub(super) at: RowPlace,
    pub(super) prompt: Arc<str>,
    pub(super) weight: Option<f64>,
    pub(super) images: Vec<(ImagePlace, Result<blake3::Hash, ImageProblem>)>,
}

impl WaitingRow {
    /// Looks at the images, of which known ones need not be decoded.
    pub(super) fn seen(self, fit: &Fit, is_known: &(dyn Fn(&blake3::Hash) -> bool + Sync)) -> SeenRow {
        let images = self.images.into_iter().map(|image| {
            let seen = image.bytes.and_then(|bytes| {
                let digest = blake3::hash(&bytes);
                if !is_known(&digest) {
                    check(&bytes, &digest, fit)?;
                }
                Ok(digest)
            });
            (image.place, seen)
        });
        SeenRow {
            images: images.collect(),
            at: self.at,
            prompt: self.prompt,
            weight: self.weight,
        }
    }
}

/// What makes a row the same as another: its prompt and its images, in a pair in either order.
pub(super) fn identity(prompt: &str, images: &[(blake3::Hash, ImagePlace)]) -> PromptIdentity {
    let mut names: Vec<String> = images
        .iter()
        .map(|(digest, _)| digest.to_hex().to_string())
        .collect();
    names.sort_unstable();
    PromptIdentity::new(None, None, &names.join(" "), prompt, 0)
}
