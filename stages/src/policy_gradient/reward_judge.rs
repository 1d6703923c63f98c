//! Rewards: one column of what a judge says.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use mitune_judges::picture::Picture;
use mitune_store::{ContentDigest, Value};

use crate::contract::{ExternalDigests, StageContext, StageError};
use crate::judges::{ColumnKind, Judge, JudgeKind, JudgedImage, JudgedValue, OpenJudge, external_name};

/// A judge that is not opened, and which of its columns counts.
pub(super) struct RewardSource {
    judge: Box<dyn Judge>,
    column: usize,
}

/// A reward that nothing can be learnt from.
#[derive(Debug, thiserror::Error)]
enum RewardError {
    #[error(
        "Setting `reward` is `{found}`, expected a column of numbers of judge `{judge}`: {}",
        columns.join(", ")
    )]
    Column {
        judge: String,
        found: String,
        columns: Vec<String>,
    },
    #[error("Judge `{judge}` has no column of numbers")]
    NoNumbers { judge: String },
    #[error(
        "Judge `{judge}` reads images of {of} only, {} x {} pixels; rollouts have {} x {}",
        only[0], only[1], found[0], found[1]
    )]
    Size {
        judge: String,
        of: &'static str,
        only: [u32; 2],
        found: [u32; 2],
    },
    #[error(
        "Judge `{judge}` said `{value}` of an image of prompt `{prompt}`, expected a finite number as reward"
    )]
    NotFinite {
        judge: String,
        prompt: String,
        value: f64,
    },
    #[error("Judge `{judge}` did not say what an image of prompt `{prompt}` is worth")]
    Missing { judge: String, prompt: String },
}

impl RewardSource {
    /// Makes the judge and finds the column, by default its first one of numbers; relative paths start in `folder`.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if there is no such column.
    pub(super) fn choose(kind: &JudgeKind, column: Option<&str>, folder: &Path) -> Result<Self, StageError> {
        let judge = kind.judge(folder)?;
        let is_number = |place: &usize| judge.columns()[*place].kind != ColumnKind::Word;
        let numbers: Vec<usize> = (0..judge.columns().len()).filter(is_number).collect();
        let name = |place: &usize| judge.columns()[*place].name.to_string();
        let found = match column {
            None => numbers.first().copied(),
            Some(column) => numbers.iter().copied().find(|place| name(place) == column),
        };
        let Some(found) = found else {
            let judged = judge.name().to_owned();
            return Err(StageError::configuration(match column {
                None => RewardError::NoNumbers { judge: judged },
                Some(column) => RewardError::Column {
                    judge: judged,
                    found: column.to_owned(),
                    columns: numbers.iter().map(name).collect(),
                },
            }));
        };
        Ok(Self { judge, column: found })
    }

    /// The column that is the reward.
    pub(super) fn column_name(&self) -> &str {
        &self.judge.columns()[self.column].name
    }

    /// What keys say of the judge.
    pub(super) fn keyed(&self) -> Result<Value, StageError> {
        Ok(Value::map([
            ("batch_size", Value::from(self.judge.batch_size().get())),
            ("name", Value::from(self.judge.name())),
            ("revision", Value::from(self.judge.revision())),
            ("settings", self.judge.settings()?),
        ]))
    }

    /// The digest of the judge's files by their name in keys.
    pub(super) fn external(
        &self,
        digests: &dyn ExternalDigests,
    ) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let digest = self.judge.external(digests)?;
        let named = digest.map(|digest| (external_name(self.judge.name()), digest));
        Ok(named.into_iter().collect())
    }

    /// Checks that the judge understands all prompts and reads images of this height and width.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if it does not.
    pub(super) fn check<'p>(
        &self,
        prompts: impl IntoIterator<Item = &'p str>,
        [height, width]: [usize; 2],
    ) -> Result<(), StageError> {
        for prompt in prompts {
            self.judge.check_prompt(prompt)?;
        }
        let pixels = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let found = [pixels(width), pixels(height)];
        match self.judge.only_size() {
            Some(only) if found != [only.width, only.height] => {
                Err(StageError::configuration(RewardError::Size {
                    judge: self.judge.name().to_owned(),
                    of: only.of,
                    only: [only.width, only.height],
                    found,
                }))
            }
            _ => Ok(()),
        }
    }

    /// Loads the judge.
    ///
    /// # Errors
    /// [`StageError`] if it cannot be loaded, or changed since its digest was taken.
    pub(super) fn open(&self, context: &StageContext<'_>) -> Result<RewardJudge<'_>, StageError> {
        let together = self.judge.batch_size();
        Ok(RewardJudge {
            source: self,
            opened: self.judge.open(context, together)?,
            together,
        })
    }
}

/// A judge that is ready to reward.
pub(super) struct RewardJudge<'a> {
    source: &'a RewardSource,
    opened: Box<dyn OpenJudge>,
    /// Images that it is asked about at once.
    together: NonZeroU32,
}

impl RewardJudge<'_> {
    /// What each image is worth with its prompt, higher for better ones.
    ///
    /// # Errors
    /// [`StageError`] if an image cannot be judged, or its reward is not finite.
    pub(super) fn rewards(&self, images: &[(&str, Picture)]) -> Result<Vec<f64>, StageError> {
        let mut rewards = Vec::with_capacity(images.len());
        for images in images.chunks(self.together.get() as usize) {
            let asked: Vec<JudgedImage<'_>> = images
                .iter()
                .map(|(prompt, image)| JudgedImage { prompt, image })
                .collect();
            let judged = self.opened.judge(&asked)?;
            for (place, (prompt, _)) in images.iter().enumerate() {
                let value = judged
                    .get(place)
                    .and_then(|values| values.get(self.source.column));
                rewards.push(self.reward(prompt, value).map_err(StageError::failed)?);
            }
        }
        Ok(rewards)
    }

    fn reward(&self, prompt: &str, value: Option<&JudgedValue>) -> Result<f64, RewardError> {
        let (judge, prompt) = (self.source.judge.name().to_owned(), prompt.to_owned());
        let value = match value {
            Some(JudgedValue::Number(value)) => *value,
            _ => return Err(RewardError::Missing { judge, prompt }),
        };
        if !value.is_finite() {
            return Err(RewardError::NotFinite { judge, prompt, value });
        }
        let column = &self.source.judge.columns()[self.source.column];
        Ok(match column.kind {
            ColumnKind::LowerIsBetter => -value,
            ColumnKind::HigherIsBetter | ColumnKind::Word => value,
        })
    }
}
