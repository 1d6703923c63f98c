//! Transparent pixels on white, as Pillow's `alpha_composite` blends them.

use std::borrow::Cow;

use mitune_diffusion::image_decoding::{Samples, Transparency};

/// Bits that Pillow adds to its weights of 255.
const PRECISION_BITS: u32 = 7;

/// The colours of an image on a white background.
pub(super) fn rgb<'a>(samples: &'a Samples, transparency: &Transparency) -> Cow<'a, [u8]> {
    match (samples, transparency) {
        (Samples::Rgba(pixels), _) => {
            let (pixels, _) = pixels.as_chunks::<4>();
            let blended = pixels
                .iter()
                .flat_map(|[red, green, blue, alpha]| blend([*red, *green, *blue], *alpha));
            Cow::Owned(blended.collect())
        }
        (samples, Transparency::Alphas(alphas)) => {
            let colours = samples.to_rgb();
            let (pixels, _) = colours.as_chunks::<3>();
            let blended = pixels.iter().zip(alphas);
            Cow::Owned(
                blended
                    .flat_map(|(colour, alpha)| blend(*colour, *alpha))
                    .collect(),
            )
        }
        (samples, Transparency::Colour(transparent)) => {
            let colours = samples.to_rgb();
            let (pixels, _) = colours.as_chunks::<3>();
            let seen = pixels.iter().flat_map(|colour| match colour == transparent {
                true => [u8::MAX; 3],
                false => *colour,
            });
            Cow::Owned(seen.collect())
        }
        (samples, Transparency::None) => samples.to_rgb(),
    }
}

fn blend(colour: [u8; 3], alpha: u8) -> [u8; 3] {
    let own = u32::from(alpha) << PRECISION_BITS;
    let white = 255 * ((255 << PRECISION_BITS) - own);
    colour.map(|value| {
        let sum = u32::from(value) * own + white + (0x80 << PRECISION_BITS);
        // The shifts are Pillow's division by 255.
        ((((sum >> 8) + sum) >> 8) >> PRECISION_BITS) as u8
    })
}
