use std::fs;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use mitune_diffusion::image::RgbImage;
use serde_json::json;

use super::*;
use crate::contract::Silent;
use crate::testing::trial_clip;

fn png(side: u32, phase: u32) -> Vec<u8> {
    let pixels = (0..side * side * 3).map(|i| ((i + phase) * 97 % 251) as u8);
    RgbImage::new(side, side, pixels.collect())
        .unwrap()
        .to_png()
        .unwrap()
}

/// Five images of unequal sizes with their prompts, the last of them empty.
fn plan(folder: &Path) -> JudgedPairs {
    let clip = folder.join("clip");
    fs::create_dir(&clip).unwrap();
    trial_clip::write(&clip, 1);
    let mut rows = "image,prompt\n".to_owned();
    for (number, prompt) in ["a red circle", "a cross", "a red circle", "blue", ""]
        .into_iter()
        .enumerate()
    {
        fs::write(
            folder.join(format!("{number}.png")),
            png(9 + 3 * number as u32, number as u32),
        )
        .unwrap();
        rows.push_str(&format!("{number}.png,{prompt}\n"));
    }
    fs::write(folder.join("pairs.csv"), rows).unwrap();
    JudgedPairs {
        judge: serde_json::from_value(json!({"clip_score": {"model": clip}})).unwrap(),
        device: "cpu".parse().unwrap(),
        batch_size: NonZeroU32::new(2).unwrap(),
        pairs: folder.join("pairs.csv"),
        out: folder.join("judged.parquet"),
    }
}

fn run(plan: &JudgedPairs) -> Result<Judged, StageError> {
    plan.judge(&Silent, &AtomicBool::new(false))
}

fn scores(judged: &Judged) -> Vec<f64> {
    judged.pairs.iter().map(|pair| pair.score).collect()
}

fn written(path: &Path) -> RecordBatch {
    let file = fs::File::open(path).unwrap();
    let mut reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 100).unwrap();
    reader.next().unwrap().unwrap()
}

#[test]
fn rows_come_out_as_they_go_in() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let judged = run(&plan).unwrap();
    let found = scores(&judged);
    assert!(
        found.len() == 5 && found.iter().all(|score| score.abs() <= 1.0),
        "{found:?}"
    );
    let table = written(&plan.out);
    assert_eq!(table["score"].as_primitive::<Float64Type>().values(), &found[..]);
    let images = table["image"].as_string::<i32>();
    assert!(
        images
            .iter()
            .eq(["0.png", "1.png", "2.png", "3.png", "4.png"].map(Some))
    );
    // The other pairs of a file change nothing.
    let csv = "image,prompt\n3.png,blue\n1.png,a cross\n1.png,a red circle\n";
    fs::write(&plan.pairs, csv).unwrap();
    let other = scores(&run(&plan).unwrap());
    assert_eq!(other[..2], [found[3], found[1]]);
    assert_ne!(other[2], found[1]);
}

#[test]
fn a_pair_that_cannot_be_read_is_named_and_leaves_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let refused = |csv: &str, words: &[&str]| {
        fs::write(&plan.pairs, csv).unwrap();
        let error = run(&plan).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        let error = error.to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(!plan.out.exists());
    };
    refused("image,prompt\n0.png,a\nnone.png,a\n", &["none.png", "row 2"]);
    fs::write(folder.path().join("text.png"), "no image").unwrap();
    refused(
        "image,prompt\n0.png,a\n1.png,a\ntext.png,a\n",
        &["`text.png`", "row 3"],
    );
    refused("image,prompt\n", &["no pairs"]);
    let cancelled = AtomicBool::new(true);
    fs::write(&plan.pairs, "image,prompt\n0.png,a\n").unwrap();
    let stopped = plan.judge(&Silent, &cancelled);
    assert!(matches!(stopped, Err(StageError::Interrupted)));
    assert!(!plan.out.exists());
    let same = JudgedPairs {
        out: plan.pairs.clone(),
        ..plan.clone()
    };
    assert!(run(&same).is_err());
}

#[test]
fn phrases_of_a_file_are_a_json_list() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let csv = "image,prompt,chunks\n0.png,a,\"[\"\"a red car\"\", \"\"the sky\"\"]\"\n1.png,a,\n2.png,a,[]\n3.png,a,red\n";
    fs::write(&plan.pairs, csv).unwrap();
    let mut asked = AskedPairs::open(&plan.pairs, true).unwrap();
    let mut next = || asked.next_pair().map(|pair| pair.unwrap().phrases);
    let phrases = ["a red car", "the sky"].map(str::to_owned).to_vec();
    assert_eq!(next().unwrap(), Some(phrases));
    assert_eq!(next().unwrap(), None);
    assert_eq!(next().unwrap(), Some(Vec::new()));
    let error = next().unwrap_err().to_string();
    assert!(error.contains("row 4") && error.contains("`chunks`"), "{error}");
    let mut unasked = AskedPairs::open(&plan.pairs, false).unwrap();
    assert_eq!(unasked.next_pair().unwrap().unwrap().phrases, None);
}

/// References do not trim what they are given.
#[test]
fn prompts_are_judged_and_written_as_they_stand_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let csv = "image,prompt\n0.png,\"\u{a0} a cross \"\n0.png,\"  \"\n";
    fs::write(&plan.pairs, csv).unwrap();
    let judged = run(&plan).unwrap();
    let prompts: Vec<&str> = judged.pairs.iter().map(|pair| pair.prompt.as_str()).collect();
    assert_eq!(prompts, ["\u{a0} a cross ", "  "]);
    let table = written(&plan.out);
    let written = table["prompt"].as_string::<i32>();
    assert!(written.iter().eq(prompts.into_iter().map(Some)));
    fs::write(&plan.pairs, "image,prompt\n0.png,\" a\0b \"\n").unwrap();
    assert!(run(&plan).is_err());
}

/// An image longer than any that is resized, in the second batch.
#[test]
fn an_image_that_cannot_be_prepared_is_named_with_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let width = 65_600;
    let png = RgbImage::new(width, 1, vec![7; width as usize * 3])
        .unwrap()
        .to_png()
        .unwrap();
    fs::write(folder.path().join("long.png"), png).unwrap();
    let csv = "image,prompt\n0.png,a\n1.png,a\n2.png,a\nlong.png,a\n3.png,a\n";
    fs::write(&plan.pairs, csv).unwrap();
    let error = run(&plan).unwrap_err().to_string();
    assert!(error.contains("`long.png`") && error.contains("row 4"), "{error}");
    assert!(!plan.out.exists());
}
