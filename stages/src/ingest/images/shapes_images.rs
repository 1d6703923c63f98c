//! True images of the shapes world, which lie in no file: each is rendered where it is asked for.

use std::num::NonZeroU32;

use mitune_diffusion::image::{ImageError, RgbImage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ImagesError;
use super::place::ImagePlace;
use super::rows::{Caption, GivenImage, RowImages, RowPlace, SourceRow};
use super::source::Visitor;
use crate::draws::Draws;
use crate::ingest::prompts::{ShapesSide, ShapesSource};
use crate::shapes::render::{Image, SIDE};
use crate::shapes::scene::Scene;
use crate::shapes::world::Prompt;

/// What draws the scenes; the images that models of the world are trained on are drawn for another purpose, so that none
/// of these is among them.
const PURPOSE: &str = "shapes given image";

/// True images of the prompts of the shapes world, each of which shows what its prompt says.
///
/// Image n of a prompt depends on the seed alone, whatever the side of the split and however many images there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShapesImagesSource {
    /// Which side of the split to take the prompts of. By default, `all`.
    pub split: ShapesSide,
    /// How many images each prompt has. By default, 1.
    pub images_per_prompt: NonZeroU32,
    /// The seed of places, sizes and colours. By default, 0.
    pub seed: u64,
    /// The seed of the split. By default, 1.
    pub split_seed: u64,
    /// How many of the 90 groups of prompts over the same colours and shapes are for tests. By default, 22.
    pub test_groups: usize,
}

/// One of the images, by what it is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShapesImage {
    prompt: Prompt,
    seed: u64,
    index: u64,
}

impl Default for ShapesImagesSource {
    fn default() -> Self {
        let ShapesSource {
            split,
            split_seed,
            test_groups,
        } = ShapesSource::default();
        Self {
            split,
            images_per_prompt: NonZeroU32::MIN,
            seed: 0,
            split_seed,
            test_groups,
        }
    }
}

impl ShapesImagesSource {
    /// Checks that there are prompts on both sides.
    pub(super) fn validate(&self) -> Result<(), ImagesError> {
        self.prompts().map(drop)
    }

    /// Hands over the images of one prompt after the other, until the visitor has enough.
    pub(super) fn read(&self, visitor: &mut Visitor<'_>) -> Result<(), ImagesError> {
        let mut row = 0;
        for (place, prompt) in self.prompts()? {
            for number in 0..u64::from(self.images_per_prompt.get()) {
                row += 1;
                let image = ShapesImage {
                    prompt,
                    seed: self.seed,
                    index: number * Prompt::COUNT as u64 + place,
                };
                let flow = visitor(SourceRow {
                    at: RowPlace { file: 0, row },
                    caption: Caption::Bytes(prompt.to_string().into_bytes()),
                    images: RowImages::One(GivenImage::at(ImagePlace::Shapes(image))),
                    weight: None,
                })?;
                if flow.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The prompts, each with its place among all of them, from 0.
    fn prompts(&self) -> Result<Vec<(u64, Prompt)>, ImagesError> {
        let source = ShapesSource {
            split: self.split,
            split_seed: self.split_seed,
            test_groups: self.test_groups,
        };
        let prompts = source.prompts()?.into_iter();
        Ok(prompts.map(|(line, prompt, _)| (line - 1, prompt)).collect())
    }
}

impl ShapesImage {
    /// Renders the image as a PNG file.
    ///
    /// # Errors
    /// [`ImageError::Encode`] if the encoder fails.
    pub(super) fn png(&self) -> Result<Vec<u8>, ImageError> {
        let scene = Scene::draw(self.prompt, &mut Draws::new(PURPOSE, self.seed, self.index));
        let side = SIDE as u32;
        RgbImage::new(side, side, Image::render(&scene).to_rgb8())?.to_png()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::ingest::images::ImageSource;
    use crate::ingest::images::files::SourceFiles;
    use crate::ingest::images::reader::ImageReader;
    use crate::shapes::alignment::Alignment;
    use crate::shapes::reader::Reading;
    use crate::shapes::split::Split;

    /// Prompt and file of each row, read by its place.
    fn images(source: &ShapesImagesSource) -> Vec<(String, Vec<u8>)> {
        let source = ImageSource::Shapes(source.clone());
        let files = SourceFiles::list(&source, 0).unwrap();
        let mut reader = ImageReader::new(&files.files);
        let mut found = Vec::new();
        let read = source.read(&files.files, 0, &mut |row| {
            let (Caption::Bytes(prompt), RowImages::One(image)) = (row.caption, row.images) else {
                panic!("an image with its prompt");
            };
            let bytes = reader.read(&image.place)?.unwrap();
            found.push((String::from_utf8(prompt).unwrap(), bytes));
            Ok(ControlFlow::Continue(()))
        });
        read.unwrap();
        found
    }

    fn of_tests(images_per_prompt: u32, seed: u64) -> ShapesImagesSource {
        ShapesImagesSource {
            split: ShapesSide::Test,
            images_per_prompt: NonZeroU32::new(images_per_prompt).unwrap(),
            seed,
            ..ShapesImagesSource::default()
        }
    }

    #[test]
    fn images_show_what_their_prompts_say() {
        let found = images(&of_tests(2, 0));
        let expected = Split::draw(1, 22).unwrap().test;
        let expected = expected
            .iter()
            .flat_map(|prompt| [prompt.to_string(), prompt.to_string()]);
        assert!(found.iter().map(|(prompt, _)| prompt.clone()).eq(expected));
        let aligned = found.iter().filter(|(prompt, png)| {
            let picture = RgbImage::from_png(png).unwrap();
            let image = Image::from_rgb8(picture.pixels()).unwrap();
            Alignment::of(&Reading::of(&image), prompt.parse().unwrap()).aligned()
        });
        // The reader may err in 5 of 1,000 images.
        assert!(aligned.count() + 1 >= found.len());
    }

    #[test]
    fn an_image_depends_on_the_seed_its_prompt_and_its_number_alone() {
        let (two, three) = (images(&of_tests(2, 0)), images(&of_tests(3, 0)));
        let first_two = three.chunks(3).flat_map(|of_prompt| &of_prompt[..2]);
        assert!(two.iter().eq(first_two));
        let all = ShapesImagesSource {
            split: ShapesSide::All,
            ..of_tests(1, 0)
        };
        let all = images(&all);
        assert_eq!(all.len(), Prompt::COUNT);
        assert!(two.iter().step_by(2).all(|image| all.contains(image)));
        let other = images(&of_tests(2, 1));
        assert!(two.iter().zip(&other).all(|(one, other)| one.1 != other.1));
        assert!(two.chunks(2).all(|of_prompt| of_prompt[0].1 != of_prompt[1].1));
    }

    #[test]
    fn splits_that_break_the_world_are_refused() {
        let source = ShapesImagesSource {
            test_groups: 90,
            ..ShapesImagesSource::default()
        };
        let error = source.validate().unwrap_err().to_string();
        assert!(
            error.starts_with("Setting `source.shapes.test_groups` is refused: Split with `90`"),
            "{error}"
        );
    }
}
