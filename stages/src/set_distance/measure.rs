//! From features to what is measured of a set.

use std::collections::BTreeMap;

use mitune_judges::set_distance::{FeatureRows, SetDistanceError, diversity};
use rayon::prelude::*;

use super::features::{Features, StoredFeatures};
use super::report::SetDiversity;
use crate::contract::StageError;
use crate::judge::image_sets::SetJudge;
use crate::judge::image_sets::set_features::SetFeatures;
use crate::statistics::bootstrap::{BootstrapError, BootstrapSettings, Cluster};

/// Why nothing can be said of a set.
#[derive(Debug, thiserror::Error)]
pub(super) enum MeasureError {
    #[error("The images of {set} cannot be measured")]
    Set { set: String, source: SetDistanceError },
    #[error("{set} has {found} {}, but {metric} needs at least {needed}", images(*found))]
    TooFew {
        set: String,
        found: usize,
        metric: &'static str,
        needed: usize,
    },
    #[error("The images of prompt `{prompt_id}` of {set} cannot be measured")]
    Prompt {
        set: String,
        prompt_id: String,
        source: SetDistanceError,
    },
    #[error("No prompt of {0} has two images, so that nothing can be said of how much they differ")]
    NoPrompt(String),
    #[error("No interval can be made")]
    Bootstrap(#[from] BootstrapError),
}

/// The noun after a number.
fn images(count: usize) -> &'static str {
    match count {
        1 => "image",
        _ => "images",
    }
}

/// Gathers what a distance needs of the features of a set.
///
/// # Errors
/// [`StageError::Failed`] if features are no numbers, or an error of the store.
pub(super) fn gathered(
    features: &Features<'_>,
    stored: &StoredFeatures,
    judge: SetJudge,
    resampled: bool,
    set: &str,
) -> Result<Option<SetFeatures>, StageError> {
    let mut gathered: Option<SetFeatures> = None;
    features.read(stored, |_, row| {
        let gathered = gathered.get_or_insert_with(|| SetFeatures::new(judge, row.len(), resampled));
        gathered.push(row).map_err(|source| {
            let set = set.to_owned();
            StageError::failed(MeasureError::Set { set, source })
        })
    })?;
    Ok(gathered)
}

/// Checks that a set has as many images as its distance needs.
///
/// # Errors
/// [`StageError::Configuration`] if it has not.
pub(super) fn enough(
    gathered: Option<SetFeatures>,
    judge: SetJudge,
    metric: &'static str,
    set: &str,
) -> Result<SetFeatures, StageError> {
    let needed = match judge {
        SetJudge::Fid | SetJudge::FdDino => 2,
        SetJudge::Cmmd => 1,
    };
    match gathered {
        Some(gathered) if gathered.count() >= needed => Ok(gathered),
        other => Err(StageError::configuration(MeasureError::TooFew {
            set: set.to_owned(),
            found: other.map_or(0, |found| found.count()),
            metric,
            needed,
        })),
    }
}

/// Measures how much the images of each prompt differ, and takes the mean over prompts.
///
/// # Errors
/// [`StageError::Configuration`] if no prompt has two images, [`StageError::Failed`] if features have no direction.
pub(super) fn diversity_over_prompts(
    features: &Features<'_>,
    stored: &StoredFeatures,
    bootstrap: &BootstrapSettings,
    set: &str,
) -> Result<SetDiversity, StageError> {
    let mut prompts: BTreeMap<String, FeatureRows> = BTreeMap::new();
    features.read(stored, |name, row| {
        let rows = prompts
            .entry(name.prompt_id.clone())
            .or_insert_with(|| FeatureRows::new(row.len()));
        rows.push(row)
            .map_err(|source| prompt_error(set, &name.prompt_id, source))
    })?;
    let all = prompts.len();
    prompts.retain(|_, rows| rows.count() > 1);
    let prompts: Vec<(String, FeatureRows)> = prompts.into_iter().collect();
    let measured = prompts
        .par_iter()
        .map(|(prompt_id, rows)| diversity(rows).map_err(|source| prompt_error(set, prompt_id, source)))
        .collect::<Result<Vec<_>, StageError>>()?;
    let mean = |values: Vec<f64>| {
        let clusters: Vec<Cluster> = values.into_iter().map(|value| Cluster::of([value])).collect();
        let mean = bootstrap
            .mean(&clusters)
            .map_err(|error| StageError::failed(MeasureError::from(error)))?;
        mean.ok_or_else(|| StageError::configuration(MeasureError::NoPrompt(set.to_owned())))
    };
    Ok(SetDiversity {
        prompts: measured.len() as u64,
        left_out: (all - measured.len()) as u64,
        mean_cosine_distance: mean(measured.iter().map(|one| one.mean_cosine_distance).collect())?,
        vendi_score: mean(measured.iter().map(|one| one.vendi_score).collect())?,
    })
}

fn prompt_error(set: &str, prompt_id: &str, source: SetDistanceError) -> StageError {
    StageError::failed(MeasureError::Prompt {
        set: set.to_owned(),
        prompt_id: prompt_id.to_owned(),
        source,
    })
}
