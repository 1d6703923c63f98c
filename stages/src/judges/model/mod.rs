//! Judges with a model: a network of the crate of judges, whose files are outside the store.

mod clip_features;
mod error;
mod float_tensors;
mod network;
pub(super) mod open_files;
mod recipe;
pub(super) mod settings;

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use mitune_diffusion::input_file::is_there;
use mitune_judges::clip_judges::{Execution, JudgeError};
use mitune_judges::noun_phrases;
use mitune_store::{ContentDigest, Value};

pub(crate) use self::clip_features::ClipFeatures;
pub use self::error::ModelJudgeError;
pub(crate) use self::network::{AskedPair, Network};
use self::open_files::SmallFiles;
use self::recipe::Recipe;
use self::settings::{
    AestheticSettings, BlipVqaJudgeSettings, ClipScoreSettings, HpsSettings, ImageRewardSettings,
    ModelSettings, PickScoreSettings,
};
use super::judge::{ColumnKind, Judge, JudgedColumn, JudgedImage, JudgedValue, OpenJudge, external_name};
use crate::contract::{Dtype, ExternalDigests, StageContext, StageError, keyed_config};
use crate::models::loaded_model::check_dtype;
use crate::models::model_source::float_dtype;

/// A judge with a model, before its weights are loaded.
#[derive(Clone, Debug)]
pub struct ModelJudge {
    kind: &'static str,
    folder: PathBuf,
    dtype: Dtype,
    recipe: Recipe,
    /// What keys have of its settings.
    settings: Value,
    /// Its one column, whose name is the judge's.
    columns: [JudgedColumn; 1],
}

/// Columns of every table of judgements or candidates, and other things that can be selected by.
const TAKEN: [&str; 9] = [
    "prompt_id",
    "prompt",
    "seed_index",
    "image",
    "latent",
    "mi",
    "mi_paper",
    "mi_reference",
    "oracle",
];

/// Says what a judge's column means.
fn meaning(recipe: Recipe) -> &'static str {
    match recipe {
        Recipe::ClipScore { .. } => {
            "cosine of image and prompt in a CLIP, or 2.5 times it as CLIPScore has it"
        }
        Recipe::PickScore { .. } => "exp(logit_scale) times the cosine of image and prompt, about 20",
        Recipe::Hps { .. } => "cosine of image and prompt, about 0.25; tables show it times 100",
        Recipe::ImageReward => "reward with mean 0 and variance 1 over the images it was trained on",
        Recipe::AestheticV1 | Recipe::AestheticV2 => "rating, from about 1 to 10",
        Recipe::BlipVqa { .. } => "probability that the image shows every noun phrase of the prompt",
    }
}

impl ModelJudge {
    pub(super) fn clip_score(settings: &ClipScoreSettings, folder: &Path) -> Result<Self, StageError> {
        let recipe = Recipe::ClipScore {
            form: settings.form,
            preprocessing: settings.preprocessing,
        };
        Self::new("clip_score", recipe, settings, folder)
    }

    pub(super) fn pick_score(settings: &PickScoreSettings, folder: &Path) -> Result<Self, StageError> {
        let recipe = Recipe::PickScore {
            resized_by: settings.resized_by,
        };
        Self::new("pick_score", recipe, settings, folder)
    }

    pub(super) fn hps(settings: &HpsSettings, folder: &Path) -> Result<Self, StageError> {
        let recipe = Recipe::Hps {
            version: settings.version,
            antialias: settings.antialias,
        };
        Self::new("hps_v2", recipe, settings, folder)
    }

    pub(super) fn image_reward(settings: &ImageRewardSettings, folder: &Path) -> Result<Self, StageError> {
        Self::new("image_reward", Recipe::ImageReward, settings, folder)
    }

    pub(super) fn aesthetic_v1(settings: &AestheticSettings, folder: &Path) -> Result<Self, StageError> {
        Self::new("aesthetic_v1", Recipe::AestheticV1, settings, folder)
    }

    pub(super) fn aesthetic_v2(settings: &AestheticSettings, folder: &Path) -> Result<Self, StageError> {
        Self::new("aesthetic_v2", Recipe::AestheticV2, settings, folder)
    }

    pub(super) fn blip_vqa(settings: &BlipVqaJudgeSettings, folder: &Path) -> Result<Self, StageError> {
        let recipe = Recipe::BlipVqa {
            image_side: settings.image_side,
            first_token: settings.first_token,
        };
        Self::new("blip_vqa", recipe, settings, folder)
    }

    /// `folder` is where the path of the model starts.
    fn new(
        kind: &'static str,
        recipe: Recipe,
        settings: &impl ModelSettings,
        folder: &Path,
    ) -> Result<Self, StageError> {
        let name = settings.name().unwrap_or(kind).to_owned();
        if !is_column_name(&name) {
            return Err(StageError::configuration(ModelJudgeError::Name { kind, name }));
        }
        let mut keyed = keyed_config(settings, &["model", "name"])?;
        if let Value::Map(fields) = &mut keyed {
            let preprocessing = Value::from_serialize(&recipe.keyed_preprocessing())?;
            fields.insert("kind".to_owned(), Value::from(kind));
            fields.insert("image_preprocessing".to_owned(), preprocessing);
            if recipe.asks_about_phrases() {
                fields.insert("noun_phrases".to_owned(), Value::from(noun_phrases::REVISION));
            }
        }
        Ok(Self {
            kind,
            folder: folder.join(settings.model()),
            dtype: settings.dtype(),
            recipe,
            settings: keyed,
            columns: [JudgedColumn {
                name: Cow::Owned(name),
                meaning: meaning(recipe),
                kind: ColumnKind::HigherIsBetter,
            }],
        })
    }

    /// Tells whether it asks about the noun phrases of a prompt.
    pub(crate) fn asks_about_phrases(&self) -> bool {
        self.recipe.asks_about_phrases()
    }

    /// Loads the network without asking which it is.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if files are missing or are those of another judge, or the device does not know the
    /// number format.
    pub(crate) fn load(
        &self,
        device: &Device,
        device_name: &str,
        batch: NonZeroU32,
    ) -> Result<Network, StageError> {
        let execution = self.execution(device, device_name, batch)?;
        self.check_folder()?;
        let files = self
            .recipe
            .open(&self.folder)
            .map_err(StageError::configuration)?;
        files.load(execution).map_err(StageError::configuration)
    }

    fn execution(
        &self,
        device: &Device,
        device_name: &str,
        batch: NonZeroU32,
    ) -> Result<Execution, StageError> {
        check_dtype(device, device_name, self.dtype)?;
        Ok(Execution {
            device: device.clone(),
            dtype: float_dtype(self.dtype),
            batch: NonZeroUsize::try_from(batch).unwrap_or(NonZeroUsize::MIN),
        })
    }

    fn check_folder(&self) -> Result<(), StageError> {
        let path = self.folder.clone();
        if !is_there(&path) {
            return Err(StageError::configuration(ModelJudgeError::Missing { path }));
        }
        match path.is_dir() {
            true => Ok(()),
            false => Err(StageError::configuration(ModelJudgeError::NoFolder { path })),
        }
    }

    fn small_files(&self) -> Result<SmallFiles, JudgeError> {
        Ok(SmallFiles::read(&self.folder, &self.recipe.small_files())?)
    }

    /// Loads the network, with the digest of all files that were read for it; none if one changed meanwhile.
    fn load_digested(&self, execution: Execution) -> Result<(Network, Option<ContentDigest>), JudgeError> {
        let before = self.small_files()?;
        let files = self.recipe.open(&self.folder)?;
        let (network, weights) = files.load_digested(execution)?;
        let same = self.small_files()? == before;
        Ok((network, same.then(|| before.digest_with(&weights))))
    }
}

impl Judge for ModelJudge {
    fn name(&self) -> &str {
        &self.columns[0].name
    }

    fn revision(&self) -> u32 {
        1
    }

    fn columns(&self) -> &[JudgedColumn] {
        &self.columns
    }

    fn settings(&self) -> Result<Value, StageError> {
        Ok(self.settings.clone())
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<Option<ContentDigest>, StageError> {
        self.check_folder()?;
        let open = || self.recipe.open(&self.folder).map_err(StageError::configuration);
        let small = || self.small_files().map_err(StageError::configuration);
        let mut paths = small()?.paths(&self.folder);
        paths.extend(open()?.paths());
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let purpose = format!("{} files/1", self.kind);
        let digest = digests.digest(&purpose, &paths, &mut || {
            // Opened anew: what was opened before its files were looked at may be another one.
            small()?.digested(&open()?).map_err(StageError::configuration)
        })?;
        Ok(Some(digest))
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(self.dtype)
    }

    fn asks_about_phrases(&self) -> bool {
        self.recipe.asks_about_phrases()
    }

    fn open(
        &self,
        context: &StageContext<'_>,
        batch_size: NonZeroU32,
    ) -> Result<Box<dyn OpenJudge>, StageError> {
        let device = context.device()?;
        let device_name = context.device_name().unwrap_or_default();
        let execution = self.execution(device, &device_name, batch_size)?;
        self.check_folder()?;
        let (network, digest) = self.load_digested(execution).map_err(StageError::configuration)?;
        let input = external_name(self.name());
        let Some(digest) = digest else {
            return Err(StageError::Changed { input });
        };
        context.check_external(&input, digest)?;
        Ok(Box::new(OpenModelJudge(network)))
    }
}

/// A judge with a model that is loaded.
struct OpenModelJudge(Network);

impl OpenJudge for OpenModelJudge {
    fn judge(&self, images: &[JudgedImage<'_>]) -> Result<Vec<Vec<JudgedValue>>, StageError> {
        self.judge_phrases(images, &vec![None; images.len()])
    }

    fn judge_phrases(
        &self,
        images: &[JudgedImage<'_>],
        phrases: &[Option<&[String]>],
    ) -> Result<Vec<Vec<JudgedValue>>, StageError> {
        let asked: Vec<AskedPair<'_>> = images
            .iter()
            .zip(phrases)
            .map(|(image, phrases)| AskedPair {
                picture: image.image,
                prompt: image.prompt,
                phrases: *phrases,
            })
            .collect();
        let scores = self.0.score(&asked).map_err(StageError::failed)?;
        Ok(scores
            .into_iter()
            .map(|score| vec![JudgedValue::Number(score)])
            .collect())
    }
}

fn is_column_name(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    starts && name.len() <= 64 && name.chars().all(letters) && !TAKEN.contains(&name)
}
