//! Files of every kind against Pillow, and files that must be refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;

fn golden() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/image_files");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn files_are_read_as_pillow_reads_them() {
    let files = golden();
    let mut worst: BTreeMap<&str, (u8, f64)> = BTreeMap::new();
    let inputs = files.iter().filter(|(name, _)| !name.starts_with("expected_"));
    let mut compared = 0;
    for (name, bytes) in inputs {
        let found = RgbImage::decode(bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let expected = RgbImage::from_png(&files[&format!("expected_{name}.png")]).unwrap();
        assert_eq!(
            (found.width(), found.height()),
            (expected.width(), expected.height()),
            "{name}"
        );
        let differences = found.pixels().iter().zip(expected.pixels());
        let differences: Vec<u8> = differences
            .map(|(found, expected)| found.abs_diff(*expected))
            .collect();
        let most = *differences.iter().max().unwrap();
        let mean = differences.iter().copied().map(f64::from).sum::<f64>() / differences.len() as f64;
        let worst = worst.entry(name.rsplit('.').next().unwrap()).or_default();
        *worst = (worst.0.max(most), worst.1.max(mean));
        println!("{name}: {most} at most, {mean:.3} on average");
        compared += 1;
    }
    println!("largest differences by kind {worst:?}");
    assert!(compared > 35, "{compared}");
    assert_eq!(worst["png"], (0, 0.0));
    assert_eq!(worst["jpg"], (0, 0.0));
    let (most, mean) = worst["webp"];
    assert!(most <= 2 && mean <= 0.1, "{most} {mean}");
}

#[test]
fn a_file_cut_off_anywhere_or_damaged_is_an_error_or_an_image() {
    for (name, bytes) in golden() {
        for end in (0..bytes.len()).step_by(7) {
            let cut = RgbImage::decode(&bytes[..end]);
            // The image may be whole although what follows it is missing.
            let needed = bytes.len() / 2;
            let animated = name.starts_with("animated");
            assert!(cut.is_err() || animated || end > needed, "{name} {end}");
        }
        for place in (0..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x55;
            let _ = RgbImage::decode(&damaged);
        }
    }
}

#[test]
fn sizes_without_end_are_refused_before_memory_is_taken() {
    let files = golden();
    let mut jpeg = files["q75_s2.jpg"].clone();
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    let mut webp = files["animated.webp"].clone();
    let canvas = webp.windows(4).position(|name| name == b"VP8X").unwrap();
    webp[canvas + 12..canvas + 18].copy_from_slice(&[0x1f, 0x4e, 0, 0x1f, 0x4e, 0]);
    let mut png = RgbImage::new(1, 1, vec![0; 3]).unwrap().to_png().unwrap();
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let head = 8 + 4 + 4 + 13;
    let sum = crc(&png[12..head]);
    png[head..head + 4].copy_from_slice(&sum.to_be_bytes());
    for (name, bytes) in [("jpeg", jpeg), ("webp", webp), ("png", png)] {
        let error = RgbImage::decode(&bytes).unwrap_err();
        assert!(matches!(error, ImageError::TooLarge { .. }), "{name}: {error:?}");
        let message = error.to_string();
        assert!(
            message.ends_with(", more than the 67108864 that are read; make it smaller"),
            "{message}"
        );
    }
}

#[test]
fn photographs_are_read_and_whoever_computes_reads_less() {
    // Of 50 and of 60 million pixels.
    for (width, height) in [(8688, 5792), (9504, 6336)] {
        assert_eq!(
            check_size(width, height, MOST_PIXELS).unwrap(),
            (width as u32, height as u32)
        );
    }
    let error = check_size(12_000, 12_000, MOST_PIXELS).unwrap_err().to_string();
    assert_eq!(
        error,
        "It has 12000 x 12000 pixels, which are 144000000, more than the 67108864 that are read; make it smaller"
    );
    assert!(check_size(1 << 32, 0, MOST_PIXELS).is_err());
    for (name, bytes) in golden() {
        let image = RgbImage::decode(&bytes).unwrap();
        let pixels = u64::from(image.width()) * u64::from(image.height());
        assert_eq!(RgbImage::decode_at_most(&bytes, pixels).unwrap(), image, "{name}");
        let error = RgbImage::decode_at_most(&bytes, pixels - 1).unwrap_err();
        assert!(
            matches!(error, ImageError::TooLarge { limit, .. } if limit == pixels - 1),
            "{name}: {error}"
        );
    }
}

/// Nobody learns what to do from a checksum.
#[test]
fn damage_is_told_in_words_of_no_decoder() {
    let files = golden();
    let reason = |bytes: &[u8]| match RgbImage::decode(bytes).unwrap_err() {
        ImageError::Decode { source, .. } => source,
        other => panic!("{other}"),
    };
    let mut png = RgbImage::new(2, 2, vec![7; 12]).unwrap().to_png().unwrap();
    assert_eq!(reason(&png[..20]), ImageDamage::Cut);
    // The first byte of the sum of the head.
    png[29] ^= 1;
    assert_eq!(reason(&png), ImageDamage::Damaged);
    let jpeg = &files["q75_s2.jpg"];
    assert_eq!(reason(&jpeg[..jpeg.len() - 2]), ImageDamage::Cut);
    let mut lossless = jpeg.clone();
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    lossless[frame + 1] = 0xc3;
    assert_eq!(reason(&lossless), ImageDamage::Rare);
    let mut deep = jpeg.clone();
    deep[frame + 4] = 12;
    assert_eq!(reason(&deep), ImageDamage::Rare);
    let webp = &files["animated.webp"];
    assert_eq!(reason(&webp[..14]), ImageDamage::Cut);
    let mut other = webp.clone();
    other[12..16].copy_from_slice(b"abcd");
    assert_eq!(reason(&other), ImageDamage::Damaged);
    assert_eq!(
        ImageDamage::Damaged.to_string(),
        "The file is damaged; get it again"
    );
}

/// The sum that ends a chunk of a PNG file.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32| {
        (0..8).fold(sum, |sum, _| {
            if sum & 1 == 1 {
                0xedb8_8320 ^ (sum >> 1)
            } else {
                sum >> 1
            }
        })
    };
    !bytes
        .iter()
        .fold(u32::MAX, |sum, byte| step(sum ^ u32::from(*byte)))
}

#[test]
fn other_files_are_named() {
    for (bytes, name) in [
        (&b"GIF89a"[..], "a GIF"),
        (b"BM\0\0", "a BMP"),
        (b"II*\0\0", "a TIFF"),
        (b"\0\0\0\x20ftypavif", "an AVIF"),
        (b"\0\0\0\x20ftypheic", "a HEIC"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"", "an empty file"),
        (b"\x80\x04", "no image that is known"),
    ] {
        let error = RgbImage::decode(bytes).unwrap_err().to_string();
        assert!(
            error.contains(name) && error.ends_with("expected PNG, JPEG or WebP"),
            "{error}"
        );
    }
}
