//! Fetching a few images of a pool: stored pixels where there are any, decoded latents otherwise.

use std::collections::{HashMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use mitune_stages::image::RgbImage;
use mitune_stages::tables::columns::{f32_list, list_column, number_column, string_column};
use mitune_store::Store;

use super::super::error::ReportError;
use super::super::model::Note;
use super::super::options::{Decoder, LatentImage};
use super::base64::base64;
use super::folders::without_folders;
use super::graph::{RunGraph, Source};
use super::tables::Table;
use super::thumbnail::reduce;

/// A candidate within its pool: prompt id and seed index.
pub(super) type Identity = (String, u32);

/// Where images come from.
pub(super) struct Pictures<'a, 'd> {
    pub(super) store: &'a Store,
    pub(super) graph: &'a RunGraph,
    /// Longest side of an image in pixels.
    pub(super) side: u32,
    pub(super) decoder: Option<&'d mut Decoder<'d>>,
    /// Places of latents that are decoded at most for one part of the page.
    pub(super) decoded_places: usize,
    /// Why images are missing, with the stages that generated them.
    pub(super) missing: Vec<(String, Vec<usize>)>,
}

/// An image as a document holds it.
#[derive(Clone)]
pub(super) struct Png {
    pub(super) base64: String,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// An image as the table holds it.
enum Stored {
    Pixels(RgbImage),
    Latent(LatentImage),
}

impl Pictures<'_, '_> {
    /// Returns how many candidates of a pool may be decoded for one part of the page; none if they have pixels already.
    pub(super) fn decoded_limit(&self, candidates: Source<'_>) -> Result<Option<usize>, ReportError> {
        let table = Table {
            store: self.store,
            graph: self.graph,
            source: candidates,
        };
        for batch in table.read(Some(&["latent", "latent_shape", "image"]))? {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            if stored_png(&batch, 0).is_some() {
                return Ok(None);
            }
            let [_, height, width] = self.latent(table, &batch, 0)?.shape;
            let places = height.saturating_mul(width).max(1);
            return Ok(Some((self.decoded_places / places).max(1)));
        }
        Ok(None)
    }

    /// Fetches the images of some candidates; those without pixels are missing when they cannot be decoded, and a note
    /// says why.
    pub(super) fn fetch(
        &mut self,
        candidates: Source<'_>,
        wanted: &HashSet<Identity>,
    ) -> Result<HashMap<Identity, Png>, ReportError> {
        let table = Table {
            store: self.store,
            graph: self.graph,
            source: candidates,
        };
        let mut found: Vec<(Identity, Stored)> = Vec::new();
        let columns = ["prompt_id", "seed_index", "latent", "latent_shape", "image"];
        for batch in table.read(Some(&columns))? {
            if found.len() == wanted.len() {
                break;
            }
            self.choose(table, &batch?, wanted, &mut found)?;
        }
        let latents: Vec<LatentImage> = found
            .iter()
            .filter_map(|(_, stored)| match stored {
                Stored::Latent(latent) => Some(latent.clone()),
                Stored::Pixels(_) => None,
            })
            .collect();
        let mut decoded = self.decode(table, &latents)?.into_iter();
        let mut images = HashMap::new();
        for (identity, stored) in found {
            let image = match stored {
                Stored::Pixels(image) => Some(image),
                Stored::Latent(_) => decoded.next(),
            };
            if let Some(image) = image {
                let image = reduce(image, self.side);
                let bytes = image.to_png().map_err(|source| ReportError::Image {
                    stage: table.stage(),
                    prompt_id: identity.0.clone(),
                    seed_index: identity.1,
                    source,
                })?;
                let png = Png {
                    base64: base64(&bytes),
                    width: image.width(),
                    height: image.height(),
                };
                images.insert(identity, png);
            }
        }
        Ok(images)
    }

    fn choose(
        &self,
        table: Table<'_>,
        batch: &RecordBatch,
        wanted: &HashSet<Identity>,
        found: &mut Vec<(Identity, Stored)>,
    ) -> Result<(), ReportError> {
        let ids = string_column(batch, "prompt_id").map_err(|error| table.column_error(error))?;
        let seeds =
            number_column::<UInt32Type>(batch, "seed_index").map_err(|error| table.column_error(error))?;
        for row in 0..batch.num_rows() {
            let identity = (ids.value(row).to_owned(), seeds.value(row));
            if !wanted.contains(&identity) {
                continue;
            }
            if let Some(png) = stored_png(batch, row) {
                let image = RgbImage::decode(png).map_err(|source| ReportError::Image {
                    stage: table.stage(),
                    prompt_id: identity.0.clone(),
                    seed_index: identity.1,
                    source,
                })?;
                found.push((identity, Stored::Pixels(image)));
            } else {
                let latent = self.latent(table, batch, row)?;
                found.push((identity, Stored::Latent(latent)));
            }
        }
        Ok(())
    }

    fn latent(&self, table: Table<'_>, batch: &RecordBatch, row: usize) -> Result<LatentImage, ReportError> {
        let latents = list_column(batch, "latent").map_err(|error| table.column_error(error))?;
        let shapes = list_column(batch, "latent_shape").map_err(|error| table.column_error(error))?;
        let latent = f32_list(latents, "latent", row).map_err(|error| table.column_error(error))?;
        let extents = shapes.value(row);
        let extents: Vec<usize> = extents
            .as_primitive_opt::<Int32Type>()
            .map_or(&[][..], |extents| extents.values())
            .iter()
            .filter_map(|&extent| usize::try_from(extent).ok())
            .collect();
        let shape = <[usize; 3]>::try_from(extents.as_slice()).ok();
        let fits = |shape: &[usize; 3]| {
            let elements = shape
                .iter()
                .try_fold(1, |product: usize, &extent| product.checked_mul(extent));
            elements == Some(latent.len())
        };
        match shape.filter(fits) {
            Some(shape) => Ok(LatentImage {
                generated_by: self.graph.stages[table.source.stage].key,
                latent,
                shape,
            }),
            None => {
                let value = format!("{extents:?} for {} values", latent.len());
                Err(table.value_error("latent shape", &value, row))
            }
        }
    }

    fn decode(&mut self, table: Table<'_>, latents: &[LatentImage]) -> Result<Vec<RgbImage>, ReportError> {
        if latents.is_empty() {
            return Ok(Vec::new());
        }
        let decoded = match self.decoder.as_mut() {
            Some(decoder) => decoder(latents).map_err(|error| causes(&*error)),
            None => Err("No model was given to decode them with".to_owned()),
        };
        let images = match decoded {
            Ok(images) => images,
            Err(reason) => {
                self.note(table.source.stage, &reason);
                return Ok(Vec::new());
            }
        };
        if images.len() != latents.len() {
            return Err(ReportError::DecodedCount {
                stage: table.stage(),
                expected: latents.len(),
                found: images.len(),
            });
        }
        Ok(images)
    }

    fn note(&mut self, stage: usize, reason: &str) {
        let known = self.missing.iter_mut().find(|(known, _)| known == reason);
        match known {
            Some((_, stages)) if stages.contains(&stage) => {}
            Some((_, stages)) => stages.push(stage),
            None => self.missing.push((reason.to_owned(), vec![stage])),
        }
    }

    /// Says which images are missing, and why.
    pub(super) fn missing_notes(&self) -> impl Iterator<Item = Note> {
        self.missing.iter().map(|(reason, stages)| {
            let names: Vec<String> = stages.iter().map(|&stage| self.graph.origin(stage).name).collect();
            let text = format!(
                "The images of {} are not shown: they were stored as latents, which only the model that generated \
                 them turns into pixels. {reason}.",
                names.join(", ")
            );
            Note {
                origin: None,
                text: without_folders(&text),
            }
        })
    }
}

/// Joins an error and its causes.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

fn stored_png(batch: &RecordBatch, row: usize) -> Option<&[u8]> {
    let image = batch.column_by_name("image")?.as_struct_opt()?;
    let bytes = image.column_by_name("bytes")?.as_binary_opt::<i32>()?;
    (image.is_valid(row) && bytes.is_valid(row)).then(|| bytes.value(row))
}
