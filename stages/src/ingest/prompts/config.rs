//! The configuration of the stage that ingests prompts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::PromptsError;
use super::sample::SampleConfig;
use super::source::PromptSource;
use super::split::SplitConfig;

/// Which prompts a pipeline works on.
///
/// Rows are read, filtered by their source, cleaned, freed from duplicates, sampled and split, in this order. Two
/// stages that differ in nothing but `take_split` therefore share no prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptsConfig {
    /// Where the prompts come from.
    pub source: PromptSource,
    /// Keep only the first row of each prompt. By default, repeated prompts are kept, each with its own line number.
    #[serde(default)]
    pub deduplicate: bool,
    /// What to do with prompts that are not UTF-8, hold a NUL character or are longer than 64 KiB. By default, `error`.
    #[serde(default)]
    pub invalid_prompts: InvalidPrompts,
    /// Keep a random choice of this many prompts. By default, all are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleConfig>,
    /// Hold prompts out for tests. By default, the split is what the source says, or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitConfig>,
    /// Keep only prompts of this split, such as `train` or `test`; everything above is done before. By default, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_split: Option<String>,
}

/// What to do with prompts that cannot be used; prompts that are only white space are always left out and counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvalidPrompts {
    /// Stop at the first one and name its place.
    #[default]
    Error,
    /// Leave them out and count them in the report.
    Skip,
}

impl PromptsConfig {
    /// The configuration of a source with every default.
    #[must_use]
    pub fn new(source: PromptSource) -> Self {
        Self {
            source,
            deduplicate: false,
            invalid_prompts: InvalidPrompts::Error,
            sample: None,
            split: None,
            take_split: None,
        }
    }

    /// The same configuration with every path shortened to the name by which rows call their source.
    ///
    /// This form belongs in a stage key: the table depends on these names and on the content of the files, not on the
    /// directories they lie in.
    #[must_use]
    pub fn without_directories(&self) -> Self {
        let mut config = self.clone();
        let named = config.source.named();
        for path in config.source.paths_mut() {
            *path = PathBuf::from(named(path));
        }
        config
    }

    /// The same configuration with the files that patterns, folders and `~` in its paths stand for.
    ///
    /// # Errors
    /// A pattern that matches nothing, a folder without files of the kind, or a file that is listed twice.
    pub fn expanded(&self, base: &Path, home: Option<&Path>) -> Result<Self, PromptsError> {
        let mut config = self.clone();
        config.source.expand(base, home)?;
        config.validate()?;
        Ok(config)
    }

    /// The name by which rows call each file, with its path; relative paths start at `base`.
    #[must_use]
    pub fn files(&self, base: &Path) -> Vec<(String, PathBuf)> {
        let named = self.source.named();
        let paths = self.source.paths().iter();
        paths.map(|path| (named(path), base.join(path))).collect()
    }

    /// Checks all that can be checked without reading a file.
    ///
    /// # Errors
    /// The setting that is out of its range, or a file that is listed twice.
    pub fn validate(&self) -> Result<(), PromptsError> {
        if let Some(sample) = &self.sample {
            sample.validate()?;
        }
        if let Some(split) = &self.split {
            split.validate()?;
            if matches!(self.source, PromptSource::Shapes(_)) {
                // Its own split keeps prompts together that teach each other's answers; this one would not.
                let problem =
                    "cannot be combined with the source `shapes`, which has a split of its own".to_owned();
                return Err(PromptsError::Setting {
                    setting: "split",
                    problem,
                });
            }
        }
        let paths = self.source.paths();
        let distinct: BTreeSet<&PathBuf> = paths.iter().collect();
        if distinct.len() < paths.len() {
            let problem = "lists a file twice; each row would count twice".to_owned();
            return Err(PromptsError::Setting {
                setting: "source.paths",
                problem,
            });
        }
        self.source.validate()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Collects every named property below a schema, having checked that it is explained.
    fn explained(schema: &Value, names: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                if let Some(Value::Object(properties)) = fields.get("properties") {
                    for (name, property) in properties {
                        // A variant of an enum is an object of one property, explained one level up.
                        let variant = properties.len() == 1 && fields.contains_key("description");
                        let described = property.get("description").is_some();
                        assert!(variant || described, "{name}: {property}");
                        names.push(name.clone());
                    }
                }
                fields.values().for_each(|field| explained(field, names));
            }
            Value::Array(items) => items.iter().for_each(|item| explained(item, names)),
            _ => {}
        }
    }

    #[test]
    fn an_editor_explains_every_setting() {
        let schema = serde_json::to_value(schemars::schema_for!(PromptsConfig)).expect("JSON");
        let mut names = Vec::new();
        explained(&schema, &mut names);
        for name in [
            "source",
            "t2i_compbench",
            "diffusiondb",
            "shapes",
            "min_images",
            "fraction",
            "delimiter",
        ] {
            assert!(
                names.iter().any(|found| found == name),
                "{name} is not in the schema"
            );
        }
    }
}
