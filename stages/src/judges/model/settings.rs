//! Settings of the judges that have a model.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::Dtype;
use crate::contract::setting_defaults::whole;

/// The cosine of an image and its prompt in a CLIP of transformers' layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipScoreSettings {
    /// Folder of the model, relative to the pipeline: transformers' `CLIPModel` with its tokenizer.
    pub model: PathBuf,
    /// Name of the column. By default, `clip_score`.
    #[serde(default)]
    pub name: Option<String>,
    /// Number format of the network. By default, `f32`.
    #[serde(default)]
    pub dtype: Dtype,
    /// What is made of the cosine. By default, `cosine`, as T2I-CompBench reports it.
    #[serde(default)]
    pub form: CaptionForm,
    /// How images are prepared. By default, `open_ai`, as T2I-CompBench does.
    #[serde(default)]
    pub preprocessing: ClipPreprocessing,
}

/// What is made of the cosine of an image and its caption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaptionForm {
    /// The cosine itself.
    #[default]
    Cosine,
    /// `2.5 max(cos, 0)` of the caption after "A photo depicts ", as the paper of CLIPScore has it.
    Hessel,
}

/// How images are prepared for a CLIP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClipPreprocessing {
    /// As openai/CLIP: Pillow's bicubic resize and torchvision's crop, alpha dropped last.
    #[default]
    OpenAi,
    /// As transformers 4 by the model's `preprocessor_config.json`, with Pillow.
    Transformers,
    /// As transformers 5 by the model's `preprocessor_config.json`, with torchvision.
    Torchvision,
}

/// PickScore: a CLIP trained on people's choices, `exp(logit_scale)` times the cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PickScoreSettings {
    /// Folder of the model, relative to the pipeline: transformers' `CLIPModel` with its tokenizer.
    pub model: PathBuf,
    /// Name of the column. By default, `pick_score`.
    #[serde(default)]
    pub name: Option<String>,
    /// Number format of the network. By default, `f32`.
    #[serde(default)]
    pub dtype: Dtype,
    /// The library that images are resized with. By default, `pillow`, as in transformers 4, which made published scores.
    #[serde(default)]
    pub resized_by: ResizeLibrary,
}

/// The library that transformers resizes images with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResizeLibrary {
    /// Pillow, as in transformers 4.
    #[default]
    Pillow,
    /// torchvision, as in transformers 5.
    Torchvision,
}

/// Human Preference Score v2 or v2.1: the cosine of an image and its prompt; tables show it times 100.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HpsSettings {
    /// Folder of the model, relative to the pipeline, with `HPS_v2_compressed.pt` or `HPS_v2.1_compressed.pt` and CLIP's
    /// tokenizer.
    pub model: PathBuf,
    /// Name of the column. By default, `hps_v2`.
    #[serde(default)]
    pub name: Option<String>,
    /// Number format of the network. By default, `f32`.
    #[serde(default)]
    pub dtype: Dtype,
    /// Which of both. By default, v2 if it is there, else v2.1.
    #[serde(default)]
    pub version: Option<HpsVersionName>,
    /// Whether torch resizes with antialiasing, as it does with torchvision 0.17 and later. By default, it does.
    #[serde(default = "yes")]
    pub antialias: bool,
}

/// A version of HPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HpsVersionName {
    /// `HPS_v2_compressed.pt`, whose numbers the papers report.
    #[serde(rename = "v2")]
    V2,
    /// `HPS_v2.1_compressed.pt`, whose numbers are larger.
    #[serde(rename = "v2.1")]
    V21,
}

/// ImageReward: a reward with mean 0 and variance 1 over the images it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageRewardSettings {
    /// Folder of the model, relative to the pipeline, with `ImageReward.pt`, `med_config.json` and `vocab.txt`.
    pub model: PathBuf,
    /// Name of the column. By default, `image_reward`.
    #[serde(default)]
    pub name: Option<String>,
    /// Number format of the network. By default, `f32`.
    #[serde(default)]
    pub dtype: Dtype,
}

/// A rating by LAION's aesthetic predictor, from about 1 to 10; it reads no prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AestheticSettings {
    /// Folder of the model, relative to the pipeline: transformers' `CLIPModel`, with the file of the head beside it.
    pub model: PathBuf,
    /// Name of the column. By default, that of the judge.
    #[serde(default)]
    pub name: Option<String>,
    /// Number format of the network. By default, `f32`.
    #[serde(default)]
    pub dtype: Dtype,
}

/// BLIP-VQA of T2I-CompBench: the probability that BLIP sees every noun phrase of the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlipVqaJudgeSettings {
    /// Folder of the model, relative to the pipeline: transformers' `BlipForQuestionAnswering` with `vocab.txt`.
    pub model: PathBuf,
    /// Name of the column. By default, `blip_vqa`.
    #[serde(default)]
    pub name: Option<String>,
    /// Number format of the network. By default, `f32`.
    #[serde(default)]
    pub dtype: Dtype,
    /// Side of the image that the network sees, in pixels. By default, 480; position embeddings are stretched to it.
    #[serde(default = "whole::<u32, 480>")]
    pub image_side: u32,
    /// What a question begins with. By default, `encoder`.
    #[serde(default)]
    pub first_token: QuestionStart,
}

/// What a question to BLIP begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuestionStart {
    /// `[ENC]`, as BLIP was trained and T2I-CompBench asks.
    #[default]
    Encoder,
    /// `[CLS]`, as transformers leaves it.
    Plain,
}

fn yes() -> bool {
    true
}

/// Settings that every judge with a model has, and those that tell it from the same judge with other settings.
pub(crate) trait ModelSettings: Serialize {
    /// The folder of the model, as it was given.
    fn model(&self) -> &PathBuf;
    /// The name of the column, if one was chosen.
    fn name(&self) -> Option<&str>;
    /// The number format.
    fn dtype(&self) -> Dtype;
}

macro_rules! model_settings {
    ($($settings:ty),* $(,)?) => {
        $(impl ModelSettings for $settings {
            fn model(&self) -> &PathBuf {
                &self.model
            }

            fn name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            fn dtype(&self) -> Dtype {
                self.dtype
            }
        })*
    };
}

model_settings!(
    ClipScoreSettings,
    PickScoreSettings,
    HpsSettings,
    ImageRewardSettings,
    AestheticSettings,
    BlipVqaJudgeSettings,
);
