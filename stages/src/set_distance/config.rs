//! Settings of the stage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use mitune_judges::set_distance::Resampling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::SetMetric;
use super::stage::SetDistance;
use crate::contract::arm_names::check_names;
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::{fraction, nonzero};
use crate::contract::setting_limits::MOST_ARMS;
use crate::contract::{Dtype, KnownInputs, Stage, StageConfig, StageDefaults, StageError};
use crate::items::item_blocks::check_batch_size;
use crate::models::model_source::ModelSource;
use crate::plural::plural;
use crate::statistics::bootstrap::BootstrapSettings;

/// Measures sets of candidates: how far each is from a reference (`fid`, `fd_dino`, `cmmd`), or how much the candidates of
/// a prompt differ (`diversity_clip`, `diversity_dino`).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDistanceConfig {
    /// The candidates, selections, latents or images, one set for each arm; a reference may stand for several.
    pub images: Vec<Reference>,
    /// Names of the arms in the result, one for each set. By default, the stages the sets come from.
    #[serde(default)]
    pub names: Vec<String>,
    /// What is measured.
    pub metric: SetMetric,
    /// Folder of the network, relative to the pipeline: for `fid` with `pt_inception-2015-12-05-6726825d.pth`, for
    /// `fd_dino` and `diversity_dino` transformers' `Dinov2Model`, for `cmmd` and `diversity_clip` transformers'
    /// `CLIPModel`.
    pub model: PathBuf,
    /// Candidates, or any other set, that a distance is measured to. A distance needs these or `reference_folder`.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// A folder of images that a distance is measured to, relative to the pipeline. They are known by their bytes, so that
    /// renaming one computes nothing.
    #[serde(default)]
    pub reference_folder: Option<PathBuf>,
    /// Number format of the network. By default, `f32`.
    #[serde(default)]
    pub dtype: Dtype,
    /// Resamples that an interval is made of: of images for a distance, where each but that of `cmmd` takes as long as the
    /// distance itself, and of prompts for a diversity. By default, none and no interval for a distance, and 10,000 for a
    /// diversity.
    #[serde(default)]
    pub resamples: Option<u32>,
    /// Share of the resamples inside the interval. By default, 0.95.
    #[serde(default = "fraction::<95, 100>")]
    pub confidence: f64,
    /// Seed of the resamples. By default, 0.
    #[serde(default)]
    pub seed: u64,
    /// Whether a distance draws the images of the reference anew as well; without, intervals say how sure a comparison of
    /// arms on this one reference is. By default, it does.
    #[serde(default = "yes")]
    pub resample_reference: bool,
    /// Model directory, relative to the pipeline, whose autoencoder decodes candidates that have no `image`, as those of a
    /// selection. By default, the pipeline's `model`.
    #[serde(default)]
    pub decoder: Option<PathBuf>,
    /// A model made by another stage, in place of `decoder`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Images that go through the network together. By default, 16. It is part of the key, because the last digits depend
    /// on it.
    #[serde(default = "nonzero::<16>")]
    pub batch_size: NonZeroU32,
    /// Images to a shard of features, which is what a killed process can lose. By default, 256.
    #[serde(default = "nonzero::<256>")]
    pub shard_size: NonZeroU32,
}

fn yes() -> bool {
    true
}

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetDistanceSettingError {
    #[error("Setting `images` is empty, expected the candidates of at least one arm")]
    NoArm,
    #[error("Setting `images` stands for {arms} arms, at most {} are measured", MOST_ARMS)]
    TooManyArms { arms: usize },
    #[error(
        "Setting `names` has {names} name{} for the {arms} arm{} that `images` stands for",
        plural(*names as u64),
        plural(*arms as u64)
    )]
    Names { names: usize, arms: usize },
    #[error("Metric `{}` needs either `reference` or `reference_folder`, found {found}", metric.name())]
    Reference { metric: SetMetric, found: &'static str },
    #[error(
        "Metric `{}` looks at each set alone, so that `reference` and `reference_folder` have no meaning",
        metric.name()
    )]
    NoReference { metric: SetMetric },
    #[error("Setting `resamples` is {0}, expected at least 2 for a distance, or none")]
    Resamples(u32),
}

impl StageConfig for SetDistanceConfig {
    const KIND: &'static str = "set_distance";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        check_batch_size(Some(self.batch_size.get() as usize))?;
        self.check().map_err(StageError::configuration)?;
        check_names(&self.names).map_err(StageError::configuration)?;
        // Checks the confidence as well.
        self.prompt_resampling()
            .check()
            .map_err(StageError::configuration)?;
        // Candidates that come with images need no model.
        let decoder =
            ModelSource::choose_if_any(self.decoder.as_deref(), self.model_from.as_ref(), defaults)?;
        Ok(Box::new(SetDistance {
            network: defaults.resolve(&self.model),
            reference_folder: self
                .reference_folder
                .as_deref()
                .map(|folder| defaults.resolve(folder)),
            decoder,
            config: self,
            inputs: KnownInputs::default(),
        }))
    }
}

impl SetDistanceConfig {
    fn check(&self) -> Result<(), SetDistanceSettingError> {
        if self.images.is_empty() {
            return Err(SetDistanceSettingError::NoArm);
        }
        let metric = self.metric;
        match (
            metric.is_distance(),
            self.reference.is_some(),
            self.reference_folder.is_some(),
        ) {
            (true, true, true) => Err(SetDistanceSettingError::Reference {
                metric,
                found: "both",
            }),
            (true, false, false) => Err(SetDistanceSettingError::Reference {
                metric,
                found: "neither",
            }),
            (false, true, _) | (false, _, true) => Err(SetDistanceSettingError::NoReference { metric }),
            _ => match self.resamples {
                Some(resamples) if metric.is_distance() && resamples < 2 => {
                    Err(SetDistanceSettingError::Resamples(resamples))
                }
                _ => Ok(()),
            },
        }
    }

    /// How the interval of a distance is made, if one is asked for.
    pub(super) fn image_resampling(&self) -> Option<Resampling> {
        self.resamples.map(|resamples| Resampling {
            replicates: resamples as usize,
            confidence: self.confidence,
            seed: self.seed,
            resample_reference: self.resample_reference,
        })
    }

    /// How the interval of a mean over prompts is made.
    pub(super) fn prompt_resampling(&self) -> BootstrapSettings {
        BootstrapSettings {
            replicates: self.resamples.unwrap_or(BootstrapSettings::default().replicates),
            confidence: self.confidence,
            seed: self.seed,
        }
    }
}
