//! Distances against clean-fid, numpy and scipy, made by `tools/goldens/export_judges_sets.py`.

use std::path::Path;

use mitune_diffusion::nn::weights::seeded_input_values;
use serde::Deserialize;

use super::{FeatureMoments, FeatureRows, KernelDistance, diversity, frechet_distance};

const SEED: u64 = 47;

#[derive(Deserialize)]
struct Golden {
    frechet: Vec<FrechetCase>,
    kernel: Vec<KernelCase>,
    diversity: Vec<DiversityCase>,
}

#[derive(Deserialize)]
struct FrechetCase {
    images: usize,
    reference: usize,
    width: usize,
    distance: f64,
}

#[derive(Deserialize)]
struct KernelCase {
    images: usize,
    reference: usize,
    width: usize,
    distance: f64,
    /// As the reference computes it, in f32.
    distance_f32: f64,
}

#[derive(Deserialize)]
struct DiversityCase {
    images: usize,
    width: usize,
    mean_cosine_distance: f64,
    vendi_score: f64,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sets/distances.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Features that differ in how much they vary.
fn features(name: &str, count: usize, width: usize) -> FeatureRows {
    let values = seeded_input_values(SEED, &format!("{name} {count} {width}"), count * width);
    let scaled = values.chunks_exact(width).map(|row| {
        let scaled = row
            .iter()
            .enumerate()
            .map(|(index, value)| value / (1 + index % 7) as f32);
        scaled.collect::<Vec<_>>()
    });
    FeatureRows::of(width, scaled).unwrap()
}

/// Features of another mean and variance than [`features`].
fn moved(name: &str, count: usize, width: usize) -> FeatureRows {
    let moved = features(name, count, width);
    let moved = moved
        .rows()
        .map(|row| row.iter().map(|value| value * 1.25 + 0.25).collect::<Vec<_>>());
    FeatureRows::of(width, moved).unwrap()
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found / expected - 1.0).abs();
    assert!(
        error < tolerance,
        "{what}: {found} is not {expected}, {error:.1e}"
    );
}

#[test]
fn frechet_distances_equal_those_of_clean_fid() {
    for case in golden().frechet {
        let gaussian = |rows: &FeatureRows| FeatureMoments::try_from(rows).unwrap().gaussian().unwrap();
        let images = gaussian(&features("images", case.images, case.width));
        let reference = gaussian(&moved("reference", case.reference, case.width));
        let found = frechet_distance(&images, &reference).unwrap();
        let what = format!("{} and {} images of {}", case.images, case.reference, case.width);
        assert_close(found, case.distance, 1e-8, &what);
    }
}

#[test]
fn kernel_distances_equal_those_of_cmmd() {
    for case in golden().kernel {
        let images = features("images", case.images, case.width).normalized().unwrap();
        let reference = moved("reference", case.reference, case.width)
            .normalized()
            .unwrap();
        let found = KernelDistance::default().distance(&images, &reference).unwrap();
        assert_close(found, case.distance, 1e-9, "f64");
        // Eight digits of a kernel near 1 leave so much, whatever the distance.
        assert!(
            (found - case.distance_f32).abs() < 2e-3,
            "{found} {}",
            case.distance_f32
        );
    }
}

#[test]
fn diversities_equal_those_of_numpy() {
    for case in golden().diversity {
        let found = diversity(&features("images", case.images, case.width)).unwrap();
        assert_close(
            found.mean_cosine_distance,
            case.mean_cosine_distance,
            1e-10,
            "mean cosine distance",
        );
        assert_close(found.vendi_score, case.vendi_score, 1e-10, "Vendi score");
    }
}
