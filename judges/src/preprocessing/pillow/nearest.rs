//! Resizing without mixing: Pillow's nearest neighbour, which palettes and single bits get.

use crate::preprocessing::geometry::Axis;

/// The sample that each kept position shows; places are added up step by step, as Pillow does.
pub(super) fn nearest(axis: &Axis) -> Vec<usize> {
    if axis.is_unchanged() {
        return axis.window.clone().collect();
    }
    let step = axis.input as f64 / axis.resized as f64;
    let places = std::iter::successors(Some(step * 0.5), |place| Some(place + step));
    places
        .take(axis.window.end)
        .skip(axis.window.start)
        .map(|place| (place as usize).min(axis.input - 1))
        .collect()
}

/// The pixels in these rows and columns of an image of this width.
pub(super) fn pick<T: Copy, const CHANNELS: usize>(
    samples: &[T],
    width: usize,
    rows: &[usize],
    columns: &[usize],
) -> Vec<T> {
    let (pixels, _) = samples.as_chunks::<CHANNELS>();
    let mut picked = Vec::with_capacity(rows.len() * columns.len() * CHANNELS);
    for row in rows {
        let line = &pixels[row * width..][..width];
        for column in columns {
            picked.extend_from_slice(&line[*column]);
        }
    }
    picked
}
