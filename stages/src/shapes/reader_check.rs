//! Measures how often the reader errs, on fresh renders whose content is known.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::alignment::Alignment;
use super::reader::Reading;
use super::render::{Image, SIDE, VALUES};
use super::scene::Scene;
use super::world::Prompt;
use crate::draws::Draws;

/// What is done to a render before it is read, as an autoencoder would do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Disturbance {
    /// Standard deviation of a Gaussian blur, in pixels; 0 for none.
    pub blur: f32,
    /// Largest absolute value of uniform noise on every channel; 0 for none.
    pub noise: f32,
}

/// How often the reader was right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReaderAccuracy {
    /// Images read.
    pub images: u64,
    /// Images whose whole content, objects, colours, shapes and binding, was read rightly.
    pub right: u64,
    /// Up to ten of the misreadings, as `prompt -> reading`.
    pub misread: Vec<String>,
}

impl ReaderAccuracy {
    /// Reads `images` fresh renders, prompts in turn, and counts the right readings.
    pub fn measure(seed: u64, images: u64, disturbance: Disturbance) -> Self {
        let prompts = Prompt::all();
        let misread: Vec<String> = (0..images)
            .into_par_iter()
            .filter_map(|index| {
                let prompt = prompts[(index % prompts.len() as u64) as usize];
                let mut draws = Draws::new("reader check", seed, index);
                let scene = Scene::draw(prompt, &mut draws);
                let image = disturbance.apply(&Image::render(&scene), &mut draws);
                let reading = Reading::of(&image);
                let right = Alignment::of(&reading, prompt).aligned();
                (!right).then(|| format!("{prompt} -> {reading}"))
            })
            .collect();
        Self {
            images,
            right: images - misread.len() as u64,
            misread: misread.into_iter().take(10).collect(),
        }
    }

    /// Returns the share of right readings; 1 when nothing was read.
    pub fn share(&self) -> f64 {
        if self.images == 0 {
            1.0
        } else {
            self.right as f64 / self.images as f64
        }
    }
}

impl Disturbance {
    /// Returns the image, blurred and then made noisy.
    pub fn apply(self, image: &Image, draws: &mut Draws) -> Image {
        let mut values = blurred(image.values(), self.blur);
        if self.noise > 0.0 {
            for value in &mut values {
                *value = (*value + draws.between(-self.noise, self.noise)).clamp(0.0, 1.0);
            }
        }
        // The number of values is that of an image by construction.
        Image::from_values(&values).unwrap_or_else(|| image.clone())
    }
}

/// Blurs along the rows, then along the columns; the border repeats its last pixel.
fn blurred(values: &[f32; VALUES], deviation: f32) -> Vec<f32> {
    if deviation <= 0.0 {
        return values.to_vec();
    }
    let reach = (3.0 * deviation).ceil() as i64;
    let weight = |offset: i64| (-0.5 * (offset as f32 / deviation).powi(2)).exp();
    let total: f32 = (-reach..=reach).map(weight).sum();
    let kernel: Vec<(i64, f32)> = (-reach..=reach)
        .map(|offset| (offset, weight(offset) / total))
        .collect();
    let pass = |source: &[f32], along_rows: bool| -> Vec<f32> {
        (0..VALUES)
            .map(|place| {
                let (pixel, channel) = (place / 3, place % 3);
                let (row, column) = ((pixel / SIDE) as i64, (pixel % SIDE) as i64);
                let at = |offset: i64| {
                    let last = SIDE as i64 - 1;
                    let (row, column) = if along_rows {
                        (row, (column + offset).clamp(0, last))
                    } else {
                        ((row + offset).clamp(0, last), column)
                    };
                    source[(row as usize * SIDE + column as usize) * 3 + channel]
                };
                kernel.iter().map(|(offset, share)| at(*offset) * share).sum()
            })
            .collect()
    };
    pass(&pass(values, true), false)
}

#[cfg(test)]
mod tests {
    use super::{Disturbance, ReaderAccuracy, VALUES, blurred};
    use crate::draws::Draws;
    use crate::shapes::render::Image;

    #[test]
    fn fresh_renders_are_read_rightly_in_at_least_995_of_1000() {
        for (blur, noise) in [(0.0, 0.0), (0.0, 0.03), (0.5, 0.0), (0.5, 0.03), (0.7, 0.03)] {
            let accuracy = ReaderAccuracy::measure(20, 2000, Disturbance { blur, noise });
            assert!(
                accuracy.share() >= 0.995,
                "blur {blur}, noise {noise}: {accuracy:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_an_error() {
        let accuracy = ReaderAccuracy::measure(
            21,
            200,
            Disturbance {
                blur: 6.0,
                noise: 0.0,
            },
        );
        assert!(accuracy.share() < 0.5, "{accuracy:?}");
        assert_eq!(accuracy.misread.len(), 10);
    }

    #[test]
    fn blur_keeps_the_mean_and_spreads_a_point_by_its_deviation() {
        let mut values = [0.0f32; VALUES];
        values[(16 * 32 + 16) * 3] = 1.0;
        let image = blurred(&values, 1.2);
        assert!((image.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let spread: f32 = (0..VALUES / 3)
            .map(|pixel| image[pixel * 3] * ((pixel % 32) as f32 - 16.0).powi(2))
            .sum();
        assert!((spread - 1.44).abs() < 0.05, "{spread}");
        assert!(image.iter().skip(1).step_by(3).all(|value| *value == 0.0));
    }

    #[test]
    fn noise_stays_within_its_bound() {
        let grey = Image::from_values(&[0.5; VALUES]).expect("right size");
        let noisy = Disturbance {
            blur: 0.0,
            noise: 0.03,
        }
        .apply(&grey, &mut Draws::new("noise test", 0, 0));
        let farthest = noisy
            .values()
            .iter()
            .map(|value| (value - 0.5).abs())
            .fold(0.0, f32::max);
        assert!((0.029..=0.0301).contains(&farthest), "{farthest}");
    }
}
