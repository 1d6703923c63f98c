//! Judges of images: an image and its prompt in, named numbers and words out.
//!
//! A judge is a file here that implements [`Judge`] and has a name in [`JudgeKind`]; the stage `judge` does the rest.
//! Those with a model are one of them, [`ModelJudge`]; their networks are those of the crate of judges.

#[cfg(test)]
mod brightness;
mod judge;
mod model;
mod shapes;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use judge::{ColumnKind, Judge, JudgedColumn, JudgedImage, JudgedValue, OpenJudge, external_name};
pub(crate) use model::open_files::{OpenFiles, OpenWeights, SmallFiles};
pub use model::settings::{
    AestheticSettings, BlipVqaJudgeSettings, CaptionForm, ClipPreprocessing, ClipScoreSettings, HpsSettings,
    HpsVersionName, ImageRewardSettings, PickScoreSettings, QuestionStart, ResizeLibrary,
};
pub(crate) use model::{AskedPair, ClipFeatures, Network};
pub use model::{ModelJudge, ModelJudgeError};
pub use shapes::ShapesJudge;

use crate::contract::StageError;
pub use crate::models::candidate_images::OnlySize;

/// A judge of images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JudgeKind {
    /// Reads off the pixels what an image of the shapes world shows, and compares it with the prompt.
    Shapes,
    /// CLIPScore: the cosine of an image and its prompt in a CLIP.
    ClipScore(ClipScoreSettings),
    /// PickScore, which people's choices between two images trained.
    PickScore(PickScoreSettings),
    /// Human Preference Score v2 or v2.1, which people's rankings trained.
    HpsV2(HpsSettings),
    /// ImageReward, a reward that people's rankings trained.
    ImageReward(ImageRewardSettings),
    /// LAION's first aesthetic predictor, which reads no prompt.
    AestheticV1(AestheticSettings),
    /// LAION's improved aesthetic predictor, which reads no prompt.
    AestheticV2(AestheticSettings),
    /// BLIP-VQA of T2I-CompBench, which asks about each noun phrase of the prompt.
    BlipVqa(BlipVqaJudgeSettings),
    /// How bright an image is, for tests.
    #[cfg(test)]
    Brightness,
}

impl JudgeKind {
    /// Makes the judge, without its weights; relative paths start in `folder`.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the name that it is given cannot be one.
    pub fn judge(&self, folder: &Path) -> Result<Box<dyn Judge>, StageError> {
        if let Some(judge) = self.model_judge(folder)? {
            return Ok(Box::new(judge));
        }
        Ok(match self {
            #[cfg(test)]
            Self::Brightness => Box::new(brightness::MeanBrightness),
            _ => Box::new(ShapesJudge),
        })
    }

    /// Tells whether its settings can give it another name, so that two of the kind can stand side by side.
    pub fn takes_name(&self) -> bool {
        match self {
            Self::Shapes => false,
            #[cfg(test)]
            Self::Brightness => false,
            _ => true,
        }
    }

    /// Makes the judge if it is one with a model.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn model_judge(&self, folder: &Path) -> Result<Option<ModelJudge>, StageError> {
        let judge = match self {
            Self::Shapes => return Ok(None),
            #[cfg(test)]
            Self::Brightness => return Ok(None),
            Self::ClipScore(settings) => ModelJudge::clip_score(settings, folder),
            Self::PickScore(settings) => ModelJudge::pick_score(settings, folder),
            Self::HpsV2(settings) => ModelJudge::hps(settings, folder),
            Self::ImageReward(settings) => ModelJudge::image_reward(settings, folder),
            Self::AestheticV1(settings) => ModelJudge::aesthetic_v1(settings, folder),
            Self::AestheticV2(settings) => ModelJudge::aesthetic_v2(settings, folder),
            Self::BlipVqa(settings) => ModelJudge::blip_vqa(settings, folder),
        };
        judge.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::JudgeKind;

    /// Columns of several judges stand side by side in a selection or a report.
    #[test]
    fn columns_are_named_after_their_judge() {
        let mut seen = BTreeSet::new();
        let read = |json: &str| serde_json::from_str::<JudgeKind>(json).unwrap();
        let kinds = [
            JudgeKind::Shapes,
            JudgeKind::Brightness,
            read(r#"{"clip_score": {"model": "clip"}}"#),
            read(r#"{"clip_score": {"model": "clip", "name": "clip_large"}}"#),
            read(r#"{"hps_v2": {"model": "hps", "version": "v2.1"}}"#),
        ];
        for judge in kinds.map(|kind| kind.judge(Path::new("")).unwrap()) {
            for column in judge.columns() {
                let rest = column.name.strip_prefix(judge.name());
                assert!(
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_')),
                    "{}",
                    column.name
                );
                assert!(seen.insert(column.name.clone()), "{}", column.name);
                assert!(!column.meaning.is_empty());
            }
        }
    }

    #[test]
    fn names_that_would_be_other_columns_are_refused() {
        for name in ["", "prompt", "mi", "Clip", "clip-score", "1st"] {
            let json = format!(r#"{{"clip_score": {{"model": "clip", "name": "{name}"}}}}"#);
            let kind: JudgeKind = serde_json::from_str(&json).unwrap();
            assert!(kind.judge(Path::new("")).is_err(), "{name}");
        }
    }

    /// Whatever changes what a judge says is in its settings, and where its files lie is not.
    #[test]
    fn settings_are_keyed_without_paths() {
        let keyed = |settings: &str| {
            let kind: JudgeKind = serde_json::from_str(settings).unwrap();
            kind.judge(Path::new("")).unwrap().settings().unwrap()
        };
        let base = keyed(r#"{"clip_score": {"model": "a"}}"#);
        assert_eq!(base, keyed(r#"{"clip_score": {"model": "b"}}"#));
        let mut seen = vec![base];
        for changed in [
            r#"{"clip_score": {"model": "a", "dtype": "f16"}}"#,
            r#"{"clip_score": {"model": "a", "form": "hessel"}}"#,
            r#"{"clip_score": {"model": "a", "preprocessing": "transformers"}}"#,
            r#"{"clip_score": {"model": "a", "preprocessing": "torchvision"}}"#,
            r#"{"pick_score": {"model": "a"}}"#,
            r#"{"pick_score": {"model": "a", "resized_by": "torchvision"}}"#,
            r#"{"hps_v2": {"model": "a"}}"#,
            r#"{"hps_v2": {"model": "a", "antialias": false}}"#,
            r#"{"hps_v2": {"model": "a", "version": "v2"}}"#,
            r#"{"image_reward": {"model": "a"}}"#,
            r#"{"aesthetic_v1": {"model": "a"}}"#,
            r#"{"aesthetic_v2": {"model": "a"}}"#,
            r#"{"blip_vqa": {"model": "a"}}"#,
            r#"{"blip_vqa": {"model": "a", "image_side": 384}}"#,
            r#"{"blip_vqa": {"model": "a", "first_token": "plain"}}"#,
        ] {
            let settings = keyed(changed);
            assert!(!seen.contains(&settings), "{changed}");
            seen.push(settings);
        }
    }
}
