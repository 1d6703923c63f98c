//! What tells judges with a model apart: which files they read, and what they make of them.

use std::path::Path;

use burn::tensor::FloatDType;
use mitune_diffusion::input_file::read_object;
use mitune_diffusion::nn::weights::{TensorSource, TorchFile, WeightsFolder};
use mitune_judges::blip_judges::{BlipVqa, BlipVqaSettings, FirstToken, ImageReward};
use mitune_judges::clip_judges::{
    AestheticV1, AestheticV2, ClipFiles, ClipScore, ClipScoreForm, Execution, Hps, HpsFiles, HpsVersion,
    JudgeError, PairJudge, PickScore, aesthetic_head,
};
use mitune_judges::preprocessing::{ClipImageSettings, ImageBackend, Preprocessing};
use serde_json::Value;

use super::network::Network;
use super::open_files::{OpenFiles, OpenWeights};
use super::settings::{CaptionForm, ClipPreprocessing, HpsVersionName, QuestionStart, ResizeLibrary};

/// A judge without its name, its folder and its number format.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recipe {
    ClipScore {
        form: CaptionForm,
        preprocessing: ClipPreprocessing,
    },
    PickScore {
        resized_by: ResizeLibrary,
    },
    Hps {
        version: Option<HpsVersionName>,
        antialias: bool,
    },
    ImageReward,
    AestheticV1,
    AestheticV2,
    BlipVqa {
        image_side: u32,
        first_token: QuestionStart,
    },
}

/// What a CLIP's tokenizer may be read from.
const CLIP_TOKENIZER: [&str; 6] = [
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// The side of images in keys, where files say which it is: their digest is in the keys too.
const KEYED_SIDE: usize = 224;

impl Recipe {
    /// Returns how images are prepared, for the keys.
    pub(super) fn keyed_preprocessing(self) -> Preprocessing {
        let by_file =
            |backend| Preprocessing::transformers_clip(ClipImageSettings::default().with_backend(backend));
        match self {
            Self::ClipScore { preprocessing, .. } => match backend_of(preprocessing) {
                Some(backend) => by_file(backend),
                None => Preprocessing::open_ai_clip(KEYED_SIDE),
            },
            Self::PickScore { resized_by } => by_file(resized_by.backend()),
            Self::Hps { antialias, .. } => Preprocessing::hps(KEYED_SIDE, antialias),
            Self::ImageReward | Self::AestheticV1 | Self::AestheticV2 => {
                Preprocessing::open_ai_clip(KEYED_SIDE)
            }
            Self::BlipVqa { image_side, .. } => Preprocessing::blip(image_side as usize),
        }
    }

    /// Tells whether it takes the noun phrases of a prompt.
    pub(super) fn asks_about_phrases(self) -> bool {
        matches!(self, Self::BlipVqa { .. })
    }

    /// Names the files that are read beside the weights, if they are there.
    pub(super) fn small_files(self) -> Vec<&'static str> {
        let with_tokenizer = |own: &[&'static str]| [own, &CLIP_TOKENIZER].concat();
        match self {
            Self::ClipScore { preprocessing, .. } => match backend_of(preprocessing) {
                Some(_) => with_tokenizer(&["config.json", "preprocessor_config.json"]),
                None => with_tokenizer(&["config.json"]),
            },
            Self::PickScore { .. } => with_tokenizer(&["config.json", "preprocessor_config.json"]),
            Self::Hps { .. } => with_tokenizer(&["open_clip_config.json"]),
            Self::ImageReward => vec!["med_config.json", "vocab.txt"],
            Self::AestheticV1 | Self::AestheticV2 => vec!["config.json"],
            Self::BlipVqa { .. } => vec!["config.json", "vocab.txt"],
        }
    }

    /// Opens the files in a folder; weights are read from them when the network is loaded.
    ///
    /// # Errors
    /// When a file is missing, malformed, or of another judge.
    pub(super) fn open(self, folder: &Path) -> Result<OpenFiles, JudgeError> {
        match self {
            Self::ClipScore { form, preprocessing } => clip_score(folder, form, backend_of(preprocessing)),
            Self::PickScore { resized_by } => pick_score(folder, resized_by.backend()),
            Self::Hps { version, antialias } => hps(folder, version, antialias),
            Self::ImageReward => image_reward(folder),
            Self::AestheticV1 => aesthetic(folder, &AestheticV1::HEADS, |files, sources, execution| {
                let (dtype, preprocessing) = (execution.dtype, AestheticV1::preprocessing(files));
                let judge = AestheticV1::load(files, sources[0], sources[1], preprocessing, execution)?;
                pairs(dtype, judge)
            }),
            Self::AestheticV2 => aesthetic(folder, &AestheticV2::HEADS, |files, sources, execution| {
                let (dtype, preprocessing) = (execution.dtype, AestheticV2::preprocessing(files));
                let judge = AestheticV2::load(files, sources[0], sources[1], preprocessing, execution)?;
                pairs(dtype, judge)
            }),
            Self::BlipVqa {
                image_side,
                first_token,
            } => blip_vqa(folder, image_side as usize, first_token),
        }
    }
}

fn pairs(dtype: FloatDType, judge: impl PairJudge + 'static) -> Result<Network, JudgeError> {
    Ok(Network::of_pairs(dtype, judge))
}

fn clip_score(
    folder: &Path,
    form: CaptionForm,
    backend: Option<ImageBackend>,
) -> Result<OpenFiles, JudgeError> {
    let files = ClipFiles::open(folder)?;
    let preprocessing = match backend {
        Some(backend) => by_configuration(folder, backend)?,
        None => ClipScore::preprocessing(&files),
    };
    let form = match form {
        CaptionForm::Cosine => ClipScoreForm::Cosine,
        CaptionForm::Hessel => ClipScoreForm::Hessel,
    };
    Ok(OpenFiles {
        weights: vec![OpenWeights::Folder(files.weights.clone())],
        load: Box::new(move |sources, execution| {
            let (dtype, tokens) = (execution.dtype, ClipScore::tokens(&files)?);
            let judge = ClipScore::load(&files, sources[0], preprocessing, tokens, execution)?;
            pairs(dtype, judge.with_form(form))
        }),
    })
}

fn pick_score(folder: &Path, backend: ImageBackend) -> Result<OpenFiles, JudgeError> {
    let files = ClipFiles::open(folder)?;
    let preprocessing = by_configuration(folder, backend)?;
    Ok(OpenFiles {
        weights: vec![OpenWeights::Folder(files.weights.clone())],
        load: Box::new(move |sources, execution| {
            let (dtype, tokens) = (execution.dtype, PickScore::tokens(&files)?);
            let judge = PickScore::load(&files, sources[0], preprocessing, tokens, execution)?;
            pairs(dtype, judge)
        }),
    })
}

fn hps(folder: &Path, version: Option<HpsVersionName>, antialias: bool) -> Result<OpenFiles, JudgeError> {
    let version = version.map(|version| match version {
        HpsVersionName::V2 => HpsVersion::V2,
        HpsVersionName::V21 => HpsVersion::V21,
    });
    let files = HpsFiles::open(folder, version)?;
    Ok(OpenFiles {
        weights: vec![OpenWeights::Torch(files.weights.clone())],
        load: Box::new(move |sources, execution| {
            let (preprocessing, tokens) = (Hps::preprocessing(&files, antialias), Hps::tokens(&files)?);
            let dtype = execution.dtype;
            let judge = Hps::load(&files, sources[0], preprocessing, tokens, execution)?;
            pairs(dtype, judge)
        }),
    })
}

fn image_reward(folder: &Path) -> Result<OpenFiles, JudgeError> {
    let weights = TorchFile::open(&folder.join("ImageReward.pt"))?;
    let folder = folder.to_owned();
    Ok(OpenFiles {
        weights: vec![OpenWeights::Torch(weights)],
        load: Box::new(move |sources, execution| {
            let dtype = execution.dtype;
            pairs(dtype, ImageReward::load(&folder, sources[0], execution)?)
        }),
    })
}

/// Opens a CLIP with a head beside it, of which the sources are the first and the second.
fn aesthetic(
    folder: &Path,
    heads: &[&str],
    load: impl FnOnce(&ClipFiles, &[&dyn TensorSource], Execution) -> Result<Network, JudgeError> + 'static,
) -> Result<OpenFiles, JudgeError> {
    let files = ClipFiles::open(folder)?;
    let head = aesthetic_head(folder, heads)?;
    Ok(OpenFiles {
        weights: vec![
            OpenWeights::Folder(files.weights.clone()),
            OpenWeights::Torch(head),
        ],
        load: Box::new(move |sources, execution| load(&files, sources, execution)),
    })
}

fn blip_vqa(folder: &Path, image_side: usize, first_token: QuestionStart) -> Result<OpenFiles, JudgeError> {
    let weights = WeightsFolder::open(folder, "model")?;
    let folder = folder.to_owned();
    let settings = BlipVqaSettings {
        image_side,
        first_token: match first_token {
            QuestionStart::Encoder => FirstToken::Encoder,
            QuestionStart::Plain => FirstToken::Plain,
        },
    };
    Ok(OpenFiles {
        weights: vec![OpenWeights::Folder(weights)],
        load: Box::new(move |sources, execution| {
            let dtype = execution.dtype;
            let judge = BlipVqa::load(&folder, sources[0], &settings, execution)?;
            Ok(Network::of_questions(dtype, judge))
        }),
    })
}

/// The library that resizes images, where the model's configuration says how they are prepared.
pub(super) fn backend_of(preprocessing: ClipPreprocessing) -> Option<ImageBackend> {
    match preprocessing {
        ClipPreprocessing::OpenAi => None,
        ClipPreprocessing::Transformers => Some(ImageBackend::Pillow),
        ClipPreprocessing::Torchvision => Some(ImageBackend::Torchvision),
    }
}

impl ResizeLibrary {
    fn backend(self) -> ImageBackend {
        match self {
            Self::Pillow => ImageBackend::Pillow,
            Self::Torchvision => ImageBackend::Torchvision,
        }
    }
}

pub(super) fn by_configuration(folder: &Path, backend: ImageBackend) -> Result<Preprocessing, JudgeError> {
    let path = folder.join("preprocessor_config.json");
    let fields = Value::Object(read_object(&path)?);
    match serde_json::from_value::<ClipImageSettings>(fields) {
        Ok(settings) => Ok(Preprocessing::transformers_clip(settings.with_backend(backend))),
        Err(error) => Err(JudgeError::Configuration {
            path,
            reason: error.to_string(),
        }),
    }
}
