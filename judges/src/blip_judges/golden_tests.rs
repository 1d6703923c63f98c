//! Against ImageReward's own code, and BLIP of transformers asked by T2I-CompBench's rules;
//! `tools/goldens/export_judges_blip.py` made the folders and the values.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use mitune_diffusion::nn::weights::{Dtype, SeededTensors, seeded_input_values};
use serde_json::{Map, Value};

use super::preparation::values_of;
use super::reward_network::{NAMES, RewardNetwork, VISION};
use super::*;
use crate::blip::{BlipTextConfig, BlipVisionConfig, TextBatch, original_vision_config};
use crate::clip_judges::Execution;
use crate::pair_judge::PairJudge as _;
use crate::picture::Picture;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/blip")
        .join(name)
}

fn in_batches_of(batch: usize) -> Execution {
    Execution {
        device: Device::flex(),
        dtype: FloatDType::F32,
        batch: NonZeroUsize::new(batch).unwrap(),
    }
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

fn picture(name: &str) -> Picture {
    Picture::decode(&std::fs::read(golden("pictures").join(name)).unwrap()).unwrap()
}

/// Rewards have a deviation of 1, so that one near 0 has no better digits than another.
fn assert_close(found: f64, expected: f64, name: &str) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    println!("{name}: {found}, relative error {error:.1e}");
    assert!(error < 1e-5, "{name}: {found}, expected {expected}");
}

#[derive(serde::Deserialize)]
struct NetworkCase {
    seed: u64,
    vision: VisionSizes,
    med_config: Map<String, Value>,
    widths: Vec<usize>,
    ids: Vec<Vec<u32>>,
    length: usize,
    raw: Vec<f64>,
}

#[derive(serde::Deserialize)]
struct VisionSizes {
    width: usize,
    inner: usize,
    layers: usize,
    heads: usize,
    image: usize,
    patch: usize,
}

/// Two heads, three layers, and each name of the file.
#[test]
fn the_network_equals_that_of_image_reward() {
    let case: NetworkCase = read("image_reward_network.json");
    let device = Device::flex();
    let vision = BlipVisionConfig {
        hidden_size: case.vision.width,
        intermediate_size: case.vision.inner,
        num_hidden_layers: case.vision.layers,
        num_attention_heads: case.vision.heads,
        image_size: case.vision.image,
        patch_size: case.vision.patch,
        layer_norm_eps: 1e-6,
    };
    let text = BlipTextConfig::from_med_config(case.med_config, vision.hidden_size).unwrap();
    let network = RewardNetwork::new(&vision, &text, &case.widths, &device).unwrap();
    let source = SeededTensors::new(case.seed, Dtype::F32, &network, &NAMES);
    assert_eq!(original_vision_config(&source, VISION).unwrap(), vision);
    let network = network.load(&source, FloatDType::F32).unwrap();
    let shape = [case.ids.len(), vision.image_size, vision.image_size, 3];
    let pixels = seeded_input_values(case.seed, "pixels", shape.iter().product());
    let pixels = Tensor::<4>::from_data(TensorData::new(pixels, shape), (&device, DType::F32));
    let texts = TextBatch::new(&case.ids, case.length, 0, &device);
    let found = values_of(network.forward(pixels, &texts)).unwrap();
    assert_eq!(found.len(), case.raw.len());
    for (index, (found, expected)) in found.iter().zip(&case.raw).enumerate() {
        assert_close(f64::from(*found), *expected, &format!("pair {index}"));
    }
}

#[derive(serde::Deserialize)]
struct RewardRow {
    picture: String,
    prompt: String,
    reward: f64,
}

#[test]
fn rewards_equal_those_of_image_reward() {
    let rows: Vec<RewardRow> = read("image_reward/rows.json");
    assert!(rows.len() >= 8);
    let judge = ImageReward::open(&golden("image_reward"), in_batches_of(1)).unwrap();
    let pictures: Vec<Picture> = rows.iter().map(|row| picture(&row.picture)).collect();
    let pairs: Vec<(&Picture, &str)> = pictures
        .iter()
        .zip(&rows)
        .map(|(picture, row)| (picture, row.prompt.as_str()))
        .collect();
    let found = judge.score(&pairs).unwrap();
    for (found, row) in found.iter().zip(&rows) {
        assert_close(*found, row.reward, &format!("{} {:?}", row.picture, row.prompt));
    }
    // Filled up, and beside others.
    let judge = ImageReward::open(&golden("image_reward"), in_batches_of(3)).unwrap();
    let together = judge.score(&pairs).unwrap();
    for (index, pair) in pairs.iter().enumerate().take(4) {
        assert_eq!(judge.score(&[*pair]).unwrap(), [together[index]]);
    }
    assert!(judge.score(&[]).unwrap().is_empty());
}

#[derive(serde::Deserialize)]
struct VqaRow {
    picture: String,
    chunks: Vec<String>,
    probabilities: Vec<f64>,
    score: f64,
    plain_probabilities: Vec<f64>,
}

/// 480 pixels asked of a file for 384.
#[test]
fn answers_equal_those_of_transformers_and_scores_follow_t2i_compbench() {
    let rows: Vec<VqaRow> = read("blip_vqa/rows.json");
    assert!(rows.len() >= 4);
    let open = |first_token, batch| {
        let settings = BlipVqaSettings {
            first_token,
            ..BlipVqaSettings::default()
        };
        BlipVqa::open(&golden("blip_vqa"), &settings, in_batches_of(batch)).unwrap()
    };
    let (judge, plain) = (open(FirstToken::Encoder, 1), open(FirstToken::Plain, 1));
    let pictures: Vec<Picture> = rows.iter().map(|row| picture(&row.picture)).collect();
    for (picture, row) in pictures.iter().zip(&rows) {
        let questions: Vec<String> = row.chunks.iter().map(|chunk| question(chunk)).collect();
        for (judge, expected) in [(&judge, &row.probabilities), (&plain, &row.plain_probabilities)] {
            let found = judge.probabilities(picture, &questions).unwrap();
            assert_eq!(found.len(), expected.len());
            for ((found, expected), question) in found.iter().zip(expected).zip(&questions) {
                assert_close(f64::from(*found), *expected, question);
            }
        }
    }
    let items: Vec<(&Picture, &[String])> = pictures
        .iter()
        .zip(&rows)
        .map(|(picture, row)| (picture, row.chunks.as_slice()))
        .collect();
    let scores = judge.score(&items).unwrap();
    let expected: Vec<f64> = rows.iter().map(|row| row.score).collect();
    assert_eq!(scores, expected);
    assert_eq!(judge.score(&[(&pictures[0], [].as_slice())]).unwrap(), [1.0]);
    assert_eq!(open(FirstToken::Encoder, 3).score(&items).unwrap(), expected);
}

#[test]
fn files_of_another_model_are_refused_by_what_they_lack() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let error = ImageReward::open(folder.path(), in_batches_of(1)).unwrap_err();
        error.to_string()
    };
    assert!(open().contains("ImageReward.pt"));
    for name in ["ImageReward.pt", "med_config.json", "vocab.txt"] {
        std::fs::copy(golden("image_reward").join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("med_config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let without = text.replace("\"add_cross_attention\": true", "\"add_cross_attention\": false");
    std::fs::write(&path, without).unwrap();
    let error = ImageReward::open(folder.path(), in_batches_of(1)).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("add_cross_attention"), "{source}");
    std::fs::write(&path, &text).unwrap();
    let longer = format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n{}", "a\n".repeat(999));
    std::fs::write(folder.path().join("vocab.txt"), longer).unwrap();
    assert!(open().contains("vocab_size"), "{}", open());
    let whole = std::fs::read_to_string(golden("image_reward").join("vocab.txt")).unwrap();
    for lines in [159, 100] {
        let short: Vec<&str> = whole.lines().take(lines).collect();
        std::fs::write(folder.path().join("vocab.txt"), short.join("\n")).unwrap();
        let words = format!("has {} tokens, but the network has 162", lines + 2);
        assert!(open().contains(&words), "{}", open());
    }
}
