//! Turns a scene into pixels.

use super::scene::Scene;
use super::silhouette::cover;

/// Width and height of every image, in pixels.
pub const SIDE: usize = 32;

/// Pixels per image.
pub const PIXELS: usize = SIDE * SIDE;

/// Colour values per image.
pub const VALUES: usize = PIXELS * 3;

/// An RGB image of `SIDE` x `SIDE` pixels, values in [0, 1], row by row with the three channels side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    values: Box<[f32; VALUES]>,
}

impl Image {
    /// Renders a scene with anti-aliased edges; later objects lie over earlier ones.
    ///
    /// The result depends on the scene alone, bit by bit, on every machine.
    pub fn render(scene: &Scene) -> Self {
        let mut values = Box::new([scene.ground; VALUES]);
        for placed in &scene.objects {
            let [x, y] = placed.centre;
            cover(placed.object.shape, x, y, placed.radius, |pixel, share| {
                for (value, &colour) in values[pixel * 3..].iter_mut().zip(&placed.rgb) {
                    *value += (colour - *value) * share;
                }
            });
        }
        Self { values }
    }

    /// Takes 8-bit RGB pixels, row by row; none when their number is not 3 x 32 x 32.
    pub fn from_rgb8(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; VALUES] = bytes.try_into().ok()?;
        Some(Self {
            values: Box::new(bytes.map(|byte| f32::from(byte) / 255.0)),
        })
    }

    /// Takes values in [0, 1], row by row with the channels side by side; none when their number is wrong.
    pub fn from_values(values: &[f32]) -> Option<Self> {
        let values: [f32; VALUES] = values.try_into().ok()?;
        Some(Self {
            values: Box::new(values),
        })
    }

    /// Returns the values in [0, 1], row by row with the channels side by side.
    pub fn values(&self) -> &[f32; VALUES] {
        &self.values
    }

    /// Returns the image as 8-bit RGB, rounded to the nearest value.
    pub fn to_rgb8(&self) -> Vec<u8> {
        self.values
            .iter()
            .map(|value| (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
            .collect()
    }

    /// Appends the image as three planes (red, green, blue) in [-1, 1], as an autoencoder takes it.
    pub fn append_planes(&self, planes: &mut Vec<f32>) {
        for channel in 0..3 {
            planes.extend(
                self.values[channel..]
                    .iter()
                    .step_by(3)
                    .map(|value| value * 2.0 - 1.0),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Image, PIXELS, SIDE, VALUES};
    use crate::shapes::scene::{PlacedObject, Scene};
    use crate::shapes::world::{Colour, Object, Shape};

    fn one_square() -> Scene {
        let object = Object {
            colour: Colour::Blue,
            shape: Shape::Square,
        };
        Scene {
            ground: 0.95,
            objects: vec![PlacedObject {
                object,
                centre: [10.5, 20.5],
                radius: 6.0,
                rgb: object.colour.rgb(),
            }],
        }
    }

    #[test]
    fn a_square_has_full_coverage_inside_and_partial_coverage_at_its_edge() {
        let image = Image::render(&one_square());
        let at = |row: usize, column: usize| &image.values()[(row * SIDE + column) * 3..][..3];
        let near = |values: &[f32], expected: [f32; 3]| {
            values
                .iter()
                .zip(expected)
                .all(|(value, wanted)| (value - wanted).abs() < 1e-6)
        };
        assert!(near(at(20, 10), [0.12, 0.24, 0.92]));
        assert_eq!(at(0, 0), [0.95; 3]);
        // The square spans 5.4 to 15.6 horizontally, so column 5 is covered by 0.6.
        let expected = 0.95 + (0.12 - 0.95) * 0.6;
        assert!((at(20, 5)[0] - expected).abs() < 1e-5, "{:?}", at(20, 5));
    }

    #[test]
    fn bytes_planes_and_values_agree() {
        let image = Image::render(&one_square());
        let bytes = image.to_rgb8();
        let mut planes = Vec::new();
        image.append_planes(&mut planes);
        assert_eq!((bytes.len(), planes.len()), (VALUES, VALUES));
        let back = Image::from_rgb8(&bytes).expect("right size");
        for pixel in 0..PIXELS {
            for channel in 0..3 {
                let value = image.values()[pixel * 3 + channel];
                assert!((back.values()[pixel * 3 + channel] - value).abs() <= 0.5 / 255.0 + 1e-6);
                assert!((planes[channel * PIXELS + pixel] - (value * 2.0 - 1.0)).abs() < 1e-6);
            }
        }
        assert_eq!(back.to_rgb8(), bytes);
        assert_eq!(Image::from_values(image.values()), Some(image));
    }

    #[test]
    fn a_wrong_number_of_values_is_no_image() {
        assert_eq!(Image::from_rgb8(&[0; VALUES - 1]), None);
        assert_eq!(Image::from_values(&[0.0; VALUES + 1]), None);
    }
}
