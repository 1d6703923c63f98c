use std::collections::BTreeSet;

use super::super::fixture::{Files, message, prompts, rows};
use super::super::{InvalidPrompts, SampleConfig, TestShare, TextSource};
use super::*;

fn inline(texts: &[&str]) -> PromptsConfig {
    PromptsConfig::new(PromptSource::Inline(
        texts.iter().map(|text| (*text).to_owned()).collect(),
    ))
}

fn text(paths: Vec<PathBuf>) -> PromptsConfig {
    PromptsConfig::new(PromptSource::Text(TextSource {
        paths,
        category: None,
        split: None,
    }))
}

fn numbered(count: u32) -> Vec<String> {
    (0..count).map(|number| format!("prompt {number}")).collect()
}

/// The identifier and the text of each row.
fn identified(ingested: &Ingested) -> BTreeSet<(String, String)> {
    let column = |batch: &RecordBatch, index: usize| -> Vec<String> {
        let column = arrow_array::cast::AsArray::as_string::<i32>(batch.column(index));
        column
            .iter()
            .map(|text| text.unwrap_or_default().to_owned())
            .collect()
    };
    ingested
        .batches
        .iter()
        .flat_map(|batch| column(batch, 0).into_iter().zip(column(batch, 1)))
        .collect()
}

#[test]
fn an_inline_list_is_a_source() {
    let ingested = ingest(&inline(&[" a car ", "a boat", "a car"]), Path::new("")).expect("prompts");
    let row = |text: &str, line| (text.to_owned(), None, None, "inline".to_owned(), line);
    assert_eq!(
        rows(&ingested),
        [row("a car", 1), row("a boat", 2), row("a car", 3)]
    );
    assert_eq!(ingested.files, []);
}

#[test]
fn nothing_to_read_is_an_error() {
    assert_eq!(
        message(inline(&[]).validate()),
        "Setting `source.inline` must list at least one prompt, found none"
    );
    assert_eq!(
        message(ingest(&inline(&["", " \n"]), Path::new(""))),
        "No prompts left of 2 read from the inline list: 2 rejected by `empty`"
    );
    let files = Files::new();
    let config = text(files.write("none.txt", ""));
    let found = message(ingest(&config, files.path()));
    assert!(found.ends_with("none.txt`: the source is empty"), "{found}");
}

#[test]
fn settings_out_of_range_are_refused_before_reading() {
    let files = Files::new();
    let mut sample = inline(&["a"]);
    sample.sample = Some(SampleConfig { count: 0, seed: 0 });
    assert_eq!(
        message(ingest(&sample, files.path())),
        "Setting `sample.count` must be at least 1, found `0`"
    );
    let found = message(ingest(&text(Vec::new()), files.path()));
    assert_eq!(
        found,
        "Setting `source.paths` must list at least one file, found none"
    );
    let path = PathBuf::from("a.txt");
    let found = message(ingest(&text(vec![path.clone(), path]), files.path()));
    assert_eq!(
        found,
        "Setting `source.paths` lists a file twice; each row would count twice"
    );
}

#[test]
fn the_first_of_equal_prompts_stays_where_duplicates_are_dropped() {
    let files = Files::new();
    let mut paths = files.write("one.txt", "a\nb\na\n");
    paths.extend(files.write("two.txt", "b\nc"));
    let mut config = text(paths);
    config.deduplicate = true;
    let ingested = ingest(&config, files.path()).expect("prompts");
    let row = |text: &str, source: &str, line| (text.to_owned(), None, None, source.to_owned(), line);
    assert_eq!(
        rows(&ingested),
        [
            row("a", "one.txt", 1),
            row("b", "one.txt", 2),
            row("c", "two.txt", 2)
        ]
    );
    assert_eq!(ingested.report.duplicates_dropped, 2);
}

#[test]
fn a_new_line_changes_no_identifier_and_takes_at_most_one_place() {
    let files = Files::new();
    let texts = numbered(200);
    let mut config = text(files.write("a.txt", texts.join("\n")));
    let all = identified(&ingest(&config, files.path()).expect("prompts"));
    config.sample = Some(SampleConfig { count: 50, seed: 7 });
    let sample = identified(&ingest(&config, files.path()).expect("prompts"));
    assert!(sample.is_subset(&all) && sample.len() == 50);
    files.write("a.txt", format!("a new prompt\n{}", texts.join("\n")));
    let new_sample = identified(&ingest(&config, files.path()).expect("prompts"));
    assert!(sample.difference(&new_sample).count() <= 1);
    config.sample = None;
    let new_all = identified(&ingest(&config, files.path()).expect("prompts"));
    assert!(all.is_subset(&new_all) && new_all.len() == 201);
}

#[test]
fn train_and_test_share_no_prompt() {
    let texts = [numbered(30), numbered(30)].concat();
    let mut config = PromptsConfig::new(PromptSource::Inline(texts));
    config.split = Some(SplitConfig {
        test: TestShare::Count(10),
        seed: 1,
    });
    let ingested = ingest(&config, Path::new("")).expect("prompts");
    let side = |name: &str| -> BTreeSet<String> {
        rows(&ingested)
            .into_iter()
            .filter(|row| row.2.as_deref() == Some(name))
            .map(|row| row.0)
            .collect()
    };
    assert_eq!((side(TRAIN).len(), side(TEST).len()), (20, 10));
    assert!(side(TRAIN).is_disjoint(&side(TEST)));
    assert_eq!(
        ingested.report.splits.clone().into_iter().collect::<Vec<_>>(),
        [("test".to_owned(), 20), ("train".to_owned(), 40)]
    );
    for (wanted, left_out) in [(TRAIN, 20), (TEST, 40)] {
        config.take_split = Some(wanted.to_owned());
        let taken = ingest(&config, Path::new("")).expect("prompts");
        assert_eq!(prompts(&taken).into_iter().collect::<BTreeSet<_>>(), side(wanted));
        assert_eq!(taken.report.rejected["take_split"], left_out);
    }
    config.take_split = Some("val".to_owned());
    assert_eq!(
        message(ingest(&config, Path::new(""))),
        "No prompts left of 60 read from the inline list: 60 rejected by `take_split`"
    );
    config.take_split = None;
    config.split = Some(SplitConfig {
        test: TestShare::Count(30),
        seed: 1,
    });
    assert_eq!(
        message(ingest(&config, Path::new(""))),
        "The split leaves no train prompt: 30 distinct prompts, of which 30 are test prompts"
    );
}

#[test]
fn the_digest_is_that_of_the_bytes() {
    let files = Files::new();
    let config = text(files.write("deep/a.txt", "a car\r\n"));
    let found = source_files(&config, files.path()).expect("a file");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].name.as_str(), found[0].digest),
        ("a.txt", blake3::hash(b"a car\r\n"))
    );
    assert_eq!(ingest(&config, files.path()).expect("prompts").files, found);
}

#[test]
fn directories_are_no_part_of_the_key() {
    let at = |path: &str| serde_json::to_value(text(vec![PathBuf::from(path)]).without_directories());
    assert_eq!(at("/data/a.txt").expect("JSON"), at("a.txt").expect("JSON"));
    assert_ne!(at("/data/a.txt").expect("JSON"), at("/data/b.txt").expect("JSON"));
}

#[test]
fn the_configuration_is_read_as_it_is_written() {
    let config: PromptsConfig = serde_json::from_value(serde_json::json!({
        "source": {"diffusiondb": {"metadata": "metadata.parquet", "max_prompt_nsfw": 0.1}},
        "invalid_prompts": "skip",
        "sample": {"count": 6250},
        "split": {"test": {"count": 1250}, "seed": 2},
    }))
    .expect("a configuration");
    assert_eq!(config.invalid_prompts, InvalidPrompts::Skip);
    assert_eq!(config.sample, Some(SampleConfig { count: 6250, seed: 0 }));
    let written = serde_json::to_value(&config).expect("JSON");
    assert_eq!(
        serde_json::from_value::<PromptsConfig>(written).expect("a configuration"),
        config
    );
    for (wrong, problem) in [
        (
            serde_json::json!({"source": {"inline": ["a"]}, "sampel": {"count": 1}}),
            "unknown field `sampel`",
        ),
        (
            serde_json::json!({"source": {"text": {"paths": [], "column": "a"}}}),
            "unknown field `column`",
        ),
        (
            serde_json::json!({"source": {"pickapic": {}}}),
            "unknown variant `pickapic`",
        ),
        (serde_json::json!({"deduplicate": true}), "missing field `source`"),
    ] {
        let error = serde_json::from_value::<PromptsConfig>(wrong)
            .expect_err("an error")
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn many_rows_come_in_several_batches() {
    let ingested = ingest(
        &PromptsConfig::new(PromptSource::Inline(numbered(20_000))),
        Path::new(""),
    );
    let ingested = ingested.expect("prompts");
    assert!(ingested.batches.len() > 1);
    assert_eq!(prompts(&ingested), numbered(20_000));
}
