//! Two users who share results through a remote.

#![allow(clippy::print_stdout, reason = "what could not be tested is said")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ended, command, ended};

const PIPELINE: &str = "version: 1
name: demo
stages:
  a: {kind: numbers, count: 6}
  b: {kind: remainder, of: a, modulo: 7}
";

pub(crate) const ALL_FOUND: &str = "a: 6 numbers\n2 stages: 0 computed, 2 found in the store\n";
const ALL_COMPUTED: &str = "a: 6 numbers\n2 stages: 2 computed, 0 found in the store\n";

/// A user with a store, a key folder and a cache of their own.
pub(crate) struct User(tempfile::TempDir);

impl User {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("demo.yaml"), PIPELINE).unwrap();
        if let (Ok(key), Ok(secret)) = (
            std::env::var("MITUNE_TEST_S3_KEY"),
            std::env::var("MITUNE_TEST_S3_SECRET"),
        ) {
            let text = format!(
                "[lab]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\nregion = us-east-1\n"
            );
            fs::write(folder.path().join("credentials"), text).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = command(self.path(), arguments);
        command.env("AWS_SHARED_CREDENTIALS_FILE", self.path().join("credentials"));
        command.env("AWS_PROFILE", "lab");
        ended(command.output().unwrap())
    }

    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(
            ended.code,
            Some(0),
            "{arguments:?}: {}{}",
            ended.stdout,
            ended.stderr
        );
        ended.stdout
    }

    pub(crate) fn key(&self) -> String {
        self.does(&["key", "new"]).trim().to_owned()
    }

    /// Files of the store in a folder, as paths relative to the store.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        files(&self.path().join(".mitune"), folder)
    }
}

pub(crate) fn files(store: &Path, folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![store.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(store).unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// A place to share through: a folder, or a prefix of a bucket.
pub(crate) struct Shared {
    folder: tempfile::TempDir,
    bucket: Option<String>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            bucket: None,
        }
    }

    /// A new place of every kind; a bucket only where the environment names a server.
    fn every() -> Vec<Self> {
        let mut every = vec![Self::new()];
        match std::env::var("MITUNE_TEST_S3") {
            Ok(endpoint) => {
                let id = mitune_store::RunId::generate();
                let mut place = Self::new();
                place.bucket = Some(format!("s3://mitune-tests/{id}?endpoint={endpoint}"));
                every.push(place);
            }
            Err(_) => println!("MITUNE_TEST_S3 is not set: not tested against an S3 server"),
        }
        every
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("lab")
    }

    pub(crate) fn url(&self) -> String {
        let folder = || self.store().to_str().unwrap().to_owned();
        self.bucket.clone().unwrap_or_else(folder)
    }
}

#[test]
fn what_one_user_computes_another_finds_and_changes() {
    Shared::every().iter().for_each(finds_and_changes);
}

fn finds_and_changes(lab: &Shared) {
    let (anna, ben) = (User::new(), User::new());
    let key = anna.key();
    let added = anna.does(&["remote", "add", "lab", &lab.url()]);
    assert!(
        added.contains("can be read and written; files are created once"),
        "{added}"
    );
    assert_eq!(anna.does(&["run", "demo.yaml"]), ALL_COMPUTED);
    ben.does(&["remote", "add", "lab", &lab.url(), "--trust", &key]);
    let plan = ben.does(&["plan", "demo.yaml"]);
    assert!(plan.contains("2 hits, 0 misses, 0 pending"), "{plan}");
    assert!(ben.files("actions").is_empty(), "a plan takes nothing over");
    let second = ben.run(&["run", "demo.yaml"]);
    assert_eq!(second.stdout, ALL_FOUND, "{}", second.stderr);
    assert!(!second.stderr.contains("Warning"), "{}", second.stderr);
    let changed = ben.does(&["run", "demo.yaml", "--set", "stages.b.modulo=5"]);
    assert!(changed.contains("1 computed, 1 found"), "{changed}");
    // Only what is needed comes over: ten numbers reuse the six that are there.
    let more = ben.run(&["run", "demo.yaml", "--set", "stages.a.count=10"]);
    assert!(
        more.stderr.contains("a: 6 of 10 numbers found in the store"),
        "{}",
        more.stderr
    );
    assert_eq!(ben.run(&["store", "verify", "--full"]).code, Some(0));
}

#[test]
fn push_and_pull_transfer_once() {
    let (anna, ben, lab) = (User::new(), User::new(), Shared::new());
    anna.does(&["run", "demo.yaml"]);
    anna.does(&["remote", "add", "lab", &lab.url()]);
    let dry = anna.does(&["push", "--dry-run"]);
    assert!(dry.starts_with("would push "), "{dry}");
    assert!(files(&lab.store(), "actions").is_empty());
    let pushed: Value = serde_json::from_str(&anna.does(&["push", "--json"])).unwrap();
    let expected = files(&anna.path().join(".mitune"), "blobs").len();
    assert!(pushed["blobs"].as_u64().unwrap() as usize <= expected);
    let again: Value = serde_json::from_str(&anna.does(&["push", "--json"])).unwrap();
    assert_eq!(
        (&again["records"], &again["bytes"]),
        (&0.into(), &0.into()),
        "{again}"
    );
    // The marks may be deleted at any time.
    fs::remove_dir_all(anna.path().join("cache")).unwrap();
    let again: Value = serde_json::from_str(&anna.does(&["push", "--json"])).unwrap();
    assert_eq!(
        (&again["blobs"], &again["bytes"]),
        (&0.into(), &0.into()),
        "{again}"
    );

    ben.does(&["remote", "add", "lab", &lab.url(), "--read-only"]);
    let refused = ben.run(&["push"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    ben.does(&["pull", "lab", "--all"]);
    assert_eq!(ben.files("actions"), files(&lab.store(), "actions"));
    assert_eq!(ben.files("shards"), files(&lab.store(), "shards"));
    let again: Value = serde_json::from_str(&ben.does(&["pull", "--json"])).unwrap();
    assert_eq!(
        (&again["records"], &again["blobs"]),
        (&0.into(), &0.into()),
        "{again}"
    );
    ben.does(&["remote", "remove", "lab"]);
    fs::remove_dir_all(lab.store()).unwrap();
    assert_eq!(ben.does(&["run", "demo.yaml"]), ALL_FOUND);
    assert_eq!(ben.run(&["store", "verify", "--full"]).code, Some(0));
}

#[test]
fn results_can_be_chosen_by_run_stage_and_artifact() {
    let (anna, lab) = (User::new(), Shared::new());
    anna.does(&["remote", "add", "lab", &lab.url()]);
    let run: Value = serde_json::from_str(&anna.does(&["run", "demo.yaml", "--json"])).unwrap();
    anna.does(&["run", "demo.yaml", "--set", "stages.b.modulo=5"]);
    let id = run["run"].as_str().unwrap();
    let digest = &run["stages"][0]["outputs"]["values"]["content"].as_str().unwrap()[..12];
    for (what, expected) in [
        (["--run", id], 2),
        (["--stage", "remainder"], 2),
        (["--stage", "numbers"], 1),
        (["--artifact", digest], 1),
    ] {
        let ben = User::new();
        ben.does(&["remote", "add", "lab", &lab.url()]);
        ben.does(&["pull", what[0], what[1]]);
        assert_eq!(ben.files("actions").len(), expected, "{what:?}");
    }
    let ben = User::new();
    ben.does(&["remote", "add", "lab", &lab.url()]);
    let unknown = ben.run(&["pull", "--run", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    assert!(
        unknown.stderr.contains("there is no such run"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn bytes_come_when_they_are_needed() {
    let (anna, ben, lab) = (User::new(), User::new(), Shared::new());
    anna.does(&["remote", "add", "lab", &lab.url()]);
    anna.does(&["run", "demo.yaml"]);
    ben.does(&["remote", "add", "lab", &lab.url()]);
    ben.does(&["pull", "--metadata-only"]);
    let before = ben.files("blobs").len();
    assert_eq!(ben.files("actions").len(), 2);
    assert!(before < files(&lab.store(), "blobs").len());
    assert_eq!(ben.does(&["run", "demo.yaml"]), ALL_FOUND);
    let listed: Vec<Value> = serde_json::from_str(&ben.does(&["store", "ls", "--json"])).unwrap();
    let terms = listed.iter().find(|entry| entry["port"] == "terms").unwrap();
    let digest = terms["digest"].as_str().unwrap();
    assert_eq!(ben.does(&["store", "cat", digest]).trim(), "6");
    assert!(ben.files("blobs").len() > before);

    // A remote that lost the bytes, or all of it, costs time only.
    for blob in files(&lab.store(), "blobs") {
        fs::remove_file(lab.store().join(blob)).unwrap();
    }
    let cleo = User::new();
    cleo.does(&["remote", "add", "lab", &lab.url()]);
    assert_eq!(cleo.does(&["run", "demo.yaml"]), ALL_COMPUTED);
    fs::remove_dir_all(lab.store()).unwrap();
    let dora = cleo.run(&["run", "demo.yaml", "--set", "stages.b.modulo=3"]);
    assert_eq!(dora.code, Some(0));
    assert!(
        dora.stderr.contains("Warning: The remote `lab` is not used"),
        "{}",
        dora.stderr
    );
}

#[test]
fn records_of_strangers_are_refused_and_computed() {
    Shared::every().iter().for_each(strangers_are_refused);
}

fn strangers_are_refused(lab: &Shared) {
    let (anna, ben, carl) = (User::new(), User::new(), User::new());
    let (trusted, strange) = (anna.key(), carl.key());
    carl.does(&["remote", "add", "lab", &lab.url()]);
    carl.does(&["run", "demo.yaml"]);
    ben.does(&["remote", "add", "lab", &lab.url(), "--trust", &trusted]);
    let computed = ben.run(&["run", "demo.yaml"]);
    assert_eq!(computed.stdout, ALL_COMPUTED);
    for text in [
        "of the remote `lab` is refused",
        "actions/",
        &strange,
        "is not trusted",
    ] {
        assert!(computed.stderr.contains(text), "`{text}`: {}", computed.stderr);
    }
    // Carl without a key: not signed is refused too, because a key was named.
    let (dora, other) = (User::new(), Shared::new());
    dora.does(&["remote", "add", "lab", &other.url()]);
    dora.does(&["run", "demo.yaml"]);
    let erna = User::new();
    erna.does(&["remote", "add", "lab", &other.url(), "--trust", &trusted]);
    let computed = erna.run(&["run", "demo.yaml"]);
    assert_eq!(computed.stdout, ALL_COMPUTED);
    assert!(
        computed.stderr.contains("it is not signed"),
        "{}",
        computed.stderr
    );
    erna.does(&["remote", "set", "lab", "--unsigned", "warn"]);
    fs::remove_dir_all(erna.path().join(".mitune/actions")).unwrap();
    let warned = erna.run(&["run", "demo.yaml"]);
    assert_eq!(warned.stdout, ALL_FOUND, "{}", warned.stderr);
    assert!(
        warned.stderr.contains("although no trusted key signed them"),
        "{}",
        warned.stderr
    );
}

#[test]
fn what_is_disowned_is_computed_again_everywhere() {
    Shared::every().iter().for_each(disowned);
}

fn disowned(lab: &Shared) {
    let (anna, ben) = (User::new(), User::new());
    for user in [&anna, &ben] {
        user.does(&["remote", "add", "lab", &lab.url(), "--unsigned", "accept"]);
    }
    let run: Value = serde_json::from_str(&anna.does(&["run", "demo.yaml", "--json"])).unwrap();
    assert_eq!(ben.does(&["run", "demo.yaml"]), ALL_FOUND);
    let key = run["stages"][0]["key"].as_str().unwrap();
    let said = anna.does(&["store", "forget", key, "--why", "broken driver"]);
    assert!(said.contains("shards of its rows"), "{said}");
    let plan = anna.does(&["plan", "demo.yaml"]);
    assert!(plan.contains("broken driver"), "{plan}");
    let again = anna.run(&["run", "demo.yaml"]);
    assert!(
        again.stdout.contains("1 computed, 1 found"),
        "{}{}",
        again.stdout,
        again.stderr
    );
    assert_eq!(anna.does(&["run", "demo.yaml"]), ALL_FOUND);
    // Ben learns of it, and takes the new result.
    ben.does(&["pull"]);
    assert_eq!(ben.does(&["run", "demo.yaml"]), ALL_FOUND);
    let cleo = User::new();
    cleo.does(&["remote", "add", "lab", &lab.url(), "--unsigned", "accept"]);
    let found = cleo.run(&["run", "demo.yaml"]);
    assert_eq!(found.stdout, ALL_FOUND, "{}", found.stderr);
}

#[test]
fn settings_and_mistakes_are_told_clearly() {
    let (anna, lab) = (User::new(), Shared::new());
    for (arguments, text) in [
        (vec!["push"], "There is no store"),
        (vec!["remote", "add", "Lab", "/x"], "cannot name a remote"),
        (
            vec!["remote", "add", "lab", "ftp://x"],
            "use a path, `file:///path`",
        ),
        (
            vec!["remote", "add", "lab", "s3://bucket/x?secret=1"],
            "only `endpoint` and `region`",
        ),
    ] {
        let ended = anna.run(&arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
    anna.does(&["run", "demo.yaml"]);
    let none = anna.run(&["push"]);
    assert!(
        none.stderr.contains("has no remotes yet\nHint: "),
        "{}",
        none.stderr
    );
    anna.does(&["remote", "add", "lab", &lab.url()]);
    let unknown = anna.run(&["push", "lob"]);
    assert!(
        unknown.stderr.contains("There is no remote `lob`, only `lab`"),
        "{}",
        unknown.stderr
    );
    let listed: Value = serde_json::from_str(&anna.does(&["remote", "list", "--json"])).unwrap();
    assert_eq!(listed[0]["settings"]["policy"]["unsigned"], "warn");
    assert_eq!(anna.run(&["remote", "check"]).code, Some(0));
    fs::remove_dir_all(lab.store()).unwrap();
    let checked = anna.run(&["remote", "check"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert!(
        checked.stdout.contains("holds no store instead of"),
        "{}",
        checked.stdout
    );
}

#[test]
fn a_pulled_pipeline_runs_without_the_remote() {
    for lab in Shared::every() {
        let (anna, ben) = (User::new(), User::new());
        let key = anna.key();
        anna.does(&["run", "demo.yaml"]);
        anna.does(&["remote", "add", "lab", &lab.url()]);
        anna.does(&["push"]);
        ben.does(&["remote", "add", "lab", &lab.url(), "--trust", &key]);
        ben.does(&["pull"]);
        ben.does(&["remote", "remove", "lab"]);
        assert_eq!(ben.does(&["run", "demo.yaml"]), ALL_FOUND);
        let changed = ben.does(&["run", "demo.yaml", "--set", "stages.b.modulo=5"]);
        assert!(changed.contains("1 computed, 1 found"), "{changed}");
        assert_eq!(ben.run(&["store", "verify", "--full"]).code, Some(0));
    }
}

#[test]
fn an_audit_computes_again_and_compares() {
    let anna = User::new();
    let none = anna.run(&["store", "audit", "demo.yaml"]);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    anna.does(&["run", "demo.yaml"]);
    let before = (anna.files("actions"), anna.files("blobs"));
    let said = anna.does(&["store", "audit", "demo.yaml", "--recompute", "100%"]);
    assert!(
        said.contains("2 of 2 results computed again: none differs"),
        "{said}"
    );
    assert_eq!(
        (anna.files("actions"), anna.files("blobs")),
        before,
        "an audit leaves no trace"
    );
    let one: Value =
        serde_json::from_str(&anna.does(&["store", "audit", "demo.yaml", "--recompute", "1%", "--json"]))
            .unwrap();
    assert_eq!(one["audited"].as_array().unwrap().len(), 1);

    // A broken machine published a result; everybody would have used it.
    let ben = User::new();
    ben.does(&["run", "demo.yaml", "--set", "stages.b.off_by=1"]);
    assert_eq!(ben.does(&["run", "demo.yaml"]), ALL_FOUND);
    let audit = ben.run(&["store", "audit", "demo.yaml", "--recompute", "100%"]);
    assert_eq!(audit.code, Some(1), "{}", audit.stderr);
    for text in [
        "same       a ",
        "different  b ",
        "2 of 2 results computed again: 1 differ",
    ] {
        assert!(audit.stdout.contains(text), "{text}: {}", audit.stdout);
    }
}

/// A server that takes connections and never answers.
fn silent_server() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    format!("http://{address}")
}

/// Adds a remote whose server has fallen silent since.
fn add_silent(user: &User) {
    let folder = user.path().join(".mitune/remotes");
    fs::create_dir_all(&folder).unwrap();
    let settings = serde_json::json!({
        "v": 1, "url": "s3://lab/x", "endpoint": silent_server(), "region": "us-east-1",
        "store_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "policy": { "trust": [], "unsigned": "accept" },
    });
    fs::write(folder.join("lab.json"), settings.to_string()).unwrap();
    let credentials = "[lab]\naws_access_key_id = k\naws_secret_access_key = s\n";
    fs::write(user.path().join("credentials"), credentials).unwrap();
}

#[test]
fn a_silent_server_does_not_hold_up_a_run() {
    let anna = User::new();
    anna.does(&["run", "demo.yaml"]);
    add_silent(&anna);
    let started = Instant::now();
    let ended = anna.run(&["run", "demo.yaml"]);
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(ended.stdout, ALL_FOUND, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("Warning").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("`lab` is not used"), "{}", ended.stderr);
}

#[test]
fn a_signal_ends_the_wait_for_a_server() {
    let anna = User::new();
    anna.does(&["run", "demo.yaml"]);
    add_silent(&anna);
    let mut command = command(anna.path(), &["run", "demo.yaml"]);
    command.env("AWS_SHARED_CREDENTIALS_FILE", anna.path().join("credentials"));
    command.env("AWS_PROFILE", "lab");
    let silence = std::process::Stdio::null;
    let mut child = command.stdout(silence()).stderr(silence()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    let started = Instant::now();
    let killed = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status();
    assert!(killed.unwrap().success());
    child.wait().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn unreadable_settings_cost_that_remote_only() {
    let anna = User::new();
    anna.does(&["run", "demo.yaml"]);
    let path = anna.path().join(".mitune/remotes/z.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let newer = r#"{"v": 3, "url": 7}"#;
    // Damage is a finding of `verify`, and nothing mends it; what a newer program wrote is none.
    for (text, reason, verified) in [
        (Some("{{"), "key must be", 2),
        (Some(newer), "have version 3", 0),
        (None, "cannot be read", 2),
    ] {
        match text {
            Some(text) => fs::write(&path, text).unwrap(),
            None => std::os::unix::fs::symlink("/dev/null", &path).unwrap(),
        }
        for (command, code) in [
            (&["run", "demo.yaml"][..], 0),
            (&["plan", "demo.yaml"], 0),
            (&["store", "verify"], verified),
        ] {
            let ended = anna.run(command);
            assert_eq!(ended.code, Some(code), "{command:?}: {}", ended.stderr);
            assert_eq!(ended.stderr.matches("Warning").count(), 1, "{}", ended.stderr);
            for text in [reason, "z.json", "`mitune remote remove NAME`"] {
                assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
            }
        }
        assert!(anna.does(&["remote", "list"]).contains("unreadable"));
        let listed: Value = serde_json::from_str(&anna.does(&["remote", "list", "--json"])).unwrap();
        assert!(listed[0]["error"].as_str().unwrap().contains(reason), "{listed}");
        assert_eq!(anna.run(&["push", "z"]).code, Some(2));
        assert_eq!(anna.run(&["remote", "check"]).code, Some(1));
        anna.does(&["remote", "remove", "z"]);
        assert_eq!(anna.run(&["remote", "remove", "z"]).code, Some(2));
    }
}

#[test]
fn a_choice_of_nothing_is_a_mistake() {
    let (anna, lab) = (User::new(), Shared::new());
    anna.does(&["remote", "add", "lab", &lab.url()]);
    let run: Value = serde_json::from_str(&anna.does(&["run", "demo.yaml", "--json"])).unwrap();
    let key = run["stages"][0]["key"].as_str().unwrap();
    for action in ["push", "pull"] {
        for what in [
            ["--stage", "numbrs"],
            ["--artifact", "0000000000000000"],
            ["--run", "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
        ] {
            let ended = anna.run(&[action, what[0], what[1]]);
            assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
            for text in ["Nothing ", "matches `--", "`--stage` takes a kind of stage"] {
                assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
            }
        }
        anna.does(&[action, "--stage", &key[..4]]);
    }
}

#[test]
fn a_store_is_no_remote_of_itself() {
    let anna = User::new();
    anna.does(&["run", "demo.yaml"]);
    std::os::unix::fs::symlink(".mitune", anna.path().join("other")).unwrap();
    for (place, text) in [
        (".mitune", "is this store itself"),
        ("other", "is this store itself"),
        (".mitune/blobs", "is inside this store"),
        ("other/new/folder", "is inside this store"),
    ] {
        let ended = anna.run(&["remote", "add", "lab", place]);
        assert_eq!(ended.code, Some(2), "{place}: {}", ended.stdout);
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
    assert!(anna.files("remotes").is_empty());
}
