//! COCO: images in a folder, and captions of them in one file of JSON.

use std::ops::ControlFlow;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::coco_file::{CaptionedImage, captioned_images};
use super::error::ImagesError;
use super::place::ImagePlace;
use super::rows::{Caption, GivenImage, RowImages, RowPlace, SourceRow};
use super::source::Visitor;
use crate::draws::Draws;

/// Images and captions of COCO, such as `captions_train2017.json` and `train2017`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CocoSource {
    /// The file with `images` and `annotations`.
    pub annotations: PathBuf,
    /// The folder with the images.
    pub images: PathBuf,
    /// Which of the captions of an image count. By default, `first`.
    #[serde(default)]
    pub captions: Captions,
}

/// Which of the captions of an image count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Captions {
    /// The first one in the file.
    #[default]
    First,
    /// All of them, with a row for each; the image is encoded once.
    All,
    /// One that is drawn by the stage's seed.
    Seeded,
}

impl CocoSource {
    pub(super) fn read(
        &self,
        file: usize,
        seed: u64,
        visitor: &mut Visitor<'_>,
    ) -> Result<ControlFlow<()>, ImagesError> {
        for (row, image) in (1..).zip(captioned_images(&self.annotations)?) {
            let path = self.images.join(&image.file_name);
            for caption in self.chosen(image, seed) {
                let given = GivenImage::at(ImagePlace::File(path.clone()));
                let flow = visitor(SourceRow {
                    at: RowPlace { file, row },
                    caption: Caption::Bytes(caption.into_bytes()),
                    images: RowImages::One(given),
                    weight: None,
                })?;
                if flow.is_break() {
                    return Ok(flow);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The captions of an image that count.
    fn chosen(&self, image: CaptionedImage, seed: u64) -> Vec<String> {
        let mut captions = image.captions;
        if captions.is_empty() {
            return captions;
        }
        match self.captions {
            Captions::All => captions,
            Captions::First => vec![captions.swap_remove(0)],
            Captions::Seeded => {
                let bound = u32::try_from(captions.len()).unwrap_or(u32::MAX);
                let mut draws = Draws::new("caption of an image", seed, image.id);
                vec![captions.swap_remove(draws.below(bound) as usize)]
            }
        }
    }
}
