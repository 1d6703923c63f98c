//! Whatever goes wrong in the middle of a run: the program says what and where, and the same command mends it.

use std::fs;

use serde_json::Value;

use crate::program::{ended, real_command, run_real};
use crate::small_pipeline::{Place, told};

#[test]
fn a_damaged_result_is_set_aside_and_computed_again() {
    let place = Place::new();
    assert_eq!(place.run(&[]).code, Some(0));
    let before = place.contents();
    let shards = place.files("shards");
    let record: Value = serde_json::from_slice(&fs::read(&shards[0]).unwrap()).unwrap();
    let blob = find(&record, "blob").unwrap().to_owned();
    let path = place.path().join(".mitune/blobs").join(&blob[..2]).join(&blob);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();

    let again = place.run(&[]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(
        again.stdout.contains("1 computed, 3 found in the store"),
        "{}",
        again.stdout
    );
    assert_eq!(place.contents(), before);
    let aside = place.files("quarantine");
    assert!(
        aside.iter().any(|file| file.to_string_lossy().contains(&blob)),
        "{aside:?}"
    );
    let verified = run_real(place.path(), &["store", "verify", "--full"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
}

/// The first text of a key anywhere in a document.
fn find<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    match value {
        Value::Object(map) => map
            .get(key)
            .and_then(Value::as_str)
            .or_else(|| map.values().find_map(|value| find(value, key))),
        _ => None,
    }
}

#[test]
fn a_training_that_diverges_stops_with_its_step_and_keeps_its_checkpoint() {
    let place = Place::new();
    let set = [
        "--set",
        "stages.adapter.learning_rate=1e6",
        "--set",
        "stages.adapter.optimizer={weight_decay: 1e6}",
    ];
    let texts = [
        "Error: Stage `adapter` failed\n",
        "Training stopped at step 2 of 3; the last checkpoint is kept. Lower the learning rate",
        "is `NaN`",
    ];
    place.refused(&set, 1, &texts);
    assert_eq!(place.files("checkpoints").len(), 2);
    assert!(place.contents().iter().all(|(port, _)| port != "adapter"));
    place.refused(&set, 1, &["going on from the checkpoint of step 2", texts[1]]);
    assert_eq!(place.run(&[]).code, Some(0), "the mistake mended");
}

#[test]
fn without_room_a_run_fails_clearly_and_with_room_it_is_completed() {
    let place = Place::new();
    assert_eq!(place.run(&[]).code, Some(0));
    let undisturbed = place.contents();
    fs::remove_dir_all(place.path().join(".mitune")).unwrap();
    let mut failures = 0;
    for blocks in [0, 2, 8, 12, 16, 20, 24, 32, 48, 64] {
        let limited = place.limited(blocks, "run small.yaml --device cpu");
        if limited.code == Some(0) {
            continue;
        }
        failures += 1;
        told(
            &limited,
            1,
            &[
                "Error: ",
                "Cannot ",
                ".mitune/",
                "no space is left there\n",
                "Hint: Free some space, then run the same command again; a run goes on where it stopped\n",
            ],
        );
        assert!(place.files("tmp").is_empty(), "{:?}", place.files("tmp"));
        if place.path().join(".mitune/FORMAT").exists() {
            let verified = run_real(place.path(), &["store", "verify", "--full"]);
            assert_eq!(verified.code, Some(0), "{blocks}: {}", verified.stdout);
        }
    }
    assert!(failures >= 3, "only {failures} runs had no room");
    let last = place.run(&[]);
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    assert_eq!(place.contents(), undisturbed);
}

#[test]
fn images_that_did_not_fit_do_not_stand_in_the_way_of_the_next_attempt() {
    let place = Place::new();
    let generate = "generate --model model --prompt red --steps 1 -n 2 --device cpu --out out";
    let out = place.path().join("out");
    let mut failures = Vec::new();
    for blocks in (0..200).step_by(3) {
        let limited = place.limited(blocks, generate);
        if limited.code == Some(0) {
            break;
        }
        told(
            &limited,
            1,
            &["Error: Cannot write `out/", "Hint: Free some space"],
        );
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "{blocks}");
        failures.push(limited.stderr);
    }
    // The table is larger than the images, so some failures come after these are written.
    for file in ["0000.png", "candidates.parquet"] {
        let file = format!("`out/{file}`");
        assert!(
            failures.iter().any(|stderr| stderr.contains(&file)),
            "{file}: {failures:?}"
        );
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3);
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_without_room_is_a_failure() {
    let place = Place::new();
    for arguments in [&["plan", "small.yaml"][..], &["plan", "small.yaml", "--json"]] {
        let mut plan = real_command(place.path(), arguments);
        plan.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        let text = "Error: Cannot write to standard output\n  Caused by: No space left on device";
        told(&ended(plan.output().unwrap()), 1, &[text]);
    }
}
