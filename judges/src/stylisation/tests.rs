//! Filters against numpy's (`tools/goldens/export_stylisation.py`).

use std::path::Path;

use mitune_diffusion::image::RgbImage;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    width: u32,
    height: u32,
    image: Vec<u8>,
    styled: Vec<u8>,
    edge_sketch: Option<Sketched>,
    palette: Option<Painted>,
    blur_and_snow: Option<Snowed>,
}

#[derive(Deserialize)]
struct Sketched {
    threshold: f64,
    saturation: f64,
}

#[derive(Deserialize)]
struct Painted {
    colours: Vec<[u8; 3]>,
    levels: u16,
}

#[derive(Deserialize)]
struct Snowed {
    radius: usize,
    passes: usize,
    haze: f64,
    flakes: Vec<Fallen>,
}

#[derive(Deserialize)]
struct Fallen {
    x: f64,
    y: f64,
    radius: f64,
    opacity: f64,
}

impl Case {
    fn applied(&self) -> RgbImage {
        let image = RgbImage::new(self.width, self.height, self.image.clone()).unwrap();
        if let Some(Sketched {
            threshold,
            saturation,
        }) = self.edge_sketch
        {
            return EdgeSketch {
                threshold,
                saturation,
            }
            .apply(&image);
        }
        if let Some(Painted { colours, levels }) = &self.palette {
            return PaletteStyle {
                colours: colours.clone(),
                levels: *levels,
            }
            .apply(&image);
        }
        let snowed = self.blur_and_snow.as_ref().unwrap();
        let flakes = snowed.flakes.iter().map(|flake| Flake {
            x: flake.x,
            y: flake.y,
            radius: flake.radius,
            opacity: flake.opacity,
        });
        BlurAndSnow {
            radius: snowed.radius,
            passes: snowed.passes,
            haze: snowed.haze,
            flakes: flakes.collect(),
        }
        .apply(&image)
    }
}

#[test]
fn filters_give_numpys_pixels() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stylisation.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 40);
    for (number, case) in cases.iter().enumerate() {
        let styled = case.applied();
        assert_eq!((styled.width(), styled.height()), (case.width, case.height));
        assert_eq!(styled.pixels(), case.styled, "case {number}");
    }
}

#[test]
fn even_surfaces_stay_even() {
    let grey = RgbImage::new(5, 4, vec![90; 60]).unwrap();
    let sketch = EdgeSketch {
        threshold: 32.0,
        saturation: 256.0,
    };
    assert_eq!(sketch.apply(&grey).pixels(), [255; 60]);
    let still = BlurAndSnow {
        radius: 2,
        passes: 2,
        haze: 0.0,
        flakes: Vec::new(),
    };
    assert_eq!(still.apply(&grey).pixels(), grey.pixels());
    let stepped = PaletteStyle {
        colours: COLOURS.to_vec(),
        levels: 8,
    };
    let painted = stepped.apply(&grey);
    assert_eq!(stepped.apply(&painted).pixels(), painted.pixels());
    assert!(COLOURS.iter().any(|colour| painted.pixels()[..3] == colour[..]));
}
