//! From candidates to judged images.

use arrow_array::RecordBatch;
use burn::tensor::Device;
use mitune_diffusion::image::{ImageError, RgbImage};
use mitune_diffusion::model::DiffusionModel;

use super::measures::rows::{EvaluationRow, ImageRow, RowError, evaluate};
use crate::models::latent_decoder::LatentDecoder;
use crate::shapes::render::SIDE;
use crate::tables::columns::ColumnError;
use crate::tables::image_rows::{ImageRows, ImageSource};
use crate::tables::latent_rows::{Latent, LatentError};

/// A candidate that waits for its batch to be full.
pub(super) struct Waiting {
    prompt_id: String,
    prompt: String,
    seed_index: u32,
    source: ImageSource,
}

/// An image that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum JudgeError {
    #[error("Candidates could not be read")]
    Column(#[from] ColumnError),
    #[error(transparent)]
    Latent(#[from] LatentError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("Image of candidate `{seed_index}` of prompt `{prompt_id}` cannot be used")]
    Image {
        prompt_id: String,
        seed_index: u32,
        source: ImageError,
    },
    #[error(
        "Image of candidate `{seed_index}` of prompt `{prompt_id}` has {width} x {height} pixels; `evaluate` reads those \
         of the shapes world only, {SIDE} x {SIDE}"
    )]
    Size {
        prompt_id: String,
        seed_index: u32,
        width: u32,
        height: u32,
    },
    #[error(
        "Candidate `{seed_index}` of prompt `{prompt_id}` has no image and there is no model to decode its latent with; \
         set `model`, or `images: true` where candidates are generated"
    )]
    NoModel { prompt_id: String, seed_index: u32 },
    #[error("Latents of prompt `{prompt_id}` have the shape {found:?}, the model's {channels} channels")]
    Channels {
        prompt_id: String,
        found: [usize; 3],
        channels: usize,
    },
}

/// Reads the candidates of a batch of rows.
pub(super) fn waiting(batch: &RecordBatch) -> Result<Vec<Waiting>, JudgeError> {
    let images = ImageRows::of(batch)?;
    let rows = &images.rows;
    let candidate = |row: usize| {
        Ok(Waiting {
            prompt_id: rows.prompt_id(row).to_owned(),
            prompt: rows.prompt(row).to_owned(),
            seed_index: rows.seed_index(row),
            source: images.source(row)?,
        })
    };
    (0..batch.num_rows()).map(candidate).collect()
}

/// Judges candidates batch by batch.
pub(super) struct Judge<'a> {
    /// Decodes latents, if a model is there.
    pub(super) model: Option<&'a DiffusionModel>,
    pub(super) device: Option<&'a Device>,
    /// Latents that are decoded together; batches are filled up, so that an image does not depend on its neighbours.
    pub(super) batch_size: usize,
}

impl Judge<'_> {
    /// Judges at most one batch of candidates, in their order.
    pub(super) fn judge(&self, waiting: &[Waiting]) -> Result<Vec<EvaluationRow>, JudgeError> {
        let mut decoded = self.decode(waiting)?.into_iter();
        let mut images = Vec::with_capacity(waiting.len());
        for one in waiting {
            let image = match &one.source {
                ImageSource::Encoded(bytes) => RgbImage::decode(bytes),
                ImageSource::Latent(_) => match decoded.next() {
                    Some(image) => image,
                    None => return Err(one.no_model()),
                },
            };
            images.push(one.checked(image)?);
        }
        let rows: Vec<ImageRow<'_>> = waiting
            .iter()
            .zip(&images)
            .map(|(one, image)| one.row(image))
            .collect();
        Ok(evaluate(&rows)?)
    }

    fn decode(&self, waiting: &[Waiting]) -> Result<Vec<Result<RgbImage, ImageError>>, JudgeError> {
        let latents = waiting.iter().filter_map(|one| match &one.source {
            ImageSource::Latent(latent) => Some((one, latent)),
            ImageSource::Encoded(_) => None,
        });
        let latents: Vec<(&Waiting, &Latent)> = latents.collect();
        let Some((first, Latent { shape, .. })) = latents.first() else {
            return Ok(Vec::new());
        };
        let (Some(model), Some(device)) = (self.model, self.device) else {
            return Err(first.no_model());
        };
        let channels = model.vae_config.latent_channels;
        for (one, latent) in &latents {
            one.check_shape(latent, channels, model.vae_config.downscale())?;
        }
        // Their images have one size, so their latents have one shape.
        let decoder = LatentDecoder::of(model, device, *shape, self.batch_size);
        Ok(decoder.decode(latents.iter().map(|(_, latent)| latent.values.as_slice())))
    }
}

impl Waiting {
    /// Whether the image has to be decoded by a model.
    pub(super) fn is_latent(&self) -> bool {
        matches!(self.source, ImageSource::Latent(_))
    }

    fn row<'a>(&'a self, image: &'a RgbImage) -> ImageRow<'a> {
        ImageRow {
            prompt_id: &self.prompt_id,
            prompt: &self.prompt,
            seed_index: self.seed_index,
            pixels: image.pixels(),
        }
    }

    fn checked(&self, image: Result<RgbImage, ImageError>) -> Result<RgbImage, JudgeError> {
        let image = image.map_err(|source| JudgeError::Image {
            prompt_id: self.prompt_id.clone(),
            seed_index: self.seed_index,
            source,
        })?;
        self.check_size(image.width(), image.height())?;
        Ok(image)
    }

    fn check_size(&self, width: u32, height: u32) -> Result<(), JudgeError> {
        if (width as usize, height as usize) == (SIDE, SIDE) {
            return Ok(());
        }
        Err(JudgeError::Size {
            prompt_id: self.prompt_id.clone(),
            seed_index: self.seed_index,
            width,
            height,
        })
    }

    fn check_shape(&self, latent: &Latent, channels: usize, downscale: usize) -> Result<(), JudgeError> {
        let [found, height, width] = latent.shape;
        if found != channels {
            return Err(JudgeError::Channels {
                prompt_id: self.prompt_id.clone(),
                found: latent.shape,
                channels,
            });
        }
        let pixels = |side: usize| u32::try_from(side.saturating_mul(downscale)).unwrap_or(u32::MAX);
        self.check_size(pixels(width), pixels(height))
    }

    fn no_model(&self) -> JudgeError {
        JudgeError::NoModel {
            prompt_id: self.prompt_id.clone(),
            seed_index: self.seed_index,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, FloatDType, Tensor, TensorData};
    use mitune_diffusion::model::ModelDirectory;

    use super::*;
    use crate::draws::Draws;
    use crate::testing::trial_model;

    #[test]
    fn latents_are_decoded_in_batches_as_they_are_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        trial_model::write(&path);
        let device = Device::flex();
        let model = ModelDirectory::open(&path)
            .unwrap()
            .load(&device, FloatDType::F32)
            .unwrap();
        let mut draws = Draws::new("decode test", 0, 0);
        let waiting: Vec<Waiting> = (0..3)
            .map(|seed_index| Waiting {
                prompt_id: "p".to_owned(),
                prompt: String::new(),
                seed_index,
                source: ImageSource::Latent(Latent {
                    values: (0..256).map(|_| draws.between(-9.0, 9.0)).collect(),
                    shape: [4, 8, 8],
                }),
            })
            .collect();
        let judge = Judge {
            model: Some(&model),
            device: Some(&device),
            batch_size: 4,
        };
        let images = judge.decode(&waiting).unwrap();
        assert_eq!(images.len(), 3);
        for (one, image) in waiting.iter().zip(images) {
            let ImageSource::Latent(latent) = &one.source else {
                unreachable!("made above");
            };
            let values: Vec<f32> = latent.values.iter().map(|value| value / 0.18215).collect();
            let data = TensorData::new(values, [1, 4, 8, 8]);
            let alone = model.vae.decode(Tensor::from_data(data, (&device, DType::F32)));
            let alone: Vec<f32> = alone.into_data().try_into_vec().unwrap();
            let image = image.unwrap();
            let (mut least, mut most) = (255.0_f64, 0.0_f64);
            for (place, &byte) in image.pixels().iter().enumerate() {
                let (pixel, channel) = (place / 3, place % 3);
                let value = f64::from(alone[channel * 1024 + pixel]).clamp(-1.0, 1.0);
                assert!((127.5 * (value + 1.0) - f64::from(byte)).abs() < 0.51);
                (least, most) = (least.min(f64::from(byte)), most.max(f64::from(byte)));
            }
            assert!(most - least > 5.0, "{least} {most}");
        }
    }
}
