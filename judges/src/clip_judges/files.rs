//! Where the files of each judge lie, as its users have them.

use std::path::{Path, PathBuf};

use mitune_diffusion::input_file::{is_there, read_object};
use mitune_diffusion::nn::weights::{TorchFile, WeightsFolder};
use serde_json::Value;

use super::JudgeError;
use crate::clip::ClipConfig;
use crate::clip::open_clip::{read_open_clip_config, vit_h_14};
use crate::preprocessing::{ClipImageSettings, Preprocessing};

/// A folder with transformers' `CLIPModel`, opened and checked but not loaded.
#[derive(Debug)]
pub struct ClipFiles {
    /// The network's sizes.
    pub config: ClipConfig,
    /// The weights.
    pub weights: WeightsFolder,
    folder: PathBuf,
}

impl ClipFiles {
    /// Reads `config.json` and opens `model.safetensors` or its shards.
    ///
    /// # Errors
    /// When a file is missing, malformed, or of another network.
    pub fn open(folder: &Path) -> Result<Self, JudgeError> {
        let path = folder.join("config.json");
        let config = ClipConfig::try_from(read_object(&path)?).map_err(|source| JudgeError::Setting {
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            config: checked(config, path)?,
            weights: WeightsFolder::open(folder, "model")?,
            folder: folder.to_owned(),
        })
    }

    /// The folder, in which the tokenizer lies too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads how pictures are prepared from `preprocessor_config.json`.
    ///
    /// # Errors
    /// When it is missing, malformed, or asks for something that is not supported.
    pub fn preprocessing(&self) -> Result<Preprocessing, JudgeError> {
        let path = self.folder.join("preprocessor_config.json");
        let fields = Value::Object(read_object(&path)?);
        match serde_json::from_value::<ClipImageSettings>(fields) {
            Ok(settings) => Ok(Preprocessing::transformers_clip(settings)),
            Err(error) => Err(JudgeError::Configuration {
                path,
                reason: error.to_string(),
            }),
        }
    }
}

/// Which HPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HpsVersion {
    /// Human Preference Score v2, arXiv 2306.09341, whose numbers the papers report.
    V2,
    /// The version of February 2024, whose numbers are larger.
    V21,
}

impl HpsVersion {
    /// The file that it is published as.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::V2 => "HPS_v2_compressed.pt",
            Self::V21 => "HPS_v2.1_compressed.pt",
        }
    }
}

/// A folder with HPS, opened and checked but not loaded.
#[derive(Debug)]
pub struct HpsFiles {
    /// The network's sizes.
    pub config: ClipConfig,
    /// The weights, under open_clip's names.
    pub weights: TorchFile,
    /// Which of both was found.
    pub version: HpsVersion,
    folder: PathBuf,
}

impl HpsFiles {
    /// Reads `open_clip_config.json`, if it is there, and opens the weights: those of the version asked for, or else
    /// the first that is there.
    ///
    /// # Errors
    /// When there are no weights, or a file is malformed or of another network.
    pub fn open(folder: &Path, version: Option<HpsVersion>) -> Result<Self, JudgeError> {
        let versions = version.map_or(vec![HpsVersion::V2, HpsVersion::V21], |version| vec![version]);
        let found = versions
            .iter()
            .find(|version| is_there(&folder.join(version.file_name())));
        let Some(version) = found else {
            return Err(JudgeError::NoWeights {
                folder: folder.to_owned(),
                names: versions
                    .iter()
                    .map(|version| format!("`{}`", version.file_name()))
                    .collect(),
            });
        };
        let path = folder.join("open_clip_config.json");
        let config = match is_there(&path) {
            true => read_open_clip_config(read_object(&path)?).map_err(|source| JudgeError::Setting {
                path: path.clone(),
                source,
            })?,
            false => vit_h_14(),
        };
        Ok(Self {
            config: checked(config, path)?,
            weights: TorchFile::open(&folder.join(version.file_name()))?.inside("state_dict")?,
            version: *version,
            folder: folder.to_owned(),
        })
    }

    /// The folder, in which the tokenizer lies too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Opens the file of an aesthetic head beside a CLIP, by the first of the names that is there.
///
/// # Errors
/// When none is there, or it is malformed.
pub fn aesthetic_head(folder: &Path, names: &[&str]) -> Result<TorchFile, JudgeError> {
    match names.iter().find(|name| is_there(&folder.join(name))) {
        Some(name) => Ok(TorchFile::open(&folder.join(name))?),
        None => Err(JudgeError::NoWeights {
            folder: folder.to_owned(),
            names: names.iter().map(|name| format!("`{name}`")).collect(),
        }),
    }
}

fn checked(config: ClipConfig, path: PathBuf) -> Result<ClipConfig, JudgeError> {
    match config.validate() {
        Ok(()) => Ok(config),
        Err(error) => Err(JudgeError::Configuration {
            path,
            reason: error.to_string(),
        }),
    }
}
