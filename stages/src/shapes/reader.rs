//! Reads the true content of an image off its pixels.
//!
//! No judge model is involved: the ground is the median colour, objects are the connected regions that stand out
//! from it, an object's colour is the palette entry nearest to its core, and its shape is the one whose silhouette
//! overlaps best. How often this errs is measured on fresh renders by `reader_check`.

use std::fmt;

use super::render::{Image, PIXELS, SIDE};
use super::segment::{Region, colour_at, distance, ground, nearest_colour, regions};
use super::silhouette::cover;
use super::world::{Colour, Shape};

/// The overlap below which a region is no shape of the world.
const LEAST_OVERLAP: f32 = 0.70;

/// How far the fit of a silhouette searches about the position that the moments give, in pixels.
const SHIFTS: [f32; 3] = [-0.35, 0.0, 0.35];

/// The factors on the radius that the fit of a silhouette tries.
const SCALES: [f32; 3] = [0.94, 1.0, 1.06];

/// An object as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadObject {
    /// The nearest colour of the palette.
    pub colour: Colour,
    /// The shape that fits best, or none when no shape fits well.
    pub shape: Option<Shape>,
    /// The centroid (x, y), in pixels from the top left corner.
    pub centroid: [f32; 2],
    /// The covered area, in pixels.
    pub area: f32,
    /// Intersection over union with the silhouette that fits best, in [0, 1].
    pub overlap: f32,
}

/// The content of an image.
///
/// Displays as `red circle, blue square`, from left to right; `nothing` when no object was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The objects, from left to right.
    pub objects: Vec<ReadObject>,
    /// Pixels that stand out from the ground in regions too small to be objects.
    pub specks: usize,
}

impl Reading {
    /// Reads an image.
    ///
    /// Objects of different colours that touch are told apart; objects of one colour that touch are one object.
    pub fn of(image: &Image) -> Self {
        let ground = ground(image);
        let (regions, specks) = regions(image, ground);
        let mut objects: Vec<ReadObject> = regions
            .iter()
            .map(|region| read_object(image, ground, region))
            .collect();
        objects.sort_by(|one, other| f32::total_cmp(&one.centroid[0], &other.centroid[0]));
        Self { objects, specks }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.objects.is_empty() {
            return formatter.write_str("nothing");
        }
        for (place, object) in self.objects.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            let shape = object.shape.map_or("blob", Shape::word);
            write!(formatter, "{separator}{} {shape}", object.colour.word())?;
        }
        Ok(())
    }
}

fn read_object(image: &Image, ground: [f32; 3], region: &Region) -> ReadObject {
    let mask = Mask::of(image, ground, region);
    let (mut shape, mut overlap) = (Shape::Circle, 0.0);
    for candidate in Shape::ALL {
        let fitted = mask.best_overlap(candidate);
        if fitted > overlap {
            (shape, overlap) = (candidate, fitted);
        }
    }
    ReadObject {
        colour: nearest_colour(region.rgb).0,
        shape: (overlap >= LEAST_OVERLAP).then_some(shape),
        centroid: mask.centroid,
        area: mask.area,
        overlap,
    }
}

/// How much of each pixel an object covers, judged by how far the pixel departs from the ground.
struct Mask {
    coverage: [f32; PIXELS],
    area: f32,
    centroid: [f32; 2],
}

impl Mask {
    fn of(image: &Image, ground: [f32; 3], region: &Region) -> Self {
        let full = distance(region.rgb, ground).max(f32::EPSILON);
        let mut coverage = [0.0f32; PIXELS];
        for pixel in with_fringe(&region.pixels) {
            coverage[pixel] = (distance(colour_at(image, pixel), ground) / full).min(1.0);
        }
        let (mut area, mut x, mut y) = (0.0, 0.0, 0.0);
        for (pixel, share) in coverage.iter().enumerate() {
            area += share;
            x += share * ((pixel % SIDE) as f32 + 0.5);
            y += share * ((pixel / SIDE) as f32 + 0.5);
        }
        let area = area.max(f32::EPSILON);
        Self {
            coverage,
            area,
            centroid: [x / area, y / area],
        }
    }

    /// Returns the best intersection over union with a silhouette of this shape.
    ///
    /// Area and centroid give radius and centre; the search about them makes up for blur and distortion.
    fn best_overlap(&self, shape: Shape) -> f32 {
        let radius = (self.area / shape.area()).sqrt();
        let mut best = 0.0;
        for scale in SCALES {
            let radius = radius * scale;
            let centre = self.centroid[1] - shape.centroid_below_centre() * radius;
            for right in SHIFTS {
                for down in SHIFTS {
                    let overlap = self.overlap(shape, self.centroid[0] + right, centre + down, radius);
                    best = f32::max(best, overlap);
                }
            }
        }
        best
    }

    fn overlap(&self, shape: Shape, x: f32, y: f32, radius: f32) -> f32 {
        let (mut common, mut silhouette) = (0.0, 0.0);
        cover(shape, x, y, radius, |pixel, share| {
            common += share.min(self.coverage[pixel]);
            silhouette += share;
        });
        common / (self.area + silhouette - common)
    }
}

/// Returns the pixels of a region and those beside them, over which its edge fades out.
fn with_fringe(pixels: &[usize]) -> Vec<usize> {
    let mut grown: Vec<usize> = pixels
        .iter()
        .flat_map(|pixel| {
            let (row, column) = (pixel / SIDE, pixel % SIDE);
            let rows = row.saturating_sub(1)..(row + 2).min(SIDE);
            rows.flat_map(move |row| {
                (column.saturating_sub(1)..(column + 2).min(SIDE)).map(move |column| row * SIDE + column)
            })
        })
        .collect();
    grown.sort_unstable();
    grown.dedup();
    grown
}

#[cfg(test)]
mod tests {
    use super::Reading;
    use crate::shapes::render::{Image, VALUES};
    use crate::shapes::scene::{PlacedObject, Scene};
    use crate::shapes::world::{Colour, Object, Shape};

    fn read(objects: &[(Colour, Shape, [f32; 2], f32)]) -> Reading {
        let place = |&(colour, shape, centre, radius): &(Colour, Shape, [f32; 2], f32)| PlacedObject {
            object: Object { colour, shape },
            centre,
            radius,
            rgb: colour.rgb(),
        };
        Reading::of(&Image::render(&Scene {
            ground: 0.95,
            objects: objects.iter().map(place).collect(),
        }))
    }

    #[test]
    fn any_number_of_objects_is_read_from_left_to_right() {
        assert_eq!(read(&[]).to_string(), "nothing");
        let two = [
            (Colour::Blue, Shape::Square, [24.0, 10.0], 5.5),
            (Colour::Red, Shape::Circle, [8.0, 20.0], 6.5),
        ];
        assert_eq!(read(&two).to_string(), "red circle, blue square");
        let three = [two[0], two[1], (Colour::Green, Shape::Cross, [20.0, 25.0], 5.0)];
        assert_eq!(read(&three).to_string(), "red circle, green cross, blue square");
    }

    #[test]
    fn objects_of_one_colour_may_repeat() {
        let reading = read(&[
            (Colour::Purple, Shape::Triangle, [8.0, 8.0], 6.0),
            (Colour::Purple, Shape::Triangle, [24.0, 24.0], 6.0),
        ]);
        assert_eq!(reading.to_string(), "purple triangle, purple triangle");
    }

    #[test]
    fn centroid_and_area_are_those_of_the_scene() {
        let reading = read(&[(Colour::Green, Shape::Square, [12.3, 18.6], 6.0)]);
        let object = reading.objects[0];
        // Silhouettes are exact along rows and within 1/16 pixel across them.
        assert!((object.centroid[0] - 12.3).abs() < 0.02 && (object.centroid[1] - 18.6).abs() < 0.07);
        assert!(
            (object.area - Shape::Square.area() * 36.0).abs() < 2.0,
            "{}",
            object.area
        );
        assert!(object.overlap > 0.97);
    }

    #[test]
    fn a_region_of_no_shape_is_a_blob() {
        let mut values = [0.95f32; VALUES];
        for column in 4..28 {
            for row in 15..17 {
                values[(row * 32 + column) * 3..][..3].copy_from_slice(&Colour::Red.rgb());
            }
        }
        let image = Image::from_values(&values).expect("right size");
        assert_eq!(Reading::of(&image).to_string(), "red blob");
    }

    #[test]
    fn images_of_anything_are_read_without_failing() {
        let mut draws = crate::draws::Draws::new("reader test", 0, 0);
        for round in 0..200 {
            let mut values = [0.0f32; VALUES];
            values.fill_with(|| draws.between(-0.5, 1.5));
            if round % 10 == 0 {
                values[round * 3] = f32::NAN;
                values[round * 7] = f32::INFINITY;
            }
            let image = Image::from_values(&values).expect("right size");
            assert!(!Reading::of(&image).to_string().is_empty());
        }
    }
}
