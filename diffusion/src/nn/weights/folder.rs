//! The weights of one component folder: one file, or shards behind an index.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde_json::Value;

use super::{HostTensor, PartReader, SafetensorsFile, TensorSource, WeightsError};
use crate::input_file::{InputFileError, LONGEST_LIST, is_there, parse_object, read_file};

/// The weights in a component's folder, however they are spread over files.
///
/// Looked for in this order: the variant asked for, `STEM.safetensors`,
/// `STEM.safetensors.index.json`, then the half precision variants `STEM.fp16.safetensors` and
/// the index of `fp16` in any of its spellings, and the same with `bf16`. Full precision comes first
/// because it can be narrowed on load, and the reverse loses bits.
#[derive(Debug, Clone)]
pub struct WeightsFolder {
    path: PathBuf,
    variant: Option<String>,
    files: Vec<SafetensorsFile>,
    tensors: BTreeMap<String, usize>,
}

/// Variants that are taken without being asked for, where there are no plain weights.
const HALF_PRECISION: [&str; 2] = ["fp16", "bf16"];

impl WeightsFolder {
    /// Finds, opens and checks a component's files.
    ///
    /// `stem` is `diffusion_pytorch_model` for diffusers' models and `model` for transformers'.
    ///
    /// # Errors
    /// When no file is there, one is malformed, or an index disagrees with its shards.
    pub fn open(folder: &Path, stem: &str) -> Result<Self, WeightsError> {
        Self::open_variant(folder, stem, None)
    }

    /// Finds, opens and checks a component's files, those of a variant if there are any.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_variant(folder: &Path, stem: &str, variant: Option<&str>) -> Result<Self, WeightsError> {
        let plain = std::iter::once(None);
        let half = HALF_PRECISION.iter().map(|half| Some(*half));
        let variants = variant.map(Some).into_iter().chain(plain).chain(half);
        for variant in variants {
            for (name, is_index) in spellings(stem, variant) {
                let path = folder.join(name);
                if is_there(&path) {
                    let opened = match is_index {
                        true => Self::open_index(&path),
                        false => Self::open_file(&path),
                    };
                    return opened.map(|opened| Self {
                        variant: variant.map(str::to_owned),
                        ..opened
                    });
                }
            }
        }
        Err(WeightsError::NoFile {
            folder: folder.to_owned(),
            stem: stem.to_owned(),
            instead: other_weights(folder)?,
        })
    }

    /// Opens a single file.
    ///
    /// # Errors
    /// When the file is malformed.
    pub fn open_file(path: &Path) -> Result<Self, WeightsError> {
        let file = SafetensorsFile::open(path)?;
        let tensors = file.entries().keys().map(|name| (name.clone(), 0)).collect();
        Ok(Self {
            path: path.to_owned(),
            variant: None,
            files: vec![file],
            tensors,
        })
    }

    /// Opens the shards that an index names.
    ///
    /// # Errors
    /// When a shard is missing or malformed, or index and shards disagree about any tensor.
    pub fn open_index(path: &Path) -> Result<Self, WeightsError> {
        let weight_map = read_weight_map(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut shards: Vec<&str> = Vec::new();
        for (tensor, shard) in &weight_map {
            if Path::new(shard).file_name() != Some(shard.as_ref()) {
                return Err(WeightsError::ShardName {
                    path: path.to_owned(),
                    tensor: tensor.clone(),
                    shard: shard.clone(),
                });
            }
            if !shards.contains(&shard.as_str()) {
                shards.push(shard);
            }
        }
        let mut files = Vec::with_capacity(shards.len());
        let mut tensors = BTreeMap::new();
        let mismatch = |tensor: &str, expected: &str, found: &str| WeightsError::IndexMismatch {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        for shard in &shards {
            let file = SafetensorsFile::open(&folder.join(shard))?;
            for name in file.entries().keys() {
                let expected = weight_map.get(name).map_or("no shard", String::as_str);
                if expected != *shard {
                    return Err(mismatch(name, expected, shard));
                }
                tensors.insert(name.clone(), files.len());
            }
            files.push(file);
        }
        if let Some((name, shard)) = weight_map.iter().find(|(name, _)| !tensors.contains_key(*name)) {
            return Err(mismatch(name, shard, "no shard"));
        }
        Ok(Self {
            path: path.to_owned(),
            variant: None,
            files,
            tensors,
        })
    }

    /// Every file, in the order the index names them.
    pub fn files(&self) -> &[SafetensorsFile] {
        &self.files
    }

    /// The variant that was found, such as `fp16`; none for the plain weights.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// The file or index that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// File names of a variant, and whether each is an index; releases of diffusers and transformers differ in where an index
/// has the variant's name.
fn spellings(stem: &str, variant: Option<&str>) -> Vec<(String, bool)> {
    match variant {
        None => vec![
            (format!("{stem}.safetensors"), false),
            (format!("{stem}.safetensors.index.json"), true),
        ],
        Some(variant) => vec![
            (format!("{stem}.{variant}.safetensors"), false),
            (format!("{stem}.safetensors.index.{variant}.json"), true),
            (format!("{stem}.safetensors.{variant}.index.json"), true),
            (format!("{stem}.{variant}.safetensors.index.json"), true),
        ],
    }
}

/// Which file holds each tensor.
fn read_weight_map(path: &Path) -> Result<BTreeMap<String, String>, WeightsError> {
    let fields = parse_object(path, &read_file(path, LONGEST_LIST)?)?;
    let map = fields.get("weight_map").and_then(Value::as_object);
    let shard = |(tensor, shard): (&String, &Value)| Some((tensor.clone(), shard.as_str()?.to_owned()));
    map.and_then(|map| map.iter().map(shard).collect())
        .ok_or_else(|| WeightsError::Index {
            path: path.to_owned(),
        })
}

/// Names of files in a folder that hold weights, but not as they are read here.
fn other_weights(folder: &Path) -> Result<Vec<String>, WeightsError> {
    const SHOWN: usize = 4;
    const ENDS: [&str; 8] = [
        ".safetensors",
        ".bin",
        ".ckpt",
        ".pt",
        ".pth",
        ".msgpack",
        ".onnx",
        ".gguf",
    ];
    let entries = std::fs::read_dir(folder).map_err(|source| match is_there(folder) {
        false => WeightsError::File(InputFileError::Missing {
            path: folder.to_owned(),
        }),
        true => WeightsError::Read {
            path: folder.to_owned(),
            source,
        },
    })?;
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names
        .filter(|name| ENDS.iter().any(|end| name.ends_with(end)))
        .collect();
    names.sort_unstable();
    names.truncate(SHOWN);
    Ok(names)
}

impl TensorSource for WeightsFolder {
    fn origin(&self) -> String {
        self.path.display().to_string()
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        self.tensors
            .get(name)
            .and_then(|file| self.files[*file].describe(name))
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let file = self.tensors.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })?;
        self.files[*file].read(name)
    }

    fn shard_of(&self, name: &str) -> Option<String> {
        let file = self.files.get(*self.tensors.get(name)?)?;
        let shard = file.path().file_name()?.to_string_lossy().into_owned();
        (file.path() != self.path).then_some(shard)
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        let file = self.tensors.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })?;
        self.files[*file].parts(name)
    }
}
