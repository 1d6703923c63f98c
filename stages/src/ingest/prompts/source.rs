//! The sources of prompts, as they are written in a pipeline.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::csv_file::CsvSource;
use super::diffusiondb::DiffusionDbSource;
use super::error::PromptsError;
use super::file_paths::FilePaths;
use super::json_lines::JsonLinesSource;
use super::parquet_column::ParquetSource;
use super::shapes_world::ShapesSource;
use super::t2i_compbench::{T2iCompBenchParquetSource, T2iCompBenchSource};
use super::text::TextSource;

/// Where prompts come from; exactly one of these. Relative paths start at the folder of the pipeline file; a folder stands
/// for its files, a pattern such as `data/*.txt` for those that it matches, and `~` for the home folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptSource {
    /// Text files of T2I-CompBench, one prompt on each line.
    T2iCompbench(T2iCompBenchSource),
    /// T2I-CompBench as Parquet files in directories such as `color_train`.
    T2iCompbenchParquet(T2iCompBenchParquetSource),
    /// The table `metadata.parquet` of DiffusionDB, one row for each image.
    Diffusiondb(DiffusionDbSource),
    /// A column of CSV files.
    Csv(CsvSource),
    /// A field of files with one JSON object on each line.
    Jsonl(JsonLinesSource),
    /// Text files with one prompt on each line.
    Text(TextSource),
    /// A column of Parquet files.
    Parquet(ParquetSource),
    /// Prompts written in the pipeline itself.
    Inline(Vec<String>),
    /// The prompts of the shapes world, the shipped model's own.
    Shapes(ShapesSource),
}

impl PromptSource {
    /// The files, in the order in which they are read.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Self::T2iCompbench(source) => &source.paths,
            Self::T2iCompbenchParquet(source) => &source.paths,
            Self::Diffusiondb(source) => std::slice::from_ref(&source.metadata),
            Self::Csv(source) => &source.paths,
            Self::Jsonl(source) => &source.paths,
            Self::Text(source) => &source.paths,
            Self::Parquet(source) => &source.paths,
            Self::Inline(_) | Self::Shapes(_) => &[],
        }
    }

    /// The list of files, of a source that has one.
    fn list_mut(&mut self) -> Option<&mut Vec<PathBuf>> {
        match self {
            Self::T2iCompbench(source) => Some(&mut source.paths),
            Self::T2iCompbenchParquet(source) => Some(&mut source.paths),
            Self::Csv(source) => Some(&mut source.paths),
            Self::Jsonl(source) => Some(&mut source.paths),
            Self::Text(source) => Some(&mut source.paths),
            Self::Parquet(source) => Some(&mut source.paths),
            Self::Diffusiondb(_) | Self::Inline(_) | Self::Shapes(_) => None,
        }
    }

    /// How the names of files of this source end, in small letters.
    fn endings(&self) -> &'static [&'static str] {
        match self {
            Self::T2iCompbench(_) | Self::Text(_) => &[".txt"],
            Self::Csv(_) => &[".csv", ".tsv"],
            Self::Jsonl(_) => &[".jsonl", ".ndjson", ".json"],
            Self::T2iCompbenchParquet(_) | Self::Parquet(_) => &[".parquet", ".pq"],
            Self::Diffusiondb(_) | Self::Inline(_) | Self::Shapes(_) => &[],
        }
    }

    /// Puts the files that patterns, folders and `~` stand for in place of these.
    ///
    /// # Errors
    /// A path that stands for nothing.
    pub(super) fn expand(&mut self, base: &Path, home: Option<&Path>) -> Result<(), PromptsError> {
        let endings = self.endings();
        let files = FilePaths { base, home, endings };
        if let Self::Diffusiondb(source) = self {
            source.metadata = files.at_home(&source.metadata)?;
        } else if let Some(paths) = self.list_mut() {
            *paths = files.expand(paths)?;
        }
        Ok(())
    }

    pub(super) fn paths_mut(&mut self) -> &mut [PathBuf] {
        match self {
            Self::Diffusiondb(source) => std::slice::from_mut(&mut source.metadata),
            lists => lists.list_mut().map(Vec::as_mut_slice).unwrap_or_default(),
        }
    }

    /// How a path of this source becomes the value of the column `source`.
    pub(super) fn named(&self) -> fn(&Path) -> String {
        match self {
            // The category is in the name of the directory, and the files are all called alike.
            Self::T2iCompbenchParquet(_) => |path| last_components(path, 2),
            _ => |path| last_components(path, 1),
        }
    }

    pub(super) fn validate(&self) -> Result<(), PromptsError> {
        match self {
            Self::Inline(prompts) if prompts.is_empty() => {
                let problem = "must list at least one prompt, found none".to_owned();
                Err(PromptsError::Setting {
                    setting: "source.inline",
                    problem,
                })
            }
            Self::Inline(_) => Ok(()),
            Self::Shapes(source) => source.validate(),
            Self::Diffusiondb(source) => source.validate(),
            Self::Csv(source) => source.validate(),
            _ if self.paths().is_empty() => {
                let problem = "must list at least one file, found none".to_owned();
                Err(PromptsError::Setting {
                    setting: "source.paths",
                    problem,
                })
            }
            _ => Ok(()),
        }
    }
}

/// The last `count` components of a path, joined by `/` on every system.
fn last_components(path: &Path, count: usize) -> String {
    let components: Vec<_> = path.iter().map(|component| component.to_string_lossy()).collect();
    components[components.len().saturating_sub(count)..].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_called_by_the_end_of_its_path() {
        assert_eq!(
            last_components(Path::new("/data/color_train/part.parquet"), 2),
            "color_train/part.parquet"
        );
        assert_eq!(last_components(Path::new("color.txt"), 2), "color.txt");
        assert_eq!(last_components(Path::new("data/color.txt"), 1), "color.txt");
    }
}
