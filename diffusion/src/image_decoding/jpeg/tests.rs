//! Files of every kind against what Pillow opens, and files that were changed anywhere.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::MOST_PIXELS;
use super::super::decoded_image::Samples;
use super::super::tests::crc;
use super::*;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/jpeg_files")
        .join(name)
}

/// Lines of name, mode, width, height and sum.
fn expected() -> Vec<Vec<String>> {
    let text = fs::read_to_string(golden("expected.txt")).unwrap();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    text.lines().map(words).collect()
}

fn file(name: &str) -> Vec<u8> {
    fs::read(golden(name)).unwrap()
}

#[test]
fn samples_are_those_of_pillow_to_the_bit() {
    let expected = expected();
    assert!(expected.len() > 80, "{}", expected.len());
    let mut wrong = Vec::new();
    for line in &expected {
        let [name, mode, width, height, sum] = line.as_slice() else {
            panic!("{line:?}");
        };
        let image = decode(&file(name), MOST_PIXELS).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(image.width().to_string(), *width, "{name}");
        assert_eq!(image.height().to_string(), *height, "{name}");
        let bytes = match (mode.as_str(), image.samples()) {
            ("L", Samples::Rgb(pixels)) => pixels.iter().step_by(3).copied().collect(),
            ("RGB", Samples::Rgb(pixels)) | ("CMYK", Samples::Cmyk(pixels)) => pixels.clone(),
            other => panic!("{name}: {other:?}"),
        };
        if crc(&bytes).to_string() != *sum {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_is_rarely_written_is_refused_as_such() {
    let usual = file("q75_420.jpg");
    let frame = usual
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    let changed = |place: usize, value: u8| {
        let mut bytes = usual.clone();
        bytes[frame + place] = value;
        match decode(&bytes, MOST_PIXELS).unwrap_err() {
            ImageError::Decode { source, .. } => source,
            other => panic!("{other:?}"),
        }
    };
    // Lossless, hierarchical and arithmetic; 12 bits; two components; five samples, and three where another has two.
    for marker in [0xc3, 0xc5, 0xc9, 0xca, 0xcf] {
        assert_eq!(changed(1, marker), ImageDamage::Rare);
    }
    assert_eq!(changed(4, 12), ImageDamage::Rare);
    assert_eq!(changed(9, 2), ImageDamage::Rare);
    assert_eq!(changed(11, 0x52), ImageDamage::Damaged);
    assert_eq!(changed(14, 0x31), ImageDamage::Rare);
    // A height that follows the first scan.
    let mut bytes = usual.clone();
    bytes[frame + 5..frame + 7].fill(0);
    assert!(matches!(
        decode(&bytes, MOST_PIXELS),
        Err(ImageError::Decode {
            source: ImageDamage::Rare,
            ..
        })
    ));
}

#[test]
fn a_file_of_scans_without_end_is_refused() {
    let usual = file("progressive_q60.jpg");
    let scan = usual
        .windows(2)
        .position(|marker| marker == [0xff, 0xda])
        .unwrap();
    let mut bytes = usual[..scan].to_vec();
    // Bits of the DC coefficients of one component, none of which are there.
    let empty = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0x10];
    bytes.extend(empty.repeat(MOST_SCANS + 1));
    bytes.extend([0xff, END_OF_IMAGE]);
    assert!(matches!(
        decode(&bytes, MOST_PIXELS),
        Err(ImageError::Decode {
            source: ImageDamage::Greedy,
            ..
        })
    ));
}

proptest! {
    #[test]
    fn no_file_that_was_changed_makes_it_panic(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        markers in prop::collection::vec((any::<Index>(), 0xc0_u8..=0xfe), 0..2),
    ) {
        let names = expected();
        let mut bytes = file(&which.get(&names)[0]);
        for (place, value) in changes {
            let place = 3 + place.index(bytes.len() - 3);
            bytes[place] = value;
        }
        for (place, marker) in markers {
            let place = 3 + place.index(bytes.len() - 4);
            bytes[place..place + 2].copy_from_slice(&[0xff, marker]);
        }
        // Small images show as much as large ones.
        if let Ok(image) = decode(&bytes, 1 << 16) {
            prop_assert!(u64::from(image.width()) * u64::from(image.height()) <= 1 << 16);
        }
    }
}
