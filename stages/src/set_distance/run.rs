//! The computation of the stage.

use mitune_judges::set_distance::SetDistanceError;
use mitune_store::Artifact;

use super::features::Features;
use super::measure::{diversity_over_prompts, enough, gathered};
use super::picture_source::PictureSource;
use super::reference_folder::ReferenceFolder;
use super::report::{SetMeasurement, SetMetrics};
use super::stage::{REFERENCE_FOLDER, SetDistance};
use crate::contract::{StageContext, StageError, StageOutput, Work};
use crate::judge::image_sets::set_features::{SetFeatures, set_distance};

/// Two sets that cannot be compared.
#[derive(Debug, thiserror::Error)]
#[error("{set} cannot be compared with the reference")]
struct NotCompared {
    set: String,
    source: SetDistanceError,
}

impl SetDistance {
    pub(super) fn measure_sets(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let sets = context.inputs("images");
        self.check_arms(sets.len()).map_err(StageError::configuration)?;
        let mut features = Features::new(self, context)?;
        let reference = match self.config.metric.is_distance() {
            true => Some(self.reference(context, &mut features)?),
            false => None,
        };
        let mut arms = Vec::with_capacity(sets.len());
        for (arm, table) in sets.iter().enumerate() {
            context.check_cancelled()?;
            arms.push(self.arm(context, &mut features, (arm, table), reference.as_ref())?);
        }
        let settings = &self.config;
        let report = SetMetrics {
            metric: settings.metric,
            dtype: settings.dtype,
            batch_size: settings.batch_size.get(),
            resamples: match reference {
                Some(_) => settings.resamples,
                None => Some(settings.prompt_resampling().replicates),
            },
            confidence: settings.confidence,
            seed: settings.seed,
            resample_reference: settings.resample_reference,
            reference_images: reference.map(|reference| reference.count() as u64),
            arms,
        };
        let summary = context.store().artifacts().put_json(&report)?;
        let images: u64 = report.arms.iter().map(|arm| arm.images).sum();
        let output = StageOutput::one("summary", summary)
            .with_metric("headline", report.headline())
            .with_metric("arms", report.arms.len())
            .with_metric("images", images);
        Ok(match report.reference_images {
            Some(reference) => output
                .with_metric("reference_images", reference)
                .with_metric(settings.metric.name(), report.by_arm(|arm| arm.distance)),
            None => {
                let cosine = |arm: &SetMeasurement| Some(arm.diversity.as_ref()?.mean_cosine_distance.value);
                let vendi = |arm: &SetMeasurement| Some(arm.diversity.as_ref()?.vendi_score.value);
                output
                    .with_metric("mean_cosine_distance", report.by_arm(cosine))
                    .with_metric("vendi_score", report.by_arm(vendi))
            }
        })
    }

    /// Makes the features of the reference.
    fn reference<'a>(
        &'a self,
        context: &'a StageContext<'a>,
        features: &mut Features<'a>,
    ) -> Result<SetFeatures, StageError> {
        let place = match &self.reference_folder {
            Some(folder) => format!("Folder `{}`", folder.display()),
            None => self.inputs.name("reference"),
        };
        context.progress().message(&format!("Reference: {place}"));
        let source = match &self.reference_folder {
            Some(path) => {
                let folder = ReferenceFolder::open(path)?;
                context.check_external(REFERENCE_FOLDER, folder.digest())?;
                if let Some(note) = folder.note() {
                    context.progress().message(&note);
                }
                PictureSource::Folder(folder)
            }
            None => PictureSource::table(context.store(), context.input("reference")?)?,
        };
        self.set_features(features, source, &place)
    }

    fn set_features<'a>(
        &self,
        features: &mut Features<'a>,
        source: PictureSource<'a>,
        place: &str,
    ) -> Result<SetFeatures, StageError> {
        let (judge, resampled) = (self.config.metric.judge(), self.config.resamples.is_some());
        let stored = features.of(source)?;
        let gathered = gathered(features, &stored, judge, resampled, place)?;
        enough(gathered, judge, self.config.metric.name(), place)
    }

    fn arm<'a>(
        &'a self,
        context: &'a StageContext<'a>,
        features: &mut Features<'a>,
        (arm, table): (usize, &'a Artifact),
        reference: Option<&SetFeatures>,
    ) -> Result<SetMeasurement, StageError> {
        let place = self.inputs.name_in_list("images", arm);
        context.progress().message(&format!("Set: {place}"));
        let name = self.config.names.get(arm).cloned();
        let name = name.unwrap_or_else(|| format!("images[{arm}]"));
        let source = PictureSource::table(context.store(), table)?;
        let Some(reference) = reference else {
            let stored = features.of(source)?;
            let bootstrap = self.config.prompt_resampling();
            return Ok(SetMeasurement {
                name,
                images: stored.names.len() as u64,
                distance: None,
                estimate: None,
                diversity: Some(diversity_over_prompts(features, &stored, &bootstrap, &place)?),
            });
        };
        let set = self.set_features(features, source, &place)?;
        let resampling = self.config.image_resampling();
        if let Some(resampling) = &resampling {
            context.progress().begin(Work {
                total: resampling.replicates as u64,
                reused: 0,
                unit: "resamples",
            });
        }
        let watch = |resamples: usize| {
            context.progress().advance(resamples as u64);
            !context.cancelled()
        };
        let judge = self.config.metric.judge();
        let measured = set_distance(judge, [&set, reference], resampling.as_ref(), &watch);
        let (distance, estimate) = measured.map_err(|source| match source {
            SetDistanceError::Stopped => StageError::Interrupted,
            source => StageError::failed(NotCompared { set: place, source }),
        })?;
        Ok(SetMeasurement {
            name,
            images: set.count() as u64,
            distance: Some(distance),
            estimate,
            diversity: None,
        })
    }
}
