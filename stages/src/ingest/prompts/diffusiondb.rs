//! DiffusionDB: prompts from the table `metadata.parquet`, which has a row for each of two million images.
//!
//! The table is read twice, in small batches and only the columns that matter. The first pass filters images and keeps
//! 24 bytes for each distinct prompt: its hash, its first row and its number of images. The second pass reads the text
//! of the chosen rows.

mod passes;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::PromptsError;
use super::limits::Limits;
use crate::contract::setting_defaults::whole;

/// The prompts of DiffusionDB, each once; only images within all limits count. By default, there are no limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffusionDbSource {
    /// The file `metadata.parquet` or `metadata-large.parquet`.
    pub metadata: PathBuf,
    /// Keep images whose prompt has at most this probability of being unsafe, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_prompt_nsfw: Option<f64>,
    /// Keep images with at most this probability of being unsafe, from 0 to 1; 2 marks blurred images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_image_nsfw: Option<f64>,
    /// Keep images at least this wide, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_width: Option<u32>,
    /// Keep images at most this wide, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_width: Option<u32>,
    /// Keep images at least this high, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_height: Option<u32>,
    /// Keep images at most this high, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
    /// Keep images made with at least this many denoising steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_steps: Option<u32>,
    /// Keep images made with at most this many denoising steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u32>,
    /// Keep images made with at least this guidance scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_guidance: Option<f64>,
    /// Keep images made with at most this guidance scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_guidance: Option<f64>,
    /// Keep prompts of at least this many characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_characters: Option<u32>,
    /// Keep prompts of at most this many characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<u32>,
    /// Keep prompts with at least this many images within the limits. By default, 1.
    #[serde(default = "whole::<u32, 1>")]
    pub min_images: u32,
}

impl DiffusionDbSource {
    pub(super) fn validate(&self) -> Result<(), PromptsError> {
        self.limits().validate()?;
        if let (Some(min), Some(max)) = (self.min_characters, self.max_characters)
            && min > max
        {
            let problem = format!("must be at least `min_characters`, found `{max}` below `{min}`");
            return Err(PromptsError::Setting {
                setting: "source.diffusiondb.max_characters",
                problem,
            });
        }
        if self.min_images == 0 {
            let problem = "must be at least 1, found `0`".to_owned();
            return Err(PromptsError::Setting {
                setting: "source.diffusiondb.min_images",
                problem,
            });
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        let whole = |name, value: Option<u32>| value.map(|value| (name, f64::from(value)));
        let real = |name, value: Option<f64>| value.map(|value| (name, value));
        Limits::new(&[
            ("prompt_nsfw", None, real("max_prompt_nsfw", self.max_prompt_nsfw)),
            ("image_nsfw", None, real("max_image_nsfw", self.max_image_nsfw)),
            (
                "width",
                whole("min_width", self.min_width),
                whole("max_width", self.max_width),
            ),
            (
                "height",
                whole("min_height", self.min_height),
                whole("max_height", self.max_height),
            ),
            (
                "step",
                whole("min_steps", self.min_steps),
                whole("max_steps", self.max_steps),
            ),
            (
                "cfg",
                real("min_guidance", self.min_guidance),
                real("max_guidance", self.max_guidance),
            ),
        ])
    }

    fn broken_length(&self, text: &str) -> Option<&'static str> {
        let characters = text.chars().count();
        let compare = |limit: Option<u32>| limit.map(|limit| characters.cmp(&(limit as usize)));
        if compare(self.min_characters).is_some_and(std::cmp::Ordering::is_lt) {
            Some("min_characters")
        } else if compare(self.max_characters).is_some_and(std::cmp::Ordering::is_gt) {
            Some("max_characters")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
