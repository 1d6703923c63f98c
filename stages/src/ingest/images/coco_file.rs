//! The file of captions of COCO.

use std::collections::HashMap;
use std::path::Path;

use mitune_bounded_file::read;
use serde::Deserialize;

use super::error::ImagesError;

/// Most bytes of a file of captions; that of the 118,287 training images of 2017 has 92 million.
const MOST_BYTES: u64 = 1 << 30;

/// An image with its captions, in the order of the file.
pub(super) struct CaptionedImage {
    /// Its number in COCO.
    pub(super) id: u64,
    /// Its name in the folder of images.
    pub(super) file_name: String,
    /// What is said of it.
    pub(super) captions: Vec<String>,
}

#[derive(Deserialize)]
struct Annotations {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    caption: String,
}

/// Reads the images in the order of the file, those without captions too.
///
/// # Errors
/// A file that cannot be read or is not that of captions.
pub(super) fn captioned_images(path: &Path) -> Result<Vec<CaptionedImage>, ImagesError> {
    let bytes = read(path, MOST_BYTES)?;
    let Annotations { images, annotations } =
        serde_json::from_slice(&bytes).map_err(|source| ImagesError::Json {
            path: path.to_owned(),
            expected: "a file of captions of COCO, with `images` and `annotations`",
            source,
        })?;
    let mut places: HashMap<u64, usize> = HashMap::new();
    for (place, image) in images.iter().enumerate() {
        if let Some(first) = places.insert(image.id, place).and_then(|first| images.get(first)) {
            return Err(ImagesError::SameNumber {
                path: path.to_owned(),
                id: image.id,
                first: first.file_name.clone(),
                second: image.file_name.clone(),
            });
        }
    }
    let uncaptioned = |image: Image| CaptionedImage {
        id: image.id,
        file_name: image.file_name,
        captions: Vec::new(),
    };
    let mut images: Vec<CaptionedImage> = images.into_iter().map(uncaptioned).collect();
    for annotation in annotations {
        let place = places.get(&annotation.image_id).copied();
        if let Some(image) = place.and_then(|place| images.get_mut(place)) {
            image.captions.push(annotation.caption);
        }
    }
    Ok(images)
}
