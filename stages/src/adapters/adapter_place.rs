//! Where an adapter lies: its file, in whatever folder people name.

use std::path::{Path, PathBuf};

use mitune_diffusion::input_file::{InputFileError, is_there, open_file, read_settings_text};

/// Names of the files in a folder that PEFT wrote.
pub(crate) const PEFT_FILE: &str = "adapter_model.safetensors";
pub(crate) const PEFT_SETTINGS: &str = "adapter_config.json";

/// Name of the file in a folder that diffusers wrote.
const DIFFUSERS_FILE: &str = "pytorch_lora_weights.safetensors";

/// The file of an adapter.
#[derive(Debug)]
pub(crate) struct AdapterPlace {
    pub(crate) file: PathBuf,
}

/// A name that leads to no adapter.
#[derive(Debug, thiserror::Error)]
pub enum AdapterPlaceError {
    /// Nothing has that name.
    #[error("Adapter `{}` does not exist", path.display())]
    Missing {
        /// The name.
        path: PathBuf,
    },
    /// A folder without a safetensors file.
    #[error("No adapter is in `{}`{}", path.display(), instead(pickles))]
    None {
        /// The folder.
        path: PathBuf,
        /// Files there that hold Python objects.
        pickles: Vec<String>,
    },
    /// A folder with several safetensors files, none of which has the name that diffusers or PEFT give.
    #[error("Several files in `{}` may be the adapter: {}", path.display(), files.join(", "))]
    Several {
        /// The folder.
        path: PathBuf,
        /// The files, in backticks.
        files: Vec<String>,
    },
    /// A whole model.
    #[error("`{}` is a model, not an adapter", path.display())]
    Model {
        /// The folder.
        path: PathBuf,
    },
    /// Cannot be looked at.
    #[error(transparent)]
    Unreadable(#[from] InputFileError),
}

fn instead(pickles: &[String]) -> String {
    match pickles.first() {
        Some(pickle) => format!("; `{pickle}` there is a pickle, which is not read"),
        None => String::new(),
    }
}

impl AdapterPlaceError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::None { pickles, .. } if !pickles.is_empty() => Some(
                "In Python, `safetensors.torch.save_file(torch.load(OLD, weights_only=True), NEW)` converts it".to_owned(),
            ),
            Self::Several { .. } => Some("Give the file itself".to_owned()),
            Self::Model { .. } => Some("Give it as the model, and behind `--adapter` what was trained for it".to_owned()),
            Self::Unreadable(error) => error.hint(),
            Self::Missing { .. } | Self::None { .. } => None,
        }
    }
}

impl AdapterPlace {
    /// Finds the file that a name stands for: itself, or that of a folder which diffusers or PEFT wrote, or which is
    /// that of an adapter in the cache of a hub.
    ///
    /// # Errors
    /// When there is none, or several.
    pub(crate) fn of(path: &Path) -> Result<Self, AdapterPlaceError> {
        if !is_there(path) {
            return Err(AdapterPlaceError::Missing {
                path: path.to_owned(),
            });
        }
        if !path.is_dir() {
            // Also tells links that lead nowhere, and what is neither file nor folder.
            open_file(path)?;
            return Ok(Self {
                file: path.to_owned(),
            });
        }
        let named = [PEFT_FILE, DIFFUSERS_FILE].map(|name| path.join(name));
        if let Some(file) = named.into_iter().find(|file| is_there(file)) {
            return Ok(Self { file });
        }
        if is_there(&path.join("model_index.json")) {
            return Err(AdapterPlaceError::Model {
                path: path.to_owned(),
            });
        }
        let names = names_in(path)?;
        let ending = |ends: &[&str]| {
            let found = names
                .iter()
                .filter(|name| ends.iter().any(|end| name.ends_with(end)));
            found.cloned().collect::<Vec<String>>()
        };
        match ending(&[".safetensors"]).as_slice() {
            [file] => Ok(Self {
                file: path.join(file),
            }),
            [] => match Self::snapshot(path)? {
                Some(snapshot) => Self::of(&snapshot),
                None => Err(AdapterPlaceError::None {
                    path: path.to_owned(),
                    pickles: ending(&[".bin", ".pt", ".pth", ".ckpt"]),
                }),
            },
            files => Err(AdapterPlaceError::Several {
                path: path.to_owned(),
                files: files.iter().map(|file| format!("`{file}`")).collect(),
            }),
        }
    }

    /// The one snapshot in the folder of a hub's cache.
    fn snapshot(path: &Path) -> Result<Option<PathBuf>, AdapterPlaceError> {
        let snapshots = path.join("snapshots");
        if !snapshots.is_dir() {
            return Ok(None);
        }
        match names_in(&snapshots)?.as_slice() {
            [one] => Ok(Some(snapshots.join(one))),
            _ => Ok(None),
        }
    }

    /// PEFT's settings beside PEFT's file.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub(crate) fn settings(&self) -> Result<Option<String>, InputFileError> {
        let settings = self.file.with_file_name(PEFT_SETTINGS);
        let is_peft = self.file.file_name().is_some_and(|name| name == PEFT_FILE);
        match is_peft && is_there(&settings) {
            true => read_settings_text(&settings).map(Some),
            false => Ok(None),
        }
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>, InputFileError> {
    let entries = std::fs::read_dir(folder).map_err(|source| InputFileError::Read {
        path: folder.to_owned(),
        source,
    })?;
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_a_folder_is_found_or_what_is_there_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |files: &[&str]| {
            let path = folder
                .path()
                .join(files.len().to_string() + files.concat().as_str());
            std::fs::create_dir_all(&path).unwrap();
            for file in files {
                std::fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
                std::fs::write(path.join(file), "x").unwrap();
            }
            AdapterPlace::of(&path).map(|place| place.file.strip_prefix(&path).unwrap().display().to_string())
        };
        let found = |files: &[&str]| at(files).unwrap();
        assert_eq!(found(&["adapter_model.safetensors", "a.safetensors"]), PEFT_FILE);
        assert_eq!(
            found(&["pytorch_lora_weights.safetensors", "README.md"]),
            DIFFUSERS_FILE
        );
        assert_eq!(found(&["style.safetensors", "style.png"]), "style.safetensors");
        let error = |files: &[&str]| at(files).unwrap_err();
        let several = error(&["a.safetensors", "b.safetensors"]).to_string();
        assert!(several.ends_with("`a.safetensors`, `b.safetensors`"), "{several}");
        let pickle = error(&["pytorch_lora_weights.bin"]);
        assert!(
            pickle
                .to_string()
                .ends_with("`pytorch_lora_weights.bin` there is a pickle, which is not read")
        );
        assert!(pickle.hint().unwrap().contains("save_file"));
        assert!(matches!(
            error(&["model_index.json"]),
            AdapterPlaceError::Model { .. }
        ));
        assert!(matches!(error(&[]), AdapterPlaceError::None { .. }));
        let cached = folder.path().join("cached/snapshots/0a");
        std::fs::create_dir_all(&cached).unwrap();
        std::fs::write(cached.join(PEFT_FILE), "x").unwrap();
        let place = AdapterPlace::of(&folder.path().join("cached")).unwrap();
        assert_eq!(place.file, cached.join(PEFT_FILE));
        let missing = AdapterPlace::of(&folder.path().join("none"))
            .unwrap_err()
            .to_string();
        assert!(missing.ends_with("none` does not exist"), "{missing}");
    }
}
