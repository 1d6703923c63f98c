//! What a file has, and what becomes of it.

use std::fs;
use std::path::Path;

use mitune_diffusion::image_decoding::Transparency;

use super::*;

fn file(name: &str) -> Picture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diffusion/tests/golden/image_files");
    Picture::decode(&fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn files_keep_their_modes() {
    for (name, expected) in [
        ("grey_2.png", "rgb"),
        ("grey_transparent.png", "rgb"),
        ("rgb_16.png", "rgb"),
        ("grey.jpg", "rgb"),
        ("q80.webp", "rgb"),
        ("one_bit.png", "indexed"),
        ("palette.png", "indexed"),
        ("palette_transparent.png", "indexed"),
        ("rgba.png", "rgba"),
        ("rgba_16.png", "rgba"),
        ("grey_alpha.png", "rgba"),
        ("grey_alpha_16.png", "rgba"),
        ("lossless_alpha.webp", "rgba"),
        ("grey_16.png", "deep"),
        ("grey_16_transparent.png", "deep"),
        ("cmyk.jpg", "cmyk"),
    ] {
        let picture = file(name);
        let found = match picture.samples() {
            Samples::Rgb(_) => "rgb",
            Samples::Indexed(_) => "indexed",
            Samples::Rgba(_) => "rgba",
            Samples::Cmyk(_) => "cmyk",
            Samples::DeepGrey(_) => "deep",
        };
        assert_eq!(found, expected, "{name}");
        assert_eq!(picture.to_rgb().pixels(), &*picture.rgb(), "{name}");
        assert_eq!(picture.to_rgb().width(), picture.width(), "{name}");
    }
}

#[test]
fn transparency_of_palettes_and_colours_is_known() {
    let known = |name| file(name).image.transparency().clone();
    assert_eq!(
        known("palette_transparent.png"),
        Transparency::Alphas(vec![0, 128])
    );
    assert_eq!(known("grey_transparent.png"), Transparency::Colour([5; 3]));
    assert_eq!(known("grey_16_transparent.png"), Transparency::Colour([5; 3]));
    assert_eq!(known("rgba.png"), Transparency::None);
}

/// The numbers are those of Pillow's `alpha_composite`.
#[test]
fn what_is_transparent_becomes_white_where_it_is_asked_for() {
    let half = file("palette_transparent.png");
    assert_eq!(&*half.rgb(), [9, 8, 7, 6, 5, 4]);
    assert_eq!(&*half.rgb_on_white(), [255, 255, 255, 130, 130, 129]);
    assert_eq!(
        &*file("grey_transparent.png").rgb_on_white(),
        [255, 255, 255, 200, 200, 200]
    );
    let opaque = file("palette.png");
    assert_eq!(opaque.rgb_on_white(), opaque.rgb());
}
