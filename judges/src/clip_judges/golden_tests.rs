//! Judges against their references, made by `tools/goldens/export_judges_clip.py`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::nn::weights::write_safetensors;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::clip::ClipConfig;
use crate::clip::seeded::seeded_clip;
use crate::picture::Picture;

#[derive(Deserialize)]
struct OfTransformers {
    config: Map<String, Value>,
    seed: u64,
    logit_scale: f32,
    pairs: Vec<(String, String)>,
    clip_score: Vec<f64>,
    hessel: Vec<f64>,
    pick_score: Vec<f64>,
    pictures: Vec<String>,
    aesthetic_v1: Vec<f64>,
    aesthetic_v2: Vec<f64>,
}

#[derive(Deserialize)]
struct OfHps {
    pairs: Vec<(String, String)>,
    scores: Vec<f64>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/clip")
        .join(name)
}

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

fn execution(batch: usize) -> Execution {
    Execution {
        device: Device::flex(),
        dtype: FloatDType::F32,
        batch: NonZeroUsize::new(batch).unwrap(),
    }
}

fn pictures() -> BTreeMap<String, Picture> {
    [
        "rgb.png",
        "alpha.png",
        "grey.png",
        "palette.png",
        "one.png",
        "photo.jpg",
    ]
    .into_iter()
    .map(|name| {
        let bytes = std::fs::read(golden("pictures").join(name)).unwrap();
        (name.to_owned(), Picture::decode(&bytes).unwrap())
    })
    .collect()
}

fn copy_tokenizer(folder: &Path) {
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diffusion/tests/golden/tokenizer/plain");
    for name in [
        "vocab.json",
        "merges.txt",
        "special_tokens_map.json",
        "tokenizer_config.json",
    ] {
        std::fs::copy(tokenizer.join(name), folder.join(name)).unwrap();
    }
}

/// A folder of transformers' CLIP as its users have it.
fn clip_folder(case: &OfTransformers) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = ClipConfig::try_from(case.config.clone()).unwrap();
    let weights = seeded_clip(&config, case.seed, case.logit_scale);
    write_safetensors(&folder.path().join("model.safetensors"), &weights, None).unwrap();
    let write =
        |name: &str, value: &Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    write("config.json", &Value::Object(case.config.clone()));
    write(
        "preprocessor_config.json",
        &json!({"size": {"shortest_edge": 20}, "crop_size": {"height": 20, "width": 20}}),
    );
    copy_tokenizer(folder.path());
    folder
}

/// Scores in the order of pairs, at once and one by one, against those of the reference.
fn check(judge: &dyn PairJudge, pairs: &[(String, String)], expected: &[f64], unit: f64) {
    let pictures = pictures();
    let pairs: Vec<(&Picture, &str)> = pairs
        .iter()
        .map(|(name, prompt)| (&pictures[name], prompt.as_str()))
        .collect();
    let found = judge.score(&pairs).unwrap();
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        // Cosines of unit embeddings: what is near 0 is a difference of larger numbers.
        let error = (found - expected).abs() / expected.abs().max(unit / 4.0);
        assert!(error < 1e-5, "pair {index}: {found} is not {expected}: {error:e}");
    }
    let alone = judge.score(&pairs[3..4]).unwrap()[0];
    assert!((alone - found[3]).abs() < 1e-6, "{alone} {}", found[3]);
    assert!(judge.score(&[]).unwrap().is_empty());
}

#[test]
fn clip_score_and_pick_score_equal_their_references() {
    let case: OfTransformers = read("transformers.json");
    let folder = clip_folder(&case);
    let files = ClipFiles::open(folder.path()).unwrap();
    let clip_score = || {
        let (preprocessing, tokens) = (
            ClipScore::preprocessing(&files),
            ClipScore::tokens(&files).unwrap(),
        );
        ClipScore::load(&files, &files.weights, preprocessing, tokens, execution(4)).unwrap()
    };
    check(&clip_score(), &case.pairs, &case.clip_score, 1.0);
    check(
        &clip_score().with_form(ClipScoreForm::Hessel),
        &case.pairs,
        &case.hessel,
        2.5,
    );
    let (preprocessing, tokens) = (files.preprocessing().unwrap(), PickScore::tokens(&files).unwrap());
    let pick = PickScore::load(&files, &files.weights, preprocessing, tokens, execution(4)).unwrap();
    check(
        &pick,
        &case.pairs,
        &case.pick_score,
        f64::from(case.logit_scale).exp(),
    );
}

#[test]
fn aesthetic_ratings_equal_those_of_laion() {
    let case: OfTransformers = read("transformers.json");
    let folder = clip_folder(&case);
    let files = ClipFiles::open(folder.path()).unwrap();
    let pairs: Vec<(String, String)> = case
        .pictures
        .iter()
        .map(|name| (name.clone(), String::new()))
        .collect();
    let heads = golden("heads");
    let head = aesthetic_head(&heads, &AestheticV1::HEADS).unwrap();
    let prepare = AestheticV1::preprocessing(&files);
    let first = AestheticV1::load(&files, &files.weights, &head, prepare.clone(), execution(2)).unwrap();
    check(&first, &pairs, &case.aesthetic_v1, 1.0);
    let head = aesthetic_head(&heads, &AestheticV2::HEADS).unwrap();
    let second = AestheticV2::load(&files, &files.weights, &head, prepare.clone(), execution(2)).unwrap();
    check(&second, &pairs, &case.aesthetic_v2, 1.0);
    let other = aesthetic_head(&heads, &["ava+logos-l14-reluMSE.pth"]).unwrap();
    let refused = AestheticV2::load(&files, &files.weights, &other, prepare, execution(2)).unwrap_err();
    assert!(refused.to_string().contains("ReLU"), "{refused}");
    let missing = aesthetic_head(folder.path(), &AestheticV2::HEADS)
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("`sac+logos+ava1-l14-linearMSE.pth`"),
        "{missing}"
    );
}

#[test]
fn hps_equals_open_clip_in_both_of_its_layouts() {
    for name in ["hps", "hps_custom"] {
        let case: OfHps = read(&format!("{name}.json"));
        let folder = tempfile::tempdir().unwrap();
        for file in ["HPS_v2_compressed.pt", "open_clip_config.json"] {
            std::fs::copy(golden(name).join(file), folder.path().join(file)).unwrap();
        }
        copy_tokenizer(folder.path());
        let files = HpsFiles::open(folder.path(), None).unwrap();
        assert_eq!(files.version, HpsVersion::V2);
        let (preprocessing, tokens) = (Hps::preprocessing(&files, true), Hps::tokens(&files).unwrap());
        let judge = Hps::load(&files, &files.weights, preprocessing, tokens, execution(5)).unwrap();
        check(&judge, &case.pairs, &case.scores, 1.0);
        let absent = HpsFiles::open(folder.path(), Some(HpsVersion::V21))
            .unwrap_err()
            .to_string();
        assert!(absent.contains("`HPS_v2.1_compressed.pt`"), "{absent}");
    }
}

#[test]
fn prompts_are_cleaned_and_split_as_open_clip_does() {
    let folder = tempfile::tempdir().unwrap();
    copy_tokenizer(folder.path());
    let tokens = PromptTokens::open(folder.path(), 16, PromptRules::Cleaned, OverLong::CutOff).unwrap();
    let ends = tokens.encode("").unwrap();
    for (prompt, text, ids) in read::<Vec<(String, String, Vec<u32>)>>("cleaned.json") {
        assert_eq!(cleaned(&prompt), text, "{prompt:?}");
        let mut expected = vec![ends[0]];
        expected.extend(ids.iter().take(14));
        expected.resize(16, ends[1]);
        assert_eq!(tokens.encode(&prompt).unwrap(), expected, "{prompt:?}");
    }
}

#[test]
fn pictures_of_another_size_than_the_networks_are_refused() {
    let case: OfTransformers = read("transformers.json");
    let folder = clip_folder(&case);
    let files = ClipFiles::open(folder.path()).unwrap();
    let preprocessing = crate::preprocessing::Preprocessing::open_ai_clip(25);
    let images = ImageEmbeddings::load(&files.weights, &files.config, preprocessing, execution(1)).unwrap();
    let pictures = pictures();
    let error = images.embed(&[&pictures["rgb.png"]]).unwrap_err();
    assert!(
        matches!(
            error,
            JudgeError::PictureSize {
                expected: 20,
                height: 25,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.hint().is_some());
    let preprocessing = crate::preprocessing::Preprocessing::cmmd(20);
    let images = ImageEmbeddings::load(&files.weights, &files.config, preprocessing, execution(4)).unwrap();
    let unit = images
        .embed_normalised(&pictures.values().collect::<Vec<_>>())
        .unwrap();
    for embedding in unit {
        let length: f32 = embedding.iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-6);
    }
}
