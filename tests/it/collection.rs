//! `mitune store gc`, `pin`, `unpin`, `roots`, `why` and `verify` on a real pipeline.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::program::{Ended, run_real};
use crate::small_pipeline::Place;

/// Makes everything in the store look as old as this.
fn make_old(directory: &Path, days: u64) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            make_old(&path, days);
        }
        let time = SystemTime::now() - Duration::from_secs(days * 86_400);
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
    }
}

fn store(place: &Place, arguments: &str) -> Ended {
    let arguments: Vec<&str> = ["store"].into_iter().chain(arguments.split(' ')).collect();
    run_real(place.path(), &arguments)
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn what_runs_no_longer_need_is_collected_and_comes_back_while_it_can() {
    let place = Place::new();
    let root = place.path().join(".mitune");
    assert_eq!(place.run(&[]).code, Some(0));
    let first = place.contents();
    assert_eq!(place.run(&["--set", "stages.adapter.steps=2"]).code, Some(0));
    make_old(&root, 40);
    let nothing = store(&place, "gc");
    assert_eq!(nothing.code, Some(0), "{}", nothing.stderr);
    assert!(
        nothing.stdout.contains("Kept: 0 pins, 2 runs"),
        "{}",
        nothing.stdout
    );

    let roots = json(&store(&place, "roots --json"));
    let old_run = roots["runs"][1]["id"].as_str().unwrap().to_owned();
    // Only the adapter of the first run is needed by nothing else.
    let before = place.files("blobs");
    let plan = store(&place, "gc --keep-runs 1");
    assert!(plan.stdout.contains("Would collect:"), "{}", plan.stdout);
    assert!(
        plan.stdout.contains("1 unreachable stage records"),
        "{}",
        plan.stdout
    );
    assert_eq!(place.files("blobs"), before);

    let pinned = store(&place, &format!("pin {old_run} --name paper --why figure"));
    assert_eq!(pinned.code, Some(0), "{}", pinned.stderr);
    let listed = store(&place, "roots");
    assert!(
        listed.stdout.contains("paper") && listed.stdout.contains("figure"),
        "{}",
        listed.stdout
    );
    let spared = json(&store(&place, "gc --keep-runs 1 --yes --json"));
    assert_eq!(spared["executed"], true);
    assert!(
        spared["report"]["collected"].get("action_record").is_none(),
        "{spared}"
    );
    assert_eq!(store(&place, "unpin paper").code, Some(0));
    assert_eq!(store(&place, "unpin paper").code, Some(2));

    let digest = {
        let listed = json(&store(&place, "ls --stage finetune --json"));
        // The newest stands first.
        let old = listed.as_array().unwrap().last();
        old.unwrap()["digest"].as_str().unwrap().to_owned()
    };
    let why = store(&place, &format!("why {digest}"));
    assert!(
        why.stdout.contains(&format!("run {old_run} -> stage `finetune`")),
        "{}",
        why.stdout
    );
    make_old(&root.join("blobs"), 40);
    let collected = json(&store(&place, "gc --keep-runs 1 --yes --json"));
    assert_eq!(
        collected["report"]["collected"]["action_record"]["files"], 1,
        "{collected}"
    );
    assert!(!root.join("blobs").join(&digest[..2]).join(&digest).exists());
    let gone = store(&place, &format!("why {digest}"));
    assert_eq!(
        gone.code,
        Some(0),
        "the run is still among the newest five: {}",
        gone.stdout
    );
    assert_eq!(store(&place, "verify --full").code, Some(0));

    // The same pipeline again takes it out of the trash.
    let again = place.run(&[]);
    assert!(again.stdout.contains("0 computed, 4 found"), "{}", again.stdout);
    assert!(first.iter().all(|content| place.contents().contains(content)));

    // For good this time: nothing is left to come back, and it is computed again.
    fs::remove_dir_all(root.join("runs")).unwrap();
    make_old(&root, 40);
    assert_eq!(store(&place, "gc --yes").code, Some(0));
    assert!(place.files("blobs").is_empty() && place.files("actions").is_empty());
    make_old(&root, 40);
    let removed = store(&place, "gc --yes");
    assert!(removed.stdout.contains("removed for good"), "{}", removed.stdout);
    assert!(place.files("trash").is_empty());
    let computed = place.run(&[]);
    assert!(
        computed.stdout.contains("4 computed, 0 found"),
        "{}",
        computed.stdout
    );
    assert_eq!(place.contents(), first);
}

#[test]
fn exit_codes_of_verify_tell_what_it_found() {
    let place = Place::new();
    let root = place.path().join(".mitune");
    assert_eq!(place.run(&[]).code, Some(0));
    let copy = place.path().join("copy");
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(&root)
        .arg(&copy)
        .status()
        .unwrap();
    assert!(copied.success());
    let damage = || {
        let blobs = place.files("blobs");
        fs::remove_file(&blobs[0]).unwrap();
        fs::remove_file(&blobs[1]).unwrap();
        fs::write(&blobs[1], b"damaged").unwrap();
    };
    assert_eq!(store(&place, "verify").code, Some(0));
    damage();
    let repaired = store(&place, "verify --full --from copy --json");
    assert_eq!(repaired.code, Some(1), "{}", repaired.stdout);
    let report = json(&repaired);
    assert_eq!(
        (&report["outcome"], &report["clean"]),
        (&"repaired".into(), &false.into())
    );
    assert_eq!(
        report["report"]["repaired"].as_array().unwrap().len(),
        2,
        "{report}"
    );
    assert_eq!(store(&place, "verify --full").code, Some(0));
    damage();
    let lost = store(&place, "verify --full");
    assert_eq!(lost.code, Some(2), "{}", lost.stdout);
    assert_eq!(place.run(&[]).code, Some(0));
    for sample in ["1/3", "2/3", "3/3", "7"] {
        let verified = store(&place, &format!("verify --sample {sample}"));
        assert_eq!(verified.code, Some(0), "{sample}: {}", verified.stdout);
    }
    let wrong = store(&place, "verify --sample 4/3");
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("`4/3` is no sample"), "{}", wrong.stderr);
}
