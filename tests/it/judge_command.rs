//! `judge`: from a model folder and images to scores and distances, without a pipeline.

use std::fs;
use std::path::Path;

use mitune_diffusion::image::RgbImage;
use serde_json::Value;

use crate::program::{Ended, run_real};
use crate::trial_clip;

/// A folder with a tiny CLIP, some images in `images`, and `pairs.csv`.
fn workplace() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    fs::create_dir(folder.join("clip")).unwrap();
    trial_clip::write(&folder.join("clip"), 1);
    fs::create_dir(folder.join("images")).unwrap();
    for number in 0..3_u32 {
        let side = 9 + number;
        let pixels = (0..side * side * 3).map(|i| ((i + number) * 97 % 251) as u8);
        let png = RgbImage::new(side, side, pixels.collect())
            .unwrap()
            .to_png()
            .unwrap();
        fs::write(folder.join(format!("images/{number}.png")), png).unwrap();
    }
    let pairs = "image,prompt\nimages/0.png,a red circle\nimages/1.png,\nimages/2.png,a cross\n";
    fs::write(folder.join("pairs.csv"), pairs).unwrap();
    place
}

fn judge(folder: &Path, arguments: &str) -> Ended {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    run_real(folder, &[&["judge", "--device", "cpu"][..], &arguments].concat())
}

const PAIRS: &str = "--judge clip-score --model clip --pairs pairs.csv --out judged.parquet";
const SETS: &str = "--judge cmmd --model clip --images images --reference images";

#[test]
fn pairs_are_judged_into_a_table_and_folders_compared() {
    let place = workplace();
    let folder = place.path();
    let ended = judge(folder, PAIRS);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "3 pairs judged into `judged.parquet`\n");
    assert!(folder.join("judged.parquet").is_file());
    let ended = judge(folder, &format!("{PAIRS} --json"));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["pairs"][2]["prompt"], "a cross");
    assert!(document["pairs"][1]["score"].as_f64().unwrap().abs() <= 1.0);
    let pick = PAIRS.replace("clip-score", "pickscore");
    assert_eq!(judge(folder, &pick).code, Some(0));

    let ended = judge(folder, &format!("{SETS} --json"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(document["distance"].as_f64().unwrap() < 1e-9, "{document}");
    assert_eq!(document["images"], 3);
    let ended = judge(folder, &format!("{SETS} --resamples 10"));
    assert!(
        ended.stdout.starts_with("cmmd 0.000000, from "),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.ends_with("3 images against 3\n"), "{}", ended.stdout);
}

#[test]
fn mistakes_are_named_and_exit_with_2() {
    let place = workplace();
    let folder = place.path();
    let refused = |arguments: &str, words: &str| {
        let ended = judge(folder, arguments);
        assert_eq!(ended.code, Some(2), "{arguments}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments}: {}", ended.stderr);
        assert!(!folder.join("judged.parquet").exists());
    };
    refused(&PAIRS.replace("clip-score", "clip"), "clip-score");
    refused(
        &PAIRS.replace("--model clip", "--model clop"),
        "Did you mean `clip`?",
    );
    refused(&PAIRS.replace("clip-score", "hpsv2"), "`HPS_v2_compressed.pt`");
    refused(&PAIRS.replace("clip-score", "image-reward"), "ImageReward.pt");
    refused(&PAIRS.replace("clip-score", "blip-vqa"), "vocab.txt");
    refused(
        &PAIRS.replace("clip-score", "aesthetic-v2"),
        "sac+logos+ava1-l14-linearMSE.pth",
    );
    refused(
        "--judge clip-score --model clip --out judged.parquet",
        "needs `--pairs`",
    );
    refused(&format!("{PAIRS} --images images"), "does not take `--images`");
    refused(&format!("{SETS} --out judged.parquet"), "does not take `--out`");
    refused("--judge fid --model clip --images images", "needs `--reference`");
    refused(
        &SETS.replace("cmmd", "fid"),
        "pt_inception-2015-12-05-6726825d.pth",
    );
    fs::create_dir(folder.join("none")).unwrap();
    refused(
        &SETS.replace("--images images", "--images none"),
        "no images in `none`",
    );
    fs::rename(folder.join("images/2.png"), folder.join("none/2.png")).unwrap();
    refused(PAIRS, "images/2.png");
    let one = SETS
        .replace("cmmd", "fid")
        .replace("--images images", "--images none");
    refused(&one, "needs at least 2");
    fs::write(folder.join("images/2.png"), "no image").unwrap();
    refused(PAIRS, "row 3");
    refused(SETS, "2.png");
}
