//! Colours multiplied by their alpha, which Pillow resizes instead of the colours themselves.

/// Pillow's conversion from RGBA to RGBa.
pub(super) fn multiplied(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<4>();
    let multiplied = pixels.iter().flat_map(|[red, green, blue, alpha]| {
        let [red, green, blue] = [red, green, blue].map(|colour| {
            let product = u32::from(*colour) * u32::from(*alpha) + 128;
            // The shifts are Pillow's division by 255.
            (((product >> 8) + product) >> 8) as u8
        });
        [red, green, blue, *alpha]
    });
    multiplied.collect()
}

/// Its conversion back: divisions are cut off, and what overshoots is white.
pub(super) fn divide(pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<4>();
    for [red, green, blue, alpha] in pixels {
        if !matches!(*alpha, 0 | 255) {
            for colour in [red, green, blue] {
                *colour = (255 * u32::from(*colour) / u32::from(*alpha)).min(255) as u8;
            }
        }
    }
}
