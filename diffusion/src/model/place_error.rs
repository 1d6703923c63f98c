//! Names that lead to no model: what is said of them, and what to do then.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::input_file::{Contents, InputFileError};

/// A name that leads to no model.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Nothing has that name.
    #[error("Model `{}` does not exist", path.display())]
    Missing {
        /// The name.
        path: PathBuf,
    },
    /// A file, where a folder is needed.
    #[error("`{}` is a file, not the folder of a model: {kind}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        kind: FileKind,
    },
    /// A folder that is none of a model.
    #[error("`{}` is not a model folder: it has no `model_index.json`{}", path.display(), Inside(kind))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What it seems to be.
        kind: FolderKind,
    },
    /// Cannot be looked at.
    #[error(transparent)]
    Unreadable(#[from] InputFileError),
}

/// What a file that was named as a model seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The list of components in a model's folder.
    Index,
    /// All weights of a model, or those of one component, in one safetensors file.
    SingleFile,
    /// Python objects.
    Pickle,
    /// What was downloaded in place of a file.
    Other(Contents),
    /// Anything else.
    Unknown,
}

/// What a folder that was named as a model seems to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderKind {
    /// Nothing is in it.
    Empty,
    /// One component of the model in the folder above.
    Component(PathBuf),
    /// The cache of a hub, with the folders of several models.
    Cache(Vec<String>),
    /// One model in the cache of a hub, in several states or none.
    Snapshots(Vec<String>),
    /// An adapter.
    Adapter,
    /// A folder around that of a model.
    Around(PathBuf),
    /// A checkpoint in one file.
    SingleFile(String),
    /// Anything else.
    Unknown,
}

/// How a checkpoint in one file becomes a folder.
const CONVERT: &str = "In Python, diffusers' `StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER)` \
                       makes a model folder of a checkpoint (`StableDiffusionXLPipeline` for XL)";

impl PlaceError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { path } => looks_like_a_hub_name(path).map(|name| {
                format!(
                    "If `{name}` is a name on a hub: nothing is downloaded here; get it first, such as with `hf download \
                     {name} --local-dir FOLDER`, and give the folder"
                )
            }),
            Self::File { path, kind } => match kind {
                FileKind::Index => {
                    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                    Some(format!("Give its folder, `{}`", folder.unwrap_or(Path::new(".")).display()))
                }
                FileKind::SingleFile => {
                    Some(format!("{CONVERT}. An adapter goes behind `--adapter` instead"))
                }
                FileKind::Pickle => Some(CONVERT.to_owned()),
                FileKind::Other(contents) => contents.hint().map(str::to_owned),
                FileKind::Unknown => None,
            },
            Self::Folder { path, kind } => kind.hint(path),
            Self::Unreadable(error) => error.hint(),
        }
    }
}

impl FolderKind {
    fn hint(&self, path: &Path) -> Option<String> {
        match self {
            Self::Component(model) => Some(format!("Give the whole model, `{}`", model.display())),
            Self::Around(model) => Some(format!("Give the folder inside, `{}`", model.display())),
            Self::Cache(models) => Some(format!(
                "Give one of them, such as `{}`",
                path.join(&models[0]).display()
            )),
            Self::Snapshots(states) => match states.first() {
                Some(state) => {
                    let state = path.join("snapshots").join(state);
                    Some(format!("Give one of them, such as `{}`", state.display()))
                }
                None => Some("Download the model again: the last time did not come to its end".to_owned()),
            },
            Self::Adapter => {
                Some("Give it behind `--adapter`, and the model it was made for as the model".to_owned())
            }
            Self::SingleFile(_) => Some(CONVERT.to_owned()),
            Self::Empty | Self::Unknown => None,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => f.write_str("it is the list of a model's components"),
            Self::SingleFile => f.write_str("it is a single-file checkpoint, or one component or adapter"),
            Self::Pickle => f.write_str("it is a checkpoint in Python's pickle format, which is not read"),
            Self::Other(contents) => write!(f, "it {contents}"),
            Self::Unknown => f.write_str("a model is a folder as diffusers writes it"),
        }
    }
}

/// What is said of a folder after that it is no model.
struct Inside<'a>(&'a FolderKind);

impl fmt::Display for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| {
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self.0 {
            FolderKind::Empty => f.write_str("; it is empty"),
            FolderKind::Component(model) => write!(f, "; it is one component of `{}`", model.display()),
            FolderKind::Cache(models) => write!(f, "; it is the cache of a hub, with {}", list(models)),
            FolderKind::Snapshots(states) if states.is_empty() => {
                f.write_str("; it is a model in the cache of a hub, without any snapshot")
            }
            FolderKind::Snapshots(states) => {
                write!(
                    f,
                    "; it is a model in the cache of a hub, with the snapshots {}",
                    list(states)
                )
            }
            FolderKind::Adapter => f.write_str("; it is an adapter"),
            FolderKind::Around(model) => write!(f, "; a model is inside, in `{}`", model.display()),
            FolderKind::SingleFile(name) => write!(f, "; `{name}` in it is a single-file checkpoint"),
            FolderKind::Unknown => Ok(()),
        }
    }
}

/// The last two parts of a path that does not exist, if hubs could call a model that.
fn looks_like_a_hub_name(path: &Path) -> Option<String> {
    let plain = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        part.bytes().all(known) && part.starts_with(|first: char| first.is_ascii_alphanumeric())
    };
    let name = path.file_name()?.to_str()?;
    let owner = path.parent()?;
    let around = owner.parent()?;
    let owner_name = owner.file_name()?.to_str()?;
    let around_is_there = around.as_os_str().is_empty() || around.is_dir();
    (plain(name) && plain(owner_name) && !owner.exists() && around_is_there)
        .then(|| format!("{owner_name}/{name}"))
}
