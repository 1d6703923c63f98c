//! The outlines of the shapes and how much of each pixel they cover.

use super::render::SIDE;
use super::world::Shape;

/// Sub-scanlines per pixel row; along a scanline coverage is exact.
const SCANLINES: usize = 8;

impl Shape {
    /// Returns half the width of the shape at height `v`, both in units of its radius, `v` growing downwards.
    ///
    /// Every shape is symmetric about its vertical axis and meets a horizontal line in one interval, or not at
    /// all (0). Outlines stay within the square of half side 1.
    pub(super) fn half_width(self, v: f32) -> f32 {
        match self {
            Shape::Circle => (1.0 - v * v).max(0.0).sqrt(),
            Shape::Square if v.abs() <= SQUARE => SQUARE,
            Shape::Triangle if (-1.0..=TRIANGLE_BASE).contains(&v) => (v + 1.0) / (1.0 + TRIANGLE_BASE),
            Shape::Cross if v.abs() <= CROSS_ARM => 1.0,
            Shape::Cross if v.abs() <= 1.0 => CROSS_ARM,
            Shape::Square | Shape::Triangle | Shape::Cross => 0.0,
        }
    }

    /// Returns the greatest distance of the outline from the centre, in units of the radius.
    pub(super) fn reach(self) -> f32 {
        match self {
            Shape::Circle => 1.0,
            Shape::Square => SQUARE * std::f32::consts::SQRT_2,
            Shape::Triangle => (1.0 + TRIANGLE_BASE * TRIANGLE_BASE).sqrt(),
            Shape::Cross => (1.0 + CROSS_ARM * CROSS_ARM).sqrt(),
        }
    }

    /// Returns the area in units of the squared radius.
    pub(super) fn area(self) -> f32 {
        match self {
            Shape::Circle => std::f32::consts::PI,
            Shape::Square => 4.0 * SQUARE * SQUARE,
            Shape::Triangle => 1.0 + TRIANGLE_BASE,
            Shape::Cross => 8.0 * CROSS_ARM - 4.0 * CROSS_ARM * CROSS_ARM,
        }
    }

    /// Returns how far below the centre the centroid lies, in units of the radius.
    pub(super) fn centroid_below_centre(self) -> f32 {
        match self {
            Shape::Triangle => (2.0 * TRIANGLE_BASE - 1.0) / 3.0,
            Shape::Circle | Shape::Square | Shape::Cross => 0.0,
        }
    }
}

/// Half the side of the square, so that its area lies near that of the circle.
const SQUARE: f32 = 0.85;
/// Where the triangle's base lies below its centre; its apex is 1 above it.
const TRIANGLE_BASE: f32 = 0.8;
/// Half the width of the cross's arms.
const CROSS_ARM: f32 = 0.35;

/// Calls `visit(pixel, coverage)` for every pixel of the canvas that the shape covers, coverage in (0, 1].
///
/// `pixel` counts row by row; pixel (row, column) is the unit square from (column, row) on. Parts beyond the
/// canvas are cut off. Only additions, multiplications, divisions and square roots are used, which IEEE 754
/// rounds alike everywhere, so that the result is the same on every machine.
pub(super) fn cover(shape: Shape, x: f32, y: f32, radius: f32, mut visit: impl FnMut(usize, f32)) {
    let side = SIDE as f32;
    let top = (y - radius).floor().clamp(0.0, side) as usize;
    let bottom = (y + radius).ceil().clamp(0.0, side) as usize;
    let first = (x - radius).floor().clamp(0.0, side) as usize;
    let last = (x + radius).ceil().clamp(0.0, side) as usize;
    for row in top..bottom {
        let mut coverage = [0.0f32; SIDE];
        for scanline in 0..SCANLINES {
            let height = row as f32 + (scanline as f32 + 0.5) / SCANLINES as f32;
            let half = shape.half_width((height - y) / radius) * radius;
            let (left, right) = (x - half, x + half);
            for (column, share) in coverage.iter_mut().enumerate().take(last).skip(first) {
                let overlap = right.min(column as f32 + 1.0) - left.max(column as f32);
                *share += overlap.max(0.0);
            }
        }
        for (column, share) in coverage.into_iter().enumerate() {
            if share > 0.0 {
                visit(row * SIDE + column, (share / SCANLINES as f32).min(1.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SIDE, Shape, cover};

    #[test]
    fn coverage_adds_up_to_the_area_and_its_centroid() {
        for shape in Shape::ALL {
            for (x, y, radius) in [(16.0, 16.0, 6.0), (9.3, 20.7, 5.25), (15.5, 12.1, 6.9)] {
                let (mut area, mut moment_x, mut moment_y) = (0.0, 0.0, 0.0);
                cover(shape, x, y, radius, |pixel, share| {
                    area += share;
                    moment_x += share * ((pixel % SIDE) as f32 + 0.5);
                    moment_y += share * ((pixel / SIDE) as f32 + 0.5);
                });
                let exact = shape.area() * radius * radius;
                assert!(
                    (area / exact - 1.0).abs() < 0.03,
                    "{shape:?}: {area} against {exact}"
                );
                assert!((moment_x / area - x).abs() < 0.01, "{shape:?}");
                let below = (moment_y / area - y) / radius;
                assert!(
                    (below - shape.centroid_below_centre()).abs() < 0.02,
                    "{shape:?}: {below}"
                );
            }
        }
    }

    #[test]
    fn no_outline_point_lies_beyond_the_reach() {
        for shape in Shape::ALL {
            let farthest = (-1000..=1000)
                .map(|step| step as f32 / 1000.0)
                .map(|v| (shape.half_width(v), v))
                .filter(|(half, _)| *half > 0.0)
                .map(|(half, v)| half.hypot(v))
                .fold(0.0, f32::max);
            assert!((farthest - shape.reach()).abs() < 0.002, "{shape:?}: {farthest}");
        }
    }

    #[test]
    fn parts_beyond_the_canvas_are_cut_off() {
        for (x, y) in [(-2.0, 16.0), (33.0, 16.0), (16.0, -40.0), (1.0, 31.5)] {
            for shape in Shape::ALL {
                cover(shape, x, y, 6.0, |pixel, share| {
                    assert!(pixel < SIDE * SIDE && share > 0.0 && share <= 1.0);
                });
            }
        }
    }
}
