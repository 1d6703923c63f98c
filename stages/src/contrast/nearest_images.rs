//! The images that are nearest to one by their features.

use super::config::ContrastError;
use super::images::Image;
use crate::tables::features::Features;

/// The directions of the features of all images.
pub(super) struct NearestImages {
    width: usize,
    /// Features of length 1, image after image.
    directions: Vec<f32>,
}

impl NearestImages {
    /// Takes the features of the images of a selection; `table` names the table of features in messages.
    pub(super) fn of(images: &[Image], features: &Features, table: &str) -> Result<Self, ContrastError> {
        let width = features.width();
        let mut directions = Vec::with_capacity(images.len() * width);
        for image in images {
            let found = features.of(&image.prompt_id, image.seed_index);
            let (of_image, _) = found.ok_or_else(|| ContrastError::NoFeatures {
                prompt_id: image.prompt_id.clone(),
                seed_index: image.seed_index,
                features: table.to_owned(),
            })?;
            let norm = product(of_image, of_image).sqrt().max(f64::MIN_POSITIVE);
            directions.extend(of_image.iter().map(|value| (f64::from(*value) / norm) as f32));
        }
        Ok(Self { width, directions })
    }

    /// The images that contrast with one and have the largest cosines with it, at most `most` of them, nearest first.
    pub(super) fn of_image(&self, images: &[Image], own: usize, most: usize) -> Vec<usize> {
        let others = (0..images.len()).filter(|&other| images[other].contrasts_with(&images[own]));
        let cosine = |other: usize| product(self.direction(own), self.direction(other));
        let mut found: Vec<(f64, usize)> = others.map(|other| (cosine(other), other)).collect();
        // The name decides between equal cosines, so that the order of rows does not.
        let nearer = |(one, place): &(f64, usize), (other, other_place): &(f64, usize)| {
            let names = (images[*place].name(), images[*other_place].name());
            other.total_cmp(one).then_with(|| names.0.cmp(&names.1))
        };
        if most < found.len() {
            found.select_nth_unstable_by(most, nearer);
            found.truncate(most);
        }
        found.sort_by(nearer);
        found.into_iter().map(|(_, other)| other).collect()
    }

    fn direction(&self, image: usize) -> &[f32] {
        &self.directions[image * self.width..(image + 1) * self.width]
    }
}

/// The inner product, summed in f64 in the order of the numbers.
fn product(one: &[f32], other: &[f32]) -> f64 {
    let products = one.iter().zip(other);
    products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
