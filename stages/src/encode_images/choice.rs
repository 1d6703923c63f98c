//! Settings that are a choice between names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of pairs of which no image is preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// They are left out and counted.
    #[default]
    Drop,
    /// The stage stops and says how many there are.
    Refuse,
}

/// What becomes of images that cannot be read, decoded or cropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BrokenImages {
    /// The stage stops and names the first few.
    #[default]
    Refuse,
    /// Their rows are left out and counted.
    Skip,
}

/// How an image gets its size; always bilinear, as torchvision resizes images of Pillow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The shorter side becomes `size`, and a square is cropped.
    #[default]
    ShorterSide,
    /// Both sides become `size`, whatever the shape was.
    Exact,
    /// It keeps its size but for what is cropped down to a multiple of what the model can halve, so that latents differ in
    /// their shapes.
    None,
}

/// Which part of a resized image is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CropPlace {
    /// The middle.
    #[default]
    Center,
    /// One that is drawn for each image.
    Random,
}

/// Whether images are mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// None is.
    #[default]
    None,
    /// Every second one on average, left to right; in a pair each image for itself.
    Random,
}

/// What stands for the latent of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LatentDraw {
    /// One draw of what the autoencoder says, made once for each image.
    #[default]
    Sample,
    /// The mean of what the autoencoder says.
    Mean,
}
