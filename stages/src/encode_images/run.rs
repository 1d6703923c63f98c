//! The computation of the stage.

use std::collections::HashSet;
use std::path::PathBuf;

use mitune_store::ItemKey;

use super::collect::Collector;
use super::counts::Counts;
use super::encode::{Encoder, family, item};
use super::error::EncodeError;
use super::fit::Fit;
use super::kept::Kept;
use super::latent_tables::LatentTables;
use super::stage::{ENCODED_IN, EncodeImages};
use crate::contract::{StageContext, StageError, StageOutput};
use crate::ingest::images::error::{ImagesError, SOURCE};
use crate::ingest::images::files::SourceFiles;
use crate::ingest::images::source::RowKind;
use crate::models::identified_model::IdentifiedModel;

impl EncodeImages {
    pub(super) fn encode(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        context.check_cancelled()?;
        let files = SourceFiles::list(&self.source, self.seed).map_err(ImagesError::into_stage_error)?;
        let digested = files.digested().map_err(ImagesError::into_stage_error)?;
        context.check_external(SOURCE, digested.digest)?;
        // The table was looked at before the keys were made of it, and may have been another one then.
        if self.source.row_kind().map_err(ImagesError::into_stage_error)? != self.rows {
            return Err(StageError::Changed {
                input: SOURCE.to_owned(),
            });
        }
        let model = IdentifiedModel::open(&self.model, context, ENCODED_IN)?;
        let fit = Fit::new(&self.config, self.seed, model.directory())?;
        let family = family(self, context, &model, &fit)?;
        let stored: HashSet<ItemKey> = context.store().shards().items(&family)?.into_keys().collect();
        let is_stored =
            |digest: &blake3::Hash| item(&family, digest).is_ok_and(|item| stored.contains(&item));
        context.progress().message("Looking at the images");
        let collector = Collector::new(self, context, (&files, &digested), &fit, &is_stored);
        let (rows, counts) = collector.collect()?;
        files
            .check_unchanged(&digested)
            .map_err(ImagesError::into_stage_error)?;
        let kept = Kept::of(rows);
        if kept.rows.is_empty() {
            return Err(StageError::configuration(EncodeError::NoRows {
                files: origin(&files.files),
                counts: counts.in_words(),
            }));
        }
        context.progress().message(&format!(
            "{} images of {} prompts: {}",
            kept.images.len(),
            kept.prompts,
            counts.in_words()
        ));
        let encoder = Encoder {
            stage: self,
            context,
            model: &model,
            fit: &fit,
            files: &files,
            kept: &kept,
            family,
        };
        self.output(&encoder, &counts)
    }

    fn output(&self, encoder: &Encoder<'_>, counts: &Counts) -> Result<StageOutput, StageError> {
        let encoded = encoder.encode()?;
        let kept = encoder.kept;
        let tables = LatentTables {
            store: encoder.context.store(),
            files: encoder.files,
            kept,
            items: &encoded.rows,
        };
        let mut output = match self.rows {
            RowKind::Pairs => StageOutput::one("pairs", tables.pairs()?),
            RowKind::Images | RowKind::WeightedImages => StageOutput::one("latents", tables.latents()?),
        };
        if self.rows == RowKind::WeightedImages {
            output.outputs.insert("weights".to_owned(), tables.weights()?);
        }
        if self.config.keep_images {
            output.outputs.insert("images".to_owned(), encoder.pictures()?);
        }
        let images = kept.images.len() as u64;
        let pairs = kept.rows.iter().filter(|row| row.loser.is_some()).count();
        let flipped = kept
            .images
            .iter()
            .filter(|image| encoder.fit.flips(&image.digest))
            .count();
        Ok(output
            .with_metric("read", counts.read)
            .with_metric("rows", kept.rows.len())
            .with_metric("images", images)
            .with_metric("pairs", pairs)
            .with_metric("prompts", kept.prompts)
            .with_metric("ties_dropped", counts.ties)
            .with_metric("broken", counts.broken)
            .with_metric("repeated", counts.repeated)
            .with_metric("alike", counts.alike)
            .with_metric("not_sampled", counts.not_sampled)
            .with_metric("rejected", serde_json::json!(counts.rejected))
            .with_metric("flipped", flipped)
            .with_metric("encoded", encoded.count)
            .with_metric("reused", images.saturating_sub(encoded.count)))
    }
}

/// Names the files of a source in an error.
fn origin(files: &[PathBuf]) -> String {
    match files {
        [path] => format!("`{}`", path.display()),
        [first, more @ ..] => format!("`{}` and {} more files", first.display(), more.len()),
        [] => "the source".to_owned(),
    }
}
