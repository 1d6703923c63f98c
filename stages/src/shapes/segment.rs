//! Finds the ground of an image and the regions that stand out from it.

use super::render::{Image, PIXELS, SIDE};
use super::world::Colour;

/// The distance from the ground, in RGB space, from which a pixel belongs to an object.
///
/// Palette colours are 0.84 to 1.2 away from the ground, so this is an edge pixel covered by a third to a half.
const STANDS_OUT: f32 = 0.38;

/// The smallest region that counts as an object, in pixels; the smallest object of a scene covers 58.
const SMALLEST: usize = 16;

/// The fewest core pixels of one colour that make a part of a region an object of its own.
const SMALLEST_CORE: usize = 10;

/// The pixels of one object.
pub(super) struct Region {
    /// Which pixels belong to it, in ascending order.
    pub(super) pixels: Vec<usize>,
    /// Its colour: the median of each channel over its core.
    pub(super) rgb: [f32; 3],
}

/// Returns the median of each channel over the whole image, of which the ground is the larger part.
pub(super) fn ground(image: &Image) -> [f32; 3] {
    median(image, 0..PIXELS)
}

/// Returns the regions of an image and the number of pixels in regions too small to count.
pub(super) fn regions(image: &Image, ground: [f32; 3]) -> (Vec<Region>, usize) {
    let stands_out = |pixel: usize| distance(colour_at(image, pixel), ground) > STANDS_OUT;
    let candidates: Vec<usize> = (0..PIXELS).filter(|pixel| stands_out(*pixel)).collect();
    let mut specks = 0;
    let mut regions = Vec::new();
    for connected in components(&candidates) {
        let parts = split_by_colour(image, ground, connected);
        for pixels in parts {
            if pixels.len() < SMALLEST {
                specks += pixels.len();
            } else {
                let rgb = median(image, core(&pixels).into_iter());
                regions.push(Region { pixels, rgb });
            }
        }
    }
    (regions, specks)
}

/// Returns the palette colour nearest to `rgb` and its distance.
pub(super) fn nearest_colour(rgb: [f32; 3]) -> (Colour, f32) {
    let mut nearest = (Colour::Red, f32::INFINITY);
    for colour in Colour::ALL {
        let away = distance(rgb, colour.rgb());
        if away < nearest.1 {
            nearest = (colour, away);
        }
    }
    nearest
}

/// Returns the colour of a pixel.
pub(super) fn colour_at(image: &Image, pixel: usize) -> [f32; 3] {
    let values = image.values();
    [values[pixel * 3], values[pixel * 3 + 1], values[pixel * 3 + 2]]
}

/// Splits a region in which two objects touch, which the world never shows but a model may.
///
/// Only a region whose core holds two or more palette colours in earnest is split: each pixel then goes to the
/// colour towards which it departs from the ground.
fn split_by_colour(image: &Image, ground: [f32; 3], pixels: Vec<usize>) -> Vec<Vec<usize>> {
    let mut counts = [0usize; Colour::ALL.len()];
    for pixel in core(&pixels) {
        counts[nearest_colour(colour_at(image, pixel)).0 as usize] += 1;
    }
    let present: Vec<Colour> = Colour::ALL
        .into_iter()
        .filter(|colour| counts[*colour as usize] >= SMALLEST_CORE)
        .collect();
    if present.len() < 2 {
        return vec![pixels];
    }
    let mut parts = Vec::new();
    for colour in &present {
        let own: Vec<usize> = pixels
            .iter()
            .copied()
            .filter(|pixel| towards(colour_at(image, *pixel), ground, &present) == *colour)
            .collect();
        parts.extend(components(&own));
    }
    parts
}

/// Returns the colour whose line from the ground passes nearest to `rgb`.
fn towards(rgb: [f32; 3], ground: [f32; 3], present: &[Colour]) -> Colour {
    let residual = |colour: Colour| {
        let line = difference(colour.rgb(), ground);
        let from_ground = difference(rgb, ground);
        let share = (dot(from_ground, line) / dot(line, line)).clamp(0.0, 1.0);
        distance(from_ground, line.map(|value| value * share))
    };
    let mut best = present[0];
    for colour in present {
        if residual(*colour) < residual(best) {
            best = *colour;
        }
    }
    best
}

/// Returns the 4-connected components of a set of pixels, each in ascending order.
fn components(pixels: &[usize]) -> Vec<Vec<usize>> {
    let mut waiting = [false; PIXELS];
    for pixel in pixels {
        waiting[*pixel] = true;
    }
    let mut found = Vec::new();
    for start in pixels {
        if !std::mem::take(&mut waiting[*start]) {
            continue;
        }
        let mut component = vec![*start];
        let mut reached = 0;
        while let Some(&pixel) = component.get(reached) {
            for neighbour in neighbours(pixel).into_iter().flatten() {
                if std::mem::take(&mut waiting[neighbour]) {
                    component.push(neighbour);
                }
            }
            reached += 1;
        }
        component.sort_unstable();
        found.push(component);
    }
    found
}

/// Returns the pixels whose four neighbours all belong to the set, or the whole set when there is none.
fn core(pixels: &[usize]) -> Vec<usize> {
    let inner: Vec<usize> = pixels
        .iter()
        .copied()
        .filter(|pixel| {
            neighbours(*pixel)
                .iter()
                .all(|neighbour| neighbour.is_some_and(|other| pixels.binary_search(&other).is_ok()))
        })
        .collect();
    if inner.is_empty() { pixels.to_vec() } else { inner }
}

/// Returns the pixels above, left, right and below, where the image goes on.
fn neighbours(pixel: usize) -> [Option<usize>; 4] {
    let column = pixel % SIDE;
    [
        pixel.checked_sub(SIDE),
        (column > 0).then(|| pixel - 1),
        (column + 1 < SIDE).then(|| pixel + 1),
        Some(pixel + SIDE).filter(|below| *below < PIXELS),
    ]
}

fn median(image: &Image, pixels: impl Iterator<Item = usize> + Clone) -> [f32; 3] {
    [0, 1, 2].map(|channel| {
        let mut values: Vec<f32> = pixels
            .clone()
            .map(|pixel| image.values()[pixel * 3 + channel])
            .collect();
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f32::total_cmp).1
    })
}

pub(super) fn distance(one: [f32; 3], other: [f32; 3]) -> f32 {
    let between = difference(one, other);
    dot(between, between).sqrt()
}

fn difference(one: [f32; 3], other: [f32; 3]) -> [f32; 3] {
    [one[0] - other[0], one[1] - other[1], one[2] - other[2]]
}

fn dot(one: [f32; 3], other: [f32; 3]) -> f32 {
    one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
}

#[cfg(test)]
mod tests {
    use super::{PIXELS, SIDE, components, core, ground, nearest_colour, regions};
    use crate::shapes::render::Image;
    use crate::shapes::scene::{PlacedObject, Scene};
    use crate::shapes::world::{Colour, Object, Shape};

    fn scene(objects: &[(Colour, Shape, [f32; 2])]) -> Image {
        let place = |&(colour, shape, centre): &(Colour, Shape, [f32; 2])| PlacedObject {
            object: Object { colour, shape },
            centre,
            radius: 6.0,
            rgb: colour.rgb(),
        };
        Image::render(&Scene {
            ground: 0.95,
            objects: objects.iter().map(place).collect(),
        })
    }

    #[test]
    fn components_are_four_connected_and_stop_at_the_border() {
        let diagonal = [0, SIDE + 1];
        assert_eq!(components(&diagonal), [vec![0], vec![SIDE + 1]]);
        // The last pixel of a row and the first of the next are not neighbours.
        assert_eq!(components(&[SIDE - 1, SIDE]).len(), 2);
        let everything: Vec<usize> = (0..PIXELS).collect();
        assert_eq!(components(&everything).len(), 1);
        assert_eq!(core(&everything).len(), (SIDE - 2) * (SIDE - 2));
        assert_eq!(core(&[5]), [5]);
    }

    #[test]
    fn separate_objects_are_separate_regions_of_their_colour() {
        let image = scene(&[
            (Colour::Yellow, Shape::Cross, [8.0, 8.0]),
            (Colour::Orange, Shape::Circle, [23.0, 23.0]),
        ]);
        let (found, specks) = regions(&image, ground(&image));
        let colours: Vec<Colour> = found.iter().map(|region| nearest_colour(region.rgb).0).collect();
        assert_eq!((colours, specks), (vec![Colour::Yellow, Colour::Orange], 0));
    }

    #[test]
    fn touching_objects_are_told_apart_by_colour() {
        for (left, right) in [
            (Colour::Yellow, Colour::Orange),
            (Colour::Red, Colour::Blue),
            (Colour::Green, Colour::Purple),
        ] {
            let image = scene(&[
                (left, Shape::Cross, [9.0, 16.0]),
                (right, Shape::Circle, [20.5, 16.0]),
            ]);
            let (found, _) = regions(&image, ground(&image));
            let mut colours: Vec<Colour> = found.iter().map(|region| nearest_colour(region.rgb).0).collect();
            colours.sort_unstable();
            let mut expected = vec![left, right];
            expected.sort_unstable();
            assert_eq!(colours, expected);
        }
    }

    #[test]
    fn an_empty_ground_has_no_region() {
        let image = scene(&[]);
        assert_eq!(regions(&image, ground(&image)).0.len(), 0);
    }
}
