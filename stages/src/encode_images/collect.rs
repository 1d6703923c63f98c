//! The first pass over a source: which rows count, and what their images are.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use mitune_bounded_file::BoundedFileError;
use rayon::prelude::*;

use super::choice::{BrokenImages, Ties};
use super::counts::Counts;
use super::error::EncodeError;
use super::fit::Fit;
use super::kept::ChosenRow;
use super::seen_row::{SeenRow, WaitingImage, WaitingRow, identity};
use super::stage::EncodeImages;
use crate::contract::{StageContext, StageError};
use crate::ingest::images::error::{ImageProblem, ImagesError, SOURCE};
use crate::ingest::images::files::{DigestedFiles, SourceFiles};
use crate::ingest::images::place::ImagePlace;
use crate::ingest::images::reader::ImageReader;
use crate::ingest::images::rows::{RowImages, SourceRow};
use crate::ingest::prompts::clean::Cleaned;
use crate::ingest::prompts::{PromptIdentity, Sample};

/// Rows whose images are looked at together.
const TOGETHER: usize = 8;

/// Bytes of encoded images that wait to be looked at, besides those of the last row.
const MOST_WAITING_BYTES: usize = 64 << 20;

/// Broken images that are named.
const TOLD: usize = 5;

/// Takes the rows of a source. A few rows with their images are in memory at a time, of all others the digests alone.
pub(super) struct Collector<'a> {
    stage: &'a EncodeImages,
    context: &'a StageContext<'a>,
    files: &'a SourceFiles,
    digested: &'a DigestedFiles,
    fit: &'a Fit,
    /// Whether the store has the latent of an image, which was then decoded before.
    is_stored: &'a (dyn Fn(&blake3::Hash) -> bool + Sync),
    reader: ImageReader<'a>,
    waiting: Vec<WaitingRow>,
    waiting_bytes: usize,
    usable: HashSet<blake3::Hash>,
    prompts: HashSet<Arc<str>>,
    seen: HashSet<PromptIdentity>,
    sample: Sample<ChosenRow>,
    counts: Counts,
    broken: Vec<String>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        stage: &'a EncodeImages,
        context: &'a StageContext<'a>,
        (files, digested): (&'a SourceFiles, &'a DigestedFiles),
        fit: &'a Fit,
        is_stored: &'a (dyn Fn(&blake3::Hash) -> bool + Sync),
    ) -> Self {
        Self {
            stage,
            context,
            files,
            digested,
            fit,
            is_stored,
            reader: ImageReader::new(&files.files),
            waiting: Vec::new(),
            waiting_bytes: 0,
            usable: HashSet::new(),
            prompts: HashSet::new(),
            seen: HashSet::new(),
            sample: Sample::new(stage.config.sample.as_ref()),
            counts: Counts::default(),
            broken: Vec::new(),
        }
    }

    /// Reads all rows, and returns those that count.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the source, a row or an image cannot be used and is not to be left out,
    /// [`StageError::Changed`] if an image is not the one of the key, [`StageError::Interrupted`].
    pub(super) fn collect(mut self) -> Result<(Vec<ChosenRow>, Counts), StageError> {
        let (stage, files) = (self.stage, self.files);
        let mut failure = None;
        let read = stage.source.read(&files.files, stage.seed, &mut |row| {
            Ok(self.take(row).unwrap_or_else(|error| {
                failure = Some(error);
                ControlFlow::Break(())
            }))
        });
        if let Some(error) = failure {
            return Err(error);
        }
        read.map_err(ImagesError::into_stage_error)?;
        // Those behind the last full group; none are left where the limit was reached.
        let _ = self.look()?;
        self.check()?;
        Ok((self.sample.into_chosen(), self.counts))
    }

    fn take(&mut self, row: SourceRow) -> Result<ControlFlow<()>, StageError> {
        self.counts.read += 1;
        let images = match row.images {
            RowImages::One(image) => vec![image],
            RowImages::Pair { winner, loser } => vec![winner, loser],
            RowImages::Tie => {
                self.counts.ties += 1;
                return Ok(ControlFlow::Continue(()));
            }
        };
        let prompt = match row.caption.raw().cleaned() {
            Ok(Cleaned::Prompt(text)) => self.shared(text),
            Ok(Cleaned::Nothing(reason)) => {
                *self.counts.rejected.entry(reason).or_insert(0) += 1;
                return Ok(ControlFlow::Continue(()));
            }
            Err(problem) => {
                let error = ImagesError::Prompt {
                    path: self.files.files[row.at.file].clone(),
                    row: row.at.row,
                    problem,
                };
                return Err(error.into_stage_error());
            }
        };
        let mut waiting = Vec::with_capacity(images.len());
        for image in images {
            let bytes = match image.bytes {
                Some(bytes) => Ok(bytes),
                None => self
                    .reader
                    .read(&image.place)
                    .map_err(ImagesError::into_stage_error)?,
            };
            self.waiting_bytes += bytes.as_ref().map_or(0, Vec::len);
            waiting.push(WaitingImage {
                place: image.place,
                bytes,
            });
        }
        self.waiting.push(WaitingRow {
            at: row.at,
            prompt,
            weight: row.weight,
            images: waiting,
        });
        match self.waiting.len() >= TOGETHER || self.waiting_bytes >= MOST_WAITING_BYTES {
            true => self.look(),
            false => Ok(ControlFlow::Continue(())),
        }
    }

    /// Looks at the images of the rows that wait, several at once.
    fn look(&mut self) -> Result<ControlFlow<()>, StageError> {
        self.context.check_cancelled()?;
        self.waiting_bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        let (fit, usable, is_stored) = (self.fit, &self.usable, self.is_stored);
        let is_known = |digest: &blake3::Hash| usable.contains(digest) || is_stored(digest);
        let seen: Vec<SeenRow> = waiting
            .into_par_iter()
            .map(|row| row.seen(fit, &is_known))
            .collect();
        for row in seen {
            if self.accept(row)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn accept(&mut self, row: SeenRow) -> Result<ControlFlow<()>, StageError> {
        let images = self.usable_images(&row)?;
        if images.len() < row.images.len() {
            return Ok(ControlFlow::Continue(()));
        }
        if let [(winner, _), (loser, _)] = images.as_slice()
            && winner == loser
        {
            self.counts.alike += 1;
            return Ok(ControlFlow::Continue(()));
        }
        let identity = identity(&row.prompt, &images);
        if !self.seen.insert(identity) {
            self.counts.repeated += 1;
            return Ok(ControlFlow::Continue(()));
        }
        let order = self.seen.len() as u64;
        let offered = self.sample.offer(&identity, order, || ChosenRow {
            at: row.at,
            prompt: row.prompt,
            images,
            weight: row.weight,
        });
        self.counts.not_sampled += u64::from(offered.leaves_one_out());
        Ok(match self.stage.config.limit {
            Some(limit) if order >= limit => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    }

    /// The images of a row that can be used; the others are counted.
    fn usable_images(&mut self, row: &SeenRow) -> Result<Vec<(blake3::Hash, ImagePlace)>, StageError> {
        let mut images = Vec::with_capacity(row.images.len());
        for (place, seen) in &row.images {
            match seen {
                Ok(digest) if self.digested.has(place, digest) => {
                    self.usable.insert(*digest);
                    images.push((*digest, place.clone()));
                }
                // It was there when the key was made, so that it does not count as one that is not.
                Err(ImageProblem::File(BoundedFileError::Io { .. })) if self.digested.had(place) => {
                    return Err(changed());
                }
                Ok(_) => return Err(changed()),
                Err(problem) => {
                    self.counts.broken += 1;
                    if self.broken.len() < TOLD {
                        let name = self.files.name(row.at);
                        self.broken.push(format!("that in {name}: {problem}"));
                    }
                }
            }
        }
        Ok(images)
    }

    /// Refuses what is not to be left out.
    fn check(&self) -> Result<(), StageError> {
        let Counts { ties, broken, .. } = self.counts;
        let config = &self.stage.config;
        if config.ties == Ties::Refuse && ties > 0 {
            return Err(StageError::configuration(EncodeError::Ties { count: ties }));
        }
        if config.broken == BrokenImages::Refuse && broken > 0 {
            let mut named = self.broken.clone();
            let more = broken.saturating_sub(named.len() as u64);
            if more > 0 {
                named.push(format!("and {more} more"));
            }
            return Err(StageError::configuration(EncodeError::Broken {
                count: broken,
                named,
            }));
        }
        Ok(())
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.prompts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = Arc::from(text);
        self.prompts.insert(Arc::clone(&text));
        text
    }
}

fn changed() -> StageError {
    StageError::Changed {
        input: SOURCE.to_owned(),
    }
}
