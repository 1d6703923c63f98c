//! Encoding of the images whose latents the store lacks.

use std::collections::{HashMap, HashSet};

use burn::tensor::{DType, Tensor, TensorReadError};
use mitune_diffusion::image::RgbImage;
use mitune_diffusion::noise::NoiseSource;
use mitune_store::{FamilyKey, ItemKey, ItemRow, Value};
use rayon::prelude::*;

use super::choice::LatentDraw;
use super::error::EncodeError;
use super::fit::Fit;
use super::item_latents::{row, schema};
use super::kept::{Kept, KnownImage};
use super::prepare::prepared;
use super::stage::{ENCODED_IN, EncodeImages};
use crate::contract::{ItemFamily, KeyIngredients, StageContext, StageError};
use crate::ingest::images::error::{ImagesError, SOURCE};
use crate::ingest::images::files::SourceFiles;
use crate::ingest::images::reader::ImageReader;
use crate::items::item_blocks::{Block, ItemTable};
use crate::items::producer::producer;
use crate::models::identified_model::IdentifiedModel;
use crate::tables::latent_rows::Latent;

/// Images that are decoded and resized at once, on all cores. They are encoded one by one, so that no latent depends on the
/// company of its image, and images of any sizes can stand beside each other.
const PREPARED: usize = 8;

/// What the draw of a latent is named by; a new meaning takes a new one.
const POSTERIOR: &str = "mitune posterior noise of an image v1";

/// Where the latents of all images are, and how many of them were encoded now.
pub(super) struct Encoded {
    pub(super) rows: Vec<ItemRow>,
    pub(super) count: u64,
}

/// The images on their way through the autoencoder.
pub(super) struct Encoder<'a> {
    pub(super) stage: &'a EncodeImages,
    pub(super) context: &'a StageContext<'a>,
    pub(super) model: &'a IdentifiedModel<'a>,
    pub(super) fit: &'a Fit,
    pub(super) files: &'a SourceFiles,
    pub(super) kept: &'a Kept,
    pub(super) family: FamilyKey,
}

/// What is read ahead.
struct Ahead<'a> {
    reader: ImageReader<'a>,
    items: Vec<ItemKey>,
    /// Items that the store had or that were prepared.
    known: HashSet<ItemKey>,
    pictures: HashMap<usize, RgbImage>,
    encoded: u64,
}

/// Derives the family of latents: model, sizes and draws are in it, the source is not.
///
/// # Errors
/// [`StageError::Canonical`] if it has no canonical encoding.
pub(super) fn family(
    stage: &EncodeImages,
    context: &StageContext<'_>,
    model: &IdentifiedModel<'_>,
    fit: &Fit,
) -> Result<FamilyKey, StageError> {
    let posterior = stage.config.posterior;
    let draws = fit.draws() || posterior == LatentDraw::Sample;
    let config = Value::map([
        ("fit", fit.keyed()?),
        ("posterior", Value::from_serialize(&posterior)?),
        // What draws nothing is the same under every seed.
        (
            "seed",
            if draws {
                Value::from(stage.seed)
            } else {
                Value::Null
            },
        ),
    ]);
    let family = ItemFamily {
        model: Some(model.digest()),
        ..ItemFamily::default()
    };
    context.part_family_key(config, &|_| false, &family)
}

/// Names an image by its content.
///
/// # Errors
/// [`StageError::Canonical`] if it has no canonical encoding.
pub(super) fn item(family: &FamilyKey, digest: &blake3::Hash) -> Result<ItemKey, StageError> {
    Ok(KeyIngredients::item_key(
        family,
        &("image", digest.to_hex().as_str()),
    )?)
}

impl<'a> Encoder<'a> {
    /// Encodes what the store lacks.
    ///
    /// # Errors
    /// Those of [`ItemTable::compute_rows`]; [`StageError::Changed`] if an image is another one by now.
    pub(super) fn encode(&self) -> Result<Encoded, StageError> {
        let items = self
            .kept
            .images
            .iter()
            .map(|image| item(&self.family, &image.digest));
        let items = items.collect::<Result<Vec<ItemKey>, StageError>>()?;
        let blocks = items.iter().enumerate().map(|(index, item)| Block {
            work: index,
            prompt_id: String::new(),
            items: vec![*item],
        });
        let blocks: Vec<Block<usize>> = blocks.collect();
        let (schema, store) = (schema(), self.context.store());
        let wanted: HashSet<ItemKey> = items.iter().copied().collect();
        let stored = store.shards().rows_of_items(&self.family, &schema, &wanted)?;
        let table = ItemTable {
            family: self.family,
            schema: &schema,
            shard_rows: self.stage.config.shard_size.get() as usize,
            unit: "images",
        };
        let mut ahead = Ahead {
            reader: ImageReader::new(&self.files.files),
            items,
            known: stored.into_keys().collect(),
            pictures: HashMap::new(),
            encoded: 0,
        };
        let producer = producer(self.context, Some(ENCODED_IN));
        let rows = table.compute_rows(self.context, &producer, &blocks, |index| {
            let picture = self.picture(*index, &mut ahead)?;
            let latent = self.latent(&self.kept.images[*index], &picture)?;
            ahead.encoded += 1;
            row(&schema, &latent).map_err(StageError::failed)
        })?;
        Ok(Encoded {
            rows,
            count: ahead.encoded,
        })
    }

    /// The picture of an image, which is prepared together with those behind it that the store lacks.
    fn picture(&self, wanted: usize, ahead: &mut Ahead<'a>) -> Result<RgbImage, StageError> {
        // What lies before was encoded by another process meanwhile.
        ahead.pictures.retain(|index, _| *index >= wanted);
        if let Some(picture) = ahead.pictures.remove(&wanted) {
            return Ok(picture);
        }
        let mut read = Vec::with_capacity(PREPARED);
        for index in ahead.together(wanted, self.stage.config.shard_size.get() as usize) {
            let bytes = self.bytes(&self.kept.images[index], &mut ahead.reader)?;
            read.push((index, bytes));
        }
        let (kept, fit, files) = (self.kept, self.fit, self.files);
        let pictures = read.into_par_iter().map(|(index, bytes)| {
            let image = &kept.images[index];
            let picture = prepared(&bytes, &image.digest, fit);
            let unusable = |problem| {
                let image = format!("The image in {}", files.name(image.at));
                StageError::configuration(EncodeError::Unusable { image, problem })
            };
            Ok((index, picture.map_err(unusable)?))
        });
        let pictures = pictures.collect::<Result<Vec<(usize, RgbImage)>, StageError>>()?;
        ahead.pictures.extend(pictures);
        let picture = ahead.pictures.remove(&wanted);
        picture.ok_or_else(|| StageError::failed(EncodeError::Lost))
    }

    /// Reads an image again.
    pub(super) fn bytes(
        &self,
        image: &KnownImage,
        reader: &mut ImageReader<'_>,
    ) -> Result<Vec<u8>, StageError> {
        let read = reader.read(&image.place).map_err(ImagesError::into_stage_error)?;
        match read {
            Ok(bytes) if blake3::hash(&bytes) == image.digest => Ok(bytes),
            Ok(_) | Err(_) => Err(StageError::Changed {
                input: SOURCE.to_owned(),
            }),
        }
    }

    /// Encodes a picture: the mean of its latent, or a draw that the seed and the image name.
    fn latent(&self, image: &KnownImage, picture: &RgbImage) -> Result<Latent, StageError> {
        let pixels = picture.to_tensor(self.context.device()?);
        let posterior = self
            .model
            .loaded()?
            .encode_posterior(Tensor::stack::<4>(vec![pixels], 0));
        let [_, channels, height, width] = posterior.mean.dims();
        let unreadable = |source| {
            let image = self.name(image);
            StageError::failed(EncodeError::Unreadable { image, source })
        };
        let mut values = numbers(posterior.mean).map_err(unreadable)?;
        if let (LatentDraw::Sample, Some(deviation)) = (self.stage.config.posterior, posterior.deviation) {
            let deviations = numbers(deviation).map_err(unreadable)?;
            let noise = noise(self.stage.seed, &image.digest, values.len());
            for ((value, deviation), noise) in values.iter_mut().zip(deviations).zip(noise) {
                *value += deviation * noise;
            }
        }
        if values.iter().any(|value| !value.is_finite()) {
            let image = self.name(image);
            return Err(StageError::failed(EncodeError::NotFinite { image }));
        }
        Ok(Latent {
            values,
            shape: [channels, height, width],
        })
    }

    fn name(&self, image: &KnownImage) -> String {
        format!("the image in {}", self.files.name(image.at))
    }
}

impl Ahead<'_> {
    /// The image that is wanted, and those behind it that are wanted soon: of the same portion, which another process that
    /// shares the work leaves alone.
    fn together(&mut self, wanted: usize, shard: usize) -> Vec<usize> {
        let end = (wanted / shard + 1).saturating_mul(shard).min(self.items.len());
        self.known.insert(self.items[wanted]);
        let mut indices = vec![wanted];
        for index in wanted + 1..end {
            if indices.len() == PREPARED {
                break;
            }
            if self.known.insert(self.items[index]) {
                indices.push(index);
            }
        }
        indices
    }
}

/// The draw of a latent, a function of the seed and of the image.
pub(super) fn noise(seed: u64, image: &blake3::Hash, length: usize) -> Vec<f32> {
    let key = blake3::derive_key(POSTERIOR, image.as_bytes());
    let mut values = vec![0.0; length];
    NoiseSource::forward().normal(seed, &key, 0, 0, &mut values);
    values
}

fn numbers(tensor: Tensor<4>) -> Result<Vec<f32>, TensorReadError> {
    let data = tensor.try_into_data_dtype(DType::F32)?;
    data.try_into_vec().map_err(TensorReadError::from)
}
