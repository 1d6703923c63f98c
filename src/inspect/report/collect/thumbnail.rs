//! Reducing an image to what a page shows.

use mitune_stages::image::RgbImage;

/// Reduces an image until its longer side is at most `side` pixels, averaging the pixels under each new one.
///
/// An image that is small enough stays as it is.
pub(super) fn reduce(image: RgbImage, side: u32) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    let longest = width.max(height);
    let side = side.max(1);
    if longest <= side {
        return image;
    }
    let scaled = |extent: u32| {
        let scaled = u64::from(extent) * u64::from(side) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(side).max(1)
    };
    let (new_width, new_height) = (scaled(width), scaled(height));
    let mut pixels = Vec::new();
    for row in 0..new_height {
        let rows = span(row, new_height, height);
        for column in 0..new_width {
            let columns = span(column, new_width, width);
            for channel in 0..3 {
                pixels.push(mean(&image, rows.clone(), columns.clone(), channel));
            }
        }
    }
    RgbImage::new(new_width, new_height, pixels).unwrap_or(image)
}

/// The old pixels under a new one, at least one.
fn span(index: u32, count: u32, extent: u32) -> std::ops::Range<usize> {
    let edge = |index: u32| (u64::from(index) * u64::from(extent) / u64::from(count)) as usize;
    edge(index)..edge(index + 1).max(edge(index) + 1)
}

fn mean(
    image: &RgbImage,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    channel: usize,
) -> u8 {
    let count = (rows.len() * columns.len()) as u64;
    let width = image.width() as usize;
    let sum: u64 = rows
        .flat_map(|row| {
            columns
                .clone()
                .map(move |column| (row * width + column) * 3 + channel)
        })
        .map(|position| u64::from(image.pixels()[position]))
        .sum();
    ((sum + count / 2) / count) as u8
}

#[cfg(test)]
mod tests {
    use super::{RgbImage, reduce};

    #[test]
    fn pixels_are_averaged_and_small_images_stay() {
        let image = RgbImage::new(4, 2, (0..24).map(|value| value * 10).collect()).expect("fits");
        assert_eq!(reduce(image.clone(), 4), image);
        let half = reduce(image, 2);
        assert_eq!((half.width(), half.height()), (2, 1));
        // Red of the left half: 0, 30, 120, 150.
        assert_eq!(half.pixels()[0], 75);
    }

    #[test]
    fn any_size_is_reduced_without_gaps() {
        for (width, height, side) in [(7, 3, 5), (1, 100, 9), (512, 512, 160), (3, 2, 1)] {
            let image = RgbImage::new(width, height, vec![200; (width * height * 3) as usize]).expect("fits");
            let small = reduce(image, side);
            assert!(small.width().max(small.height()) <= side);
            assert!(small.pixels().iter().all(|&value| value == 200));
        }
    }
}
