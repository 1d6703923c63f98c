//! The sources of images, as they are written in a pipeline.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::coco::CocoSource;
use super::error::ImagesError;
use super::rows::SourceRow;
use super::shapes_images::ShapesImagesSource;
use super::table::{Columns, columns_of, names_files, read_table};
use super::{diffusiondb, pick_a_pic};
use crate::ingest::prompts::file_paths::FilePaths;

/// Where images come from; exactly one of these. Relative paths start at the folder of the pipeline file; `~` stands for
/// the home folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// Parquet files of Pick-a-Pic with the columns `caption`, `jpg_0`, `jpg_1` and `label_0`, as a file, a folder or a
    /// pattern such as `data/train-*.parquet`. Each row is a pair: at 1 the first image is preferred, at 0 the second.
    PickAPic(PathBuf),
    /// Parts of DiffusionDB: a folder, a pattern or a file, with `part-000001.zip` as published, or with folders of images
    /// and their `part-000001.json`.
    Diffusiondb(PathBuf),
    /// Images and captions of COCO.
    Coco(CocoSource),
    /// A CSV, JSON Lines or Parquet file with the columns `image` and `prompt` and perhaps `weight`, or with `winner`,
    /// `loser` and `prompt`. Images are paths relative to the file; in Parquet they may also be bytes.
    Table(PathBuf),
    /// True images of the shapes world with their prompts, rendered in memory.
    Shapes(ShapesImagesSource),
}

/// What takes the rows of a source.
pub(crate) type Visitor<'v> = dyn FnMut(SourceRow) -> Result<ControlFlow<()>, ImagesError> + 'v;

/// What the rows of a source are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// An image each.
    Images,
    /// An image each, with how much it counts.
    WeightedImages,
    /// Two images each, of which one is preferred.
    Pairs,
}

impl ImageSource {
    /// The same source without its paths, whose content is keyed in their place.
    pub(crate) fn without_paths(&self) -> Self {
        match self {
            Self::PickAPic(_) => Self::PickAPic(PathBuf::new()),
            Self::Diffusiondb(_) => Self::Diffusiondb(PathBuf::new()),
            Self::Coco(source) => Self::Coco(CocoSource {
                annotations: PathBuf::new(),
                images: PathBuf::new(),
                captions: source.captions,
            }),
            Self::Table(_) => Self::Table(PathBuf::new()),
            Self::Shapes(source) => Self::Shapes(source.clone()),
        }
    }

    /// The same source as seen from the working directory, with settings that can be used.
    pub(crate) fn resolved(&self, directory: &Path, home: Option<&Path>) -> Result<Self, ImagesError> {
        let files = FilePaths {
            base: directory,
            home,
            endings: &[],
        };
        let resolve =
            |path: &Path| -> Result<PathBuf, ImagesError> { Ok(directory.join(files.at_home(path)?)) };
        Ok(match self {
            Self::PickAPic(path) => Self::PickAPic(resolve(path)?),
            Self::Diffusiondb(path) => Self::Diffusiondb(resolve(path)?),
            Self::Coco(source) => Self::Coco(CocoSource {
                annotations: resolve(&source.annotations)?,
                images: resolve(&source.images)?,
                captions: source.captions,
            }),
            Self::Table(path) => Self::Table(resolve(path)?),
            Self::Shapes(source) => {
                source.validate()?;
                Self::Shapes(source.clone())
            }
        })
    }

    /// What the rows are, of a resolved source; only a table has to be looked at for it.
    pub(crate) fn row_kind(&self) -> Result<RowKind, ImagesError> {
        Ok(match self {
            Self::PickAPic(_) => RowKind::Pairs,
            Self::Diffusiondb(_) | Self::Coco(_) | Self::Shapes(_) => RowKind::Images,
            Self::Table(path) => match columns_of(path)? {
                Columns::Pairs => RowKind::Pairs,
                Columns::Images { weighted: true } => RowKind::WeightedImages,
                Columns::Images { weighted: false } => RowKind::Images,
            },
        })
    }

    /// Whether images may lie in files that rows name; else they are all inside of the tables.
    pub(crate) fn names_files(&self) -> Result<bool, ImagesError> {
        match self {
            Self::PickAPic(_) | Self::Shapes(_) => Ok(false),
            Self::Diffusiondb(_) | Self::Coco(_) => Ok(true),
            Self::Table(path) => names_files(path),
        }
    }

    /// The tables and archives of a resolved source, in the order in which they are read.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, ImagesError> {
        let expand = |path: &PathBuf, endings: &[&str]| -> Result<Vec<PathBuf>, ImagesError> {
            let files = FilePaths {
                base: Path::new(""),
                home: None,
                endings,
            };
            Ok(files.expand(std::slice::from_ref(path))?)
        };
        match self {
            Self::PickAPic(path) => expand(path, &[".parquet", ".pq"]),
            Self::Diffusiondb(path) => expand(path, &[".zip", ".json"]),
            Self::Coco(source) => Ok(vec![source.annotations.clone()]),
            Self::Table(path) => Ok(vec![path.clone()]),
            Self::Shapes(_) => Ok(Vec::new()),
        }
    }

    /// Hands over the rows of the files, in order, or those that need none, until the visitor has enough.
    pub(crate) fn read(
        &self,
        files: &[PathBuf],
        seed: u64,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), ImagesError> {
        match self {
            Self::PickAPic(_) => in_order(files, |number, path| pick_a_pic::read(number, path, visitor)),
            Self::Diffusiondb(_) => in_order(files, |number, path| diffusiondb::read(number, path, visitor)),
            Self::Coco(source) => in_order(files, |number, _| source.read(number, seed, visitor)),
            Self::Table(_) => in_order(files, |number, path| read_table(number, path, visitor)),
            Self::Shapes(source) => source.read(visitor),
        }
    }
}

/// Reads one file after the other, until one says that it is enough.
fn in_order(
    files: &[PathBuf],
    mut read: impl FnMut(usize, &Path) -> Result<ControlFlow<()>, ImagesError>,
) -> Result<(), ImagesError> {
    for (number, path) in files.iter().enumerate() {
        if read(number, path)?.is_break() {
            break;
        }
    }
    Ok(())
}
