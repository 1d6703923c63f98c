//! Several pictures at once, and which of them cannot be prepared.

use rayon::prelude::*;

use super::{Pixels, Preprocessing, PreprocessingError};
use crate::picture::Picture;

/// One of several pictures that cannot be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The image cannot be made into what the network sees")]
pub struct UnpreparedPicture {
    /// Which of the pictures that were given, from 0.
    pub index: usize,
    /// Why not.
    pub source: PreprocessingError,
}

impl Preprocessing {
    /// Makes pictures into what the network takes.
    ///
    /// # Errors
    /// For the first of them of which nothing can be made, see [`Self::apply`].
    pub fn apply_all(&self, pictures: &[&Picture]) -> Result<Vec<Pixels>, UnpreparedPicture> {
        let prepared: Vec<_> = pictures.par_iter().map(|picture| self.apply(picture)).collect();
        let numbered = prepared.into_iter().enumerate();
        numbered
            .map(|(index, prepared)| prepared.map_err(|source| UnpreparedPicture { index, source }))
            .collect()
    }
}
