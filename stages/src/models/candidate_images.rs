//! Images of finished candidates: read where they come with one, else decoded from their latents.

use arrow_array::RecordBatch;
use burn::tensor::Device;
use mitune_diffusion::image::{ImageError, RgbImage};
use mitune_diffusion::model::DiffusionModel;
use mitune_judges::picture::Picture;

use super::latent_decoder::LatentDecoder;
use crate::contract::StageError;
use crate::tables::columns::ColumnError;
use crate::tables::image_rows::{ImageRows, ImageSource};
use crate::tables::latent_rows::{Latent, LatentError};

/// A candidate, and what its image is made from.
pub(crate) struct CandidateImage {
    pub(crate) prompt_id: String,
    pub(crate) prompt: String,
    pub(crate) seed_index: u32,
    pub(crate) source: ImageSource,
}

/// The only size of images that somebody reads.
#[derive(Clone, Copy, Debug)]
pub struct OnlySize {
    /// Who reads them.
    pub reader: &'static str,
    /// Where images of this size come from.
    pub of: &'static str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Makes the images of candidates, batch by batch.
pub(crate) struct CandidateImages<'a> {
    /// Decodes latents, if a model is there.
    pub(crate) model: Option<&'a DiffusionModel>,
    pub(crate) device: Option<&'a Device>,
    /// Latents that are decoded together; batches are filled up, so that an image does not depend on its neighbours.
    pub(crate) batch_size: usize,
    /// The size that all images must have, if there is one.
    pub(crate) only: Option<OnlySize>,
}

/// A candidate whose image cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CandidateImageError {
    #[error("Candidates could not be read")]
    Column(#[from] ColumnError),
    #[error(transparent)]
    Latent(#[from] LatentError),
    #[error("Image of candidate `{seed_index}` of prompt `{prompt_id}` cannot be used")]
    Image {
        prompt_id: String,
        seed_index: u32,
        source: ImageError,
    },
    #[error(
        "Image of candidate `{seed_index}` of prompt `{prompt_id}` has {width} x {height} pixels; `{}` reads those of \
         {} only, {} x {}",
        only.reader, only.of, only.width, only.height
    )]
    Size {
        prompt_id: String,
        seed_index: u32,
        width: u32,
        height: u32,
        only: OnlySize,
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

impl CandidateImageError {
    /// Tells what the pipeline says wrongly from what went wrong.
    pub(crate) fn into_stage_error(self) -> StageError {
        match self {
            Self::NoModel { .. } | Self::Size { .. } | Self::Channels { .. } => {
                StageError::configuration(self)
            }
            error => StageError::failed(error),
        }
    }
}

impl CandidateImages<'_> {
    /// Makes the images of at most one batch of candidates, in their order.
    pub(crate) fn load(&self, candidates: &[CandidateImage]) -> Result<Vec<RgbImage>, CandidateImageError> {
        let pictures = self.pictures(candidates)?;
        Ok(pictures.iter().map(Picture::to_rgb).collect())
    }

    /// Makes the images of at most one batch of candidates, with everything that files say beside the colours.
    pub(crate) fn pictures(
        &self,
        candidates: &[CandidateImage],
    ) -> Result<Vec<Picture>, CandidateImageError> {
        let mut decoded = self.decode(candidates)?.into_iter();
        let mut images = Vec::with_capacity(candidates.len());
        for one in candidates {
            let image = match &one.source {
                ImageSource::Encoded(bytes) => Picture::decode(bytes),
                ImageSource::Latent(_) => match decoded.next() {
                    Some(image) => image.map(|image| Picture::from_rgb(&image)),
                    None => return Err(one.no_model()),
                },
            };
            let image = image.map_err(|source| one.unusable(source))?;
            self.check_size(one, image.width(), image.height())?;
            images.push(image);
        }
        Ok(images)
    }

    fn decode(
        &self,
        candidates: &[CandidateImage],
    ) -> Result<Vec<Result<RgbImage, ImageError>>, CandidateImageError> {
        let latents = candidates.iter().filter_map(|one| match &one.source {
            ImageSource::Latent(latent) => Some((one, latent)),
            ImageSource::Encoded(_) => None,
        });
        let latents: Vec<(&CandidateImage, &Latent)> = latents.collect();
        let Some((first, _)) = latents.first() else {
            return Ok(Vec::new());
        };
        let (Some(model), Some(device)) = (self.model, self.device) else {
            return Err(first.no_model());
        };
        let channels = model.vae_config.latent_channels;
        for (one, latent) in &latents {
            self.check_shape(one, latent, channels, model.vae_config.downscale())?;
        }
        let mut images = Vec::with_capacity(latents.len());
        for alike in latents.chunk_by(|(_, one), (_, other)| one.shape == other.shape) {
            let shape = alike[0].1.shape;
            let decoder = LatentDecoder::of(model, device, shape, self.batch_size);
            images.extend(decoder.decode(alike.iter().map(|(_, latent)| latent.values.as_slice())));
        }
        Ok(images)
    }

    fn check_shape(
        &self,
        candidate: &CandidateImage,
        latent: &Latent,
        channels: usize,
        downscale: usize,
    ) -> Result<(), CandidateImageError> {
        let [found, height, width] = latent.shape;
        if found != channels {
            return Err(CandidateImageError::Channels {
                prompt_id: candidate.prompt_id.clone(),
                found: latent.shape,
                channels,
            });
        }
        let pixels = |side: usize| u32::try_from(side.saturating_mul(downscale)).unwrap_or(u32::MAX);
        self.check_size(candidate, pixels(width), pixels(height))
    }

    fn check_size(
        &self,
        candidate: &CandidateImage,
        width: u32,
        height: u32,
    ) -> Result<(), CandidateImageError> {
        match self.only {
            Some(only) if (width, height) != (only.width, only.height) => Err(CandidateImageError::Size {
                prompt_id: candidate.prompt_id.clone(),
                seed_index: candidate.seed_index,
                width,
                height,
                only,
            }),
            _ => Ok(()),
        }
    }
}

impl CandidateImage {
    /// Reads the candidates of a batch that has the columns [`IMAGE_COLUMNS`](crate::tables::image_rows::IMAGE_COLUMNS).
    pub(crate) fn of_batch(batch: &RecordBatch) -> Result<Vec<Self>, CandidateImageError> {
        let images = ImageRows::of(batch)?;
        (0..batch.num_rows())
            .map(|row| Self::of_row(&images, row))
            .collect()
    }

    /// Reads the candidate of one row.
    pub(crate) fn of_row(images: &ImageRows<'_>, row: usize) -> Result<Self, CandidateImageError> {
        let rows = &images.rows;
        Ok(Self {
            prompt_id: rows.prompt_id(row).to_owned(),
            prompt: rows.prompt(row).to_owned(),
            seed_index: rows.seed_index(row),
            source: images.source(row)?,
        })
    }

    /// Whether the image has to be decoded by a model.
    pub(crate) fn is_latent(&self) -> bool {
        matches!(self.source, ImageSource::Latent(_))
    }

    fn unusable(&self, source: ImageError) -> CandidateImageError {
        CandidateImageError::Image {
            prompt_id: self.prompt_id.clone(),
            seed_index: self.seed_index,
            source,
        }
    }

    fn no_model(&self) -> CandidateImageError {
        CandidateImageError::NoModel {
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
        let waiting: Vec<CandidateImage> = (0..3)
            .map(|seed_index| CandidateImage {
                prompt_id: "p".to_owned(),
                prompt: String::new(),
                seed_index,
                source: ImageSource::Latent(Latent {
                    values: (0..256).map(|_| draws.between(-9.0, 9.0)).collect(),
                    shape: [4, 8, 8],
                }),
            })
            .collect();
        let images = CandidateImages {
            model: Some(&model),
            device: Some(&device),
            batch_size: 4,
            only: None,
        };
        let images = images.decode(&waiting).unwrap();
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
