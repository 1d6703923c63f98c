//! Remotes that hold other bytes, other tables and other people's records than they should, and stores that may only be
//! read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sharing::{ALL_FOUND, Shared, User, files};

/// A folder remote with everything that a user computed and signed.
fn shared_by(anna: &User) -> Shared {
    let lab = Shared::new();
    anna.does(&["run", "demo.yaml"]);
    anna.does(&["remote", "add", "lab", &lab.url()]);
    anna.does(&["push"]);
    lab
}

fn actions(store: &Path) -> Vec<PathBuf> {
    let names = files(store, "actions").into_iter();
    names.map(|name| store.join(name)).collect()
}

fn record(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns the record of a kind of stage and where it is.
fn of_stage(store: &Path, stage: &str) -> (PathBuf, Value) {
    let mut records = actions(store).into_iter().map(|path| {
        let record = record(&path);
        (path, record)
    });
    records.find(|(_, record)| record["stage"] == stage).unwrap()
}

/// Writes a record with a check that holds, as anybody can who may write there.
fn forge(path: &Path, mut record: Value) {
    let fields = record.as_object_mut().unwrap();
    fields.remove("check");
    let value: mitune_store::Value = serde_json::from_value(Value::Object(fields.clone())).unwrap();
    let bytes = mitune_store::encode(&value).unwrap();
    let check = blake3::Hash::from(blake3::derive_key("mitune 2026 action record v1", &bytes));
    fields.insert("check".into(), check.to_hex().as_str().into());
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, record.to_string()).unwrap();
}

#[test]
fn trust_that_comes_later_holds_for_a_remote_that_was_there_before() {
    let (anna, ben) = (User::new(), User::new());
    let key = anna.key();
    let lab = shared_by(&anna);
    ben.does(&["remote", "add", "lab", &lab.url(), "--read-only"]);
    let trusted = ben.does(&["key", "trust", "lab", &key]);
    assert!(trusted.contains("are refused"), "{trusted}");
    let listed: Value = serde_json::from_str(&ben.does(&["remote", "list", "--json"])).unwrap();
    assert_eq!(listed[0]["settings"]["policy"]["unsigned"], "deny");
    assert_eq!(listed[0]["unsigned_follows_trust"], true);

    let (path, mut forged) = of_stage(&lab.store(), "remainder");
    forged.as_object_mut().unwrap().remove("sig");
    forged["metrics"]["forged"] = true.into();
    forge(&path, forged);
    let pulled = ben.does(&["pull"]);
    assert!(pulled.contains("; 1 left out"), "{pulled}");
    let ran = ben.does(&["run", "demo.yaml"]);
    assert!(ran.contains("1 computed, 1 found"), "{ran}");
    let (_, own) = of_stage(&ben.path().join(".mitune"), "remainder");
    assert_eq!(own["metrics"]["forged"], Value::Null);

    let untrusted = ben.does(&["key", "untrust", "lab", &key]);
    assert!(
        untrusted.contains("are refused"),
        "trust taken back opens nothing: {untrusted}"
    );
    ben.does(&["remote", "set", "lab", "--unsigned", "warn"]);
    let listed: Value = serde_json::from_str(&ben.does(&["remote", "list", "--json"])).unwrap();
    assert_eq!(listed[0]["unsigned_follows_trust"], false);
}

#[test]
fn records_that_nobody_vouches_for_are_counted_and_told() {
    let (anna, ben, cleo) = (User::new(), User::new(), User::new());
    let lab = shared_by(&anna);
    ben.does(&["remote", "add", "lab", &lab.url(), "--read-only"]);
    let pulled = ben.does(&["pull"]);
    assert!(pulled.contains("signed by no trusted key"), "{pulled}");
    cleo.does(&["remote", "add", "lab", &lab.url(), "--read-only"]);
    let ran = cleo.run(&["run", "demo.yaml"]);
    assert_eq!(ran.stdout, ALL_FOUND);
    assert!(
        ran.stderr
            .contains("2 records of the remote `lab` were used although no trusted key"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_remote_with_other_bytes_costs_time_only() {
    let anna = User::new();
    let lab = shared_by(&anna);
    let preimages: Vec<String> = actions(&lab.store())
        .iter()
        .map(|path| record(path)["preimage"].as_str().unwrap().to_owned())
        .collect();
    for name in files(&lab.store(), "blobs") {
        let path = lab.store().join(&name);
        let is_preimage = preimages.iter().any(|preimage| name.ends_with(preimage));
        if !is_preimage {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
    for (changed, report) in [
        (&[][..], ""),
        (&["--set", "stages.b.modulo=5"][..], ""),
        (&[][..], "report: {}\n"),
    ] {
        let ben = User::new();
        let pipeline = ben.path().join("demo.yaml");
        let text = fs::read_to_string(&pipeline).unwrap();
        fs::write(&pipeline, text + report).unwrap();
        ben.does(&["remote", "add", "lab", &lab.url(), "--read-only"]);
        for _ in 0..2 {
            let mut arguments = vec!["run", "demo.yaml"];
            arguments.extend(changed);
            ben.does(&arguments);
        }
        assert_eq!(ben.run(&["store", "verify", "--full"]).code, Some(0));
    }
}

#[test]
fn a_record_with_another_table_is_disowned_and_its_stage_computed() {
    let anna = User::new();
    let lab = shared_by(&anna);
    let (path, mut forged) = of_stage(&lab.store(), "numbers");
    let (_, other) = of_stage(&lab.store(), "remainder");
    let good = forged["outputs"]["values"]["content"].clone();
    forged["outputs"]["values"] = other["outputs"]["remainder"].clone();
    forge(&path, forged);
    let ben = User::new();
    ben.does(&["remote", "add", "lab", &lab.url(), "--read-only"]);
    for _ in 0..2 {
        ben.does(&["run", "demo.yaml"]);
    }
    let (_, own) = of_stage(&ben.path().join(".mitune"), "numbers");
    assert_eq!(own["outputs"]["values"]["content"], good);
    assert!(!ben.files("invalid").is_empty(), "it is disowned for others too");
}

#[test]
fn what_reads_artifacts_fetches_them_after_a_pull_of_records() {
    let anna = User::new();
    anna.does(&["run", "demo.yaml", "--set", "stages.b.modulo=5"]);
    let lab = shared_by(&anna);
    let (_, made) = of_stage(&lab.store(), "numbers");
    let digest = made["outputs"]["values"]["content"].as_str().unwrap().to_owned();
    let commands: [&[&str]; 8] = [
        &["report", "demo.yaml"],
        &["store", "show", &digest],
        &["store", "cat", &digest],
        &["store", "export", &digest, "out"],
        &["store", "ls", "--prompt", "a red circle"],
        &["store", "audit", "demo.yaml"],
        &["lineage", &digest],
        &["diff"],
    ];
    for arguments in commands {
        let ben = User::new();
        ben.does(&["remote", "add", "lab", &lab.url()]);
        ben.does(&["pull", "--metadata-only"]);
        ben.does(arguments);
    }
    let ben = User::new();
    ben.does(&["remote", "add", "lab", &lab.url()]);
    ben.does(&["pull", "--metadata-only"]);
    ben.does(&["report", "demo.yaml"]);
    assert!(
        fs::read_to_string(ben.path().join("demo.html"))
            .unwrap()
            .contains("</html>")
    );
}

#[test]
fn a_store_that_may_only_be_read_serves_what_it_has() {
    let anna = User::new();
    anna.does(&["run", "demo.yaml"]);
    let format = anna.path().join(".mitune/FORMAT");
    let text = fs::read_to_string(&format).unwrap();
    fs::remove_file(&format).unwrap();
    fs::write(&format, text.replace("\"min_writer\":1", "\"min_writer\":99")).unwrap();
    let before = anna.files("");

    let ran = anna.run(&["run", "demo.yaml"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), ALL_FOUND),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("may only be read"), "{}", ran.stderr);
    for arguments in [
        &["status"][..],
        &["report", "demo.yaml"],
        &["store", "ls"],
        &["store", "verify"],
        &["plan", "demo.yaml"],
    ] {
        anna.does(arguments);
    }
    let other = anna.run(&["run", "demo.yaml", "--set", "stages.b.modulo=5"]);
    assert_eq!(other.code, Some(1), "{}", other.stdout);
    for text in [
        "Stage `b` must compute",
        "may only be read here",
        "Hint: Use a store of your own",
    ] {
        assert!(other.stderr.contains(text), "{text}: {}", other.stderr);
    }
    assert_eq!(anna.files(""), before);
}

#[test]
fn words_that_the_environment_cannot_mean_are_mistakes() {
    for (name, value) in [
        ("MITUNE_INDEX", "off"),
        ("MITUNE_LEASES", "no"),
        ("MITUNE_LEASES", "-1"),
    ] {
        let user = User::new();
        let mut command = crate::program::command(user.path(), &["run", "demo.yaml"]);
        let ended = crate::program::ended(command.env(name, value).output().unwrap());
        assert_eq!(ended.code, Some(2), "{name}={value}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("`{name}` is `{value}`")),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains("Hint: "), "{}", ended.stderr);
    }
}
