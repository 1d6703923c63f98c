//! Remotes: a folder always, and a real S3 server where the environment names one (`tools/s3/start-rgw.sh`).

mod damaged;
mod faulty;
mod odd;
mod runs;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use mitune_store::remote::{
    Credentials, Object, Remote, RemoteError, RemoteSettings, TransferOptions, TransferReport, Unwatched,
    Upstream, Wanted, describe, open, probe, pull, push,
};
use mitune_store::trust::{Policy, SecretKey, Unsigned};
use mitune_store::{
    ActionRecord, DirectoryEntry, FamilyKey, ItemKey, Lookup, MissReason, Part, Sharing, Store, Value,
    VerifyDepth,
};
use tempfile::TempDir;

use self::faulty::Faulty;
use crate::sample::{candidates, key, producer, record};

/// Where the tests keep stores, and who may.
struct Site {
    url: String,
    credentials: Credentials,
    _folder: Option<TempDir>,
}

fn variables(key: &str, secret: &str) -> Credentials {
    let pairs = [
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
    ];
    let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Credentials {
        variables: variables.to_vec(),
    }
}

fn server() -> Option<(String, Credentials)> {
    let get = |name: &str| std::env::var(name).ok();
    let Some(endpoint) = get("MITUNE_TEST_S3") else {
        println!("MITUNE_TEST_S3 is not set: not tested against an S3 server");
        return None;
    };
    let (key, secret) = (get("MITUNE_TEST_S3_KEY")?, get("MITUNE_TEST_S3_SECRET")?);
    Some((endpoint, variables(&key, &secret)))
}

/// A new, empty place of each kind that is there to test.
fn sites() -> Vec<Site> {
    let folder = tempfile::tempdir().unwrap();
    let mut sites = vec![Site {
        url: folder.path().join("lab").to_str().unwrap().to_owned(),
        credentials: Credentials::default(),
        _folder: Some(folder),
    }];
    sites.extend(server().map(|(endpoint, credentials)| Site {
        url: format!(
            "s3://mitune-tests/{}?endpoint={endpoint}",
            mitune_store::RunId::generate()
        ),
        credentials,
        _folder: None,
    }));
    sites
}

fn settings(url: &str) -> RemoteSettings {
    RemoteSettings::new(url)
}

fn accept() -> Policy {
    Policy {
        trust: Vec::new(),
        unsigned: Unsigned::Accept,
    }
}

impl Site {
    fn remote(&self) -> Arc<dyn Remote> {
        let mut settings = settings(&self.url);
        let found = probe(&mut settings, &self.credentials).unwrap();
        assert_eq!(settings.creates_once, Some(true), "{found}");
        open(&settings, &self.credentials).unwrap()
    }
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    (folder, store)
}

fn family() -> FamilyKey {
    FamilyKey::derive(&Value::from("family")).unwrap()
}

/// Publishes a table of parts, a directory and a blob under the key of a name.
fn publish(store: &Store, name: &str, numbers: std::ops::Range<u32>) -> ActionRecord {
    let items = |numbers: &[u32]| -> Vec<ItemKey> {
        let key = |number: &u32| ItemKey::derive(&family(), &Value::from(u64::from(*number))).unwrap();
        numbers.iter().map(key).collect()
    };
    let (mut parts, mut digests, mut schema) = (Vec::new(), Vec::new(), None);
    for chunk in numbers.collect::<Vec<_>>().chunks(4) {
        let batch = candidates(chunk);
        schema = Some(batch.schema());
        let shard = store
            .shards()
            .publish(&family(), batch, items(chunk), &producer())
            .unwrap();
        parts.push(Part {
            blob: shard.blob,
            rows: (0..shard.rows).collect(),
        });
        digests.extend(shard.items.iter().map(|item| item.row));
    }
    let table = store
        .artifacts()
        .put_parts(&schema.unwrap(), &parts, &digests)
        .unwrap();
    let files = [
        (
            "a/b.txt".to_owned(),
            DirectoryEntry::Bytes(name.as_bytes().to_vec()),
        ),
        ("empty".to_owned(), DirectoryEntry::Bytes(Vec::new())),
    ];
    let directory = store.artifacts().put_directory(&files).unwrap();
    let json = store
        .artifacts()
        .put_json(&serde_json::json!({ "name": name }))
        .unwrap();
    let record = record(
        store,
        name,
        [("table", table), ("folder", directory), ("json", json)],
    );
    store.records().publish(record).unwrap().into_record()
}

fn upstream(remote: &Arc<dyn Remote>) -> Upstream {
    Upstream::new("lab", Arc::clone(remote), accept())
}

fn push_all(store: &Store, upstream: &Upstream) -> Result<TransferReport, RemoteError> {
    push(
        store,
        upstream,
        &Wanted::All,
        TransferOptions::default(),
        &Unwatched,
    )
}

fn pull_all(store: &Store, upstream: &Upstream) -> TransferReport {
    pull(
        store,
        upstream,
        &Wanted::All,
        TransferOptions::default(),
        &Unwatched,
    )
    .unwrap()
}

#[test]
fn what_is_pushed_comes_back_whole_and_once() {
    for site in sites() {
        let remote = site.remote();
        let (_a, anna) = store();
        let records = [publish(&anna, "one", 0..10), publish(&anna, "two", 4..12)];
        let pushed = push_all(&anna, &upstream(&remote)).unwrap();
        assert!(pushed.left_out.is_empty(), "{pushed:?}");
        let again = push_all(&anna, &upstream(&remote)).unwrap();
        assert_eq!((again.blobs, again.bytes), (0, 0), "{again:?}");

        let (_b, ben) = store();
        let pulled = pull_all(&ben, &upstream(&remote));
        assert_eq!(pulled.records, pushed.records);
        assert!(pulled.left_out.is_empty(), "{pulled:?}");
        for record in &records {
            match ben.records().lookup(&record.key) {
                Lookup::Hit(found) => assert_eq!(*found, *record),
                Lookup::Miss(reason) => panic!("{reason}"),
            }
        }
        assert_eq!(
            ben.shards().items(&family()).unwrap(),
            anna.shards().items(&family()).unwrap()
        );
        let report = ben.verify(VerifyDepth::Full).unwrap();
        assert!(report.is_clean(), "{report:?}");
        let again = pull_all(&ben, &upstream(&remote));
        assert_eq!((again.records, again.blobs, again.bytes), (0, 0, 0));
    }
}

#[test]
fn of_eight_racing_writers_one_wins() {
    for site in sites() {
        let remote = site.remote();
        for round in 0..5 {
            let name = format!("race {round}");
            let barrier = Barrier::new(8);
            let losers = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for writer in 0..8 {
                    let (remote, name, barrier, losers) = (&remote, &name, &barrier, &losers);
                    scope.spawn(move || {
                        let (_folder, store) = store();
                        let result = store
                            .artifacts()
                            .put_json(&serde_json::json!({ "writer": writer }))
                            .unwrap();
                        store
                            .records()
                            .publish(record(&store, name, [("json", result)]))
                            .unwrap();
                        let upstream = upstream(remote);
                        barrier.wait();
                        let report = push_all(&store, &upstream).unwrap();
                        losers.fetch_add(report.left_out.len(), Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(losers.into_inner(), 7, "{}", remote.place());
            let (_folder, store) = store();
            pull_all(&store, &upstream(&remote));
            assert!(matches!(store.records().lookup(&key(&name)), Lookup::Hit(_)));
        }
    }
}

#[test]
fn interrupted_transfers_go_on_where_they_stopped() {
    for site in sites() {
        let remote = site.remote();
        let (_a, anna) = store();
        publish(&anna, "one", 0..40);
        let (mut uploads, mut attempts) = (0, 0);
        loop {
            let faulty = Arc::new(Faulty::new(&remote, 4));
            let result = push_all(&anna, &Upstream::new("lab", faulty.clone(), accept()));
            uploads += faulty.uploads.load(Ordering::Relaxed);
            attempts += 1;
            match result {
                Ok(_) => break,
                Err(error) => assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}"),
            }
            let (_c, cleo) = store();
            pull_all(&cleo, &upstream(&remote));
            assert!(
                !matches!(cleo.records().lookup(&key("one")), Lookup::Hit(_)),
                "a record before its blobs"
            );
            assert!(cleo.verify(VerifyDepth::Full).unwrap().is_clean());
        }
        let (_b, ben) = store();
        let mut fetched = 0;
        loop {
            let faulty = Arc::new(Faulty::new(&remote, 4));
            let upstream = Upstream::new("lab", faulty.clone(), accept());
            let result = pull(
                &ben,
                &upstream,
                &Wanted::All,
                TransferOptions::default(),
                &Unwatched,
            );
            fetched += faulty.fetched.load(Ordering::Relaxed);
            if result.is_ok() {
                break;
            }
        }
        assert!(matches!(ben.records().lookup(&key("one")), Lookup::Hit(_)));
        let blobs = anna.catalog().blobs().unwrap().len() as u64;
        println!("{blobs} blobs, {uploads} uploads in {attempts} pushes, {fetched} fetches");
        assert!(attempts > 2);
        assert_eq!(uploads, blobs, "nothing goes up twice");
        // The preimage comes with its record.
        assert!(fetched <= blobs, "nothing comes down twice: {fetched} of {blobs}");
    }
}

#[test]
fn a_blob_lost_between_record_and_use_is_a_miss() {
    for site in sites() {
        let remote = site.remote();
        let (_a, anna) = store();
        let record = publish(&anna, "one", 0..4);
        push_all(&anna, &upstream(&remote)).unwrap();
        let mut faulty = Faulty::new(&remote, u64::MAX);
        faulty.evicted = Some(record.outputs["json"].file);
        let faulty: Arc<dyn Remote> = Arc::new(faulty);
        let (_b, ben) = store();
        let pulled = pull_all(&ben, &upstream(&faulty));
        assert_eq!(pulled.left_out.len(), 1, "{pulled:?}");
        assert!(matches!(
            ben.records().lookup(&record.key),
            Lookup::Miss(MissReason::NotRecorded)
        ));
        ben.attach(Sharing::new(None, vec![upstream(&faulty)], Box::new(|_| {})));
        assert!(matches!(ben.records().lookup(&record.key), Lookup::Miss(_)));
        // It is computed and stands again, here and there.
        let again = publish(&ben, "one", 0..4);
        assert_eq!(again.outputs, record.outputs);
        ben.flush_remotes();
    }
}

#[test]
fn a_listing_that_lags_costs_time_only() {
    let site = sites().remove(0);
    let remote = site.remote();
    let (_a, anna) = store();
    publish(&anna, "one", 0..8);
    push_all(&anna, &upstream(&remote)).unwrap();
    let mut faulty = Faulty::new(&remote, u64::MAX);
    faulty.lags = true;
    let faulty: Arc<dyn Remote> = Arc::new(faulty);
    let (_b, ben) = store();
    let pulled = pull_all(&ben, &upstream(&faulty));
    assert!(pulled.left_out.is_empty());
    assert!(ben.verify(VerifyDepth::Full).unwrap().is_clean());
    pull_all(&ben, &upstream(&remote));
    assert!(matches!(ben.records().lookup(&key("one")), Lookup::Hit(_)));
}

#[test]
fn a_remote_that_breaks_off_costs_one_warning() {
    let site = sites().remove(0);
    let remote = site.remote();
    let faulty: Arc<dyn Remote> = Arc::new(Faulty::new(&remote, 3));
    let warnings = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&warnings);
    let (_a, anna) = store();
    let warn = Box::new(move |text: &str| {
        println!("{text}");
        count.fetch_add(1, Ordering::Relaxed);
    });
    anna.attach(Sharing::new(None, vec![upstream(&faulty)], warn));
    let records = [publish(&anna, "one", 0..20), publish(&anna, "two", 20..40)];
    anna.flush_remotes();
    assert_eq!(warnings.load(Ordering::Relaxed), 1);
    assert!(anna.verify(VerifyDepth::Full).unwrap().is_clean());
    // The next push brings what is lacking.
    push_all(&anna, &upstream(&remote)).unwrap();
    let (_b, ben) = store();
    pull_all(&ben, &upstream(&remote));
    for record in records {
        assert!(matches!(ben.records().lookup(&record.key), Lookup::Hit(_)));
    }
}

#[test]
fn reading_through_takes_what_is_needed_and_writing_back_sends_it_on() {
    for site in sites() {
        let remote = site.remote();
        let (_a, anna) = store();
        let signer = SecretKey::generate().unwrap();
        let public = signer.public();
        anna.attach(Sharing::new(
            Some(signer),
            vec![upstream(&remote)],
            Box::new(|text| panic!("{text}")),
        ));
        let record = publish(&anna, "one", 0..12);
        anna.flush_remotes();

        let policy = Policy {
            trust: vec![public],
            unsigned: Unsigned::Deny,
        };
        let (_b, ben) = store();
        let upstream = Upstream::new("lab", Arc::clone(&remote), policy);
        ben.attach(Sharing::new(
            None,
            vec![upstream],
            Box::new(|text| panic!("{text}")),
        ));
        assert!(matches!(ben.records().peek(&record.key), Lookup::Hit(_)));
        assert_eq!(ben.catalog().blobs().unwrap().len(), 0, "a look takes nothing");
        assert!(matches!(ben.records().lookup(&record.key), Lookup::Hit(_)));
        let few = ben.catalog().blobs().unwrap().len();
        assert!(
            few < anna.catalog().blobs().unwrap().len(),
            "payload comes when it is read"
        );
        let rows: usize = ben
            .artifacts()
            .read_table(&record.outputs["table"], None)
            .unwrap()
            .map(|batch| batch.unwrap().num_rows())
            .sum();
        assert_eq!(rows, 12);
        assert_eq!(
            ben.shards().items(&family()).unwrap(),
            anna.shards().items(&family()).unwrap()
        );
        // A blob that rots here comes back from there.
        let file = record.outputs["json"].file;
        let path = ben.blobs().path(&file).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"rot").unwrap();
        assert_eq!(
            ben.blobs().read(&file).unwrap(),
            anna.blobs().read(&file).unwrap()
        );
    }
}

#[test]
fn forged_and_altered_records_are_refused() {
    let site = sites().remove(0);
    let remote = site.remote();
    let (_a, anna) = store();
    let signer = SecretKey::generate().unwrap();
    let policy = Policy {
        trust: vec![signer.public()],
        unsigned: Unsigned::Deny,
    };
    anna.attach(Sharing::new(Some(signer), Vec::new(), Box::new(|_| {})));
    let one = publish(&anna, "one", 0..4);
    let two = publish(&anna, "two", 0..4);
    push_all(&anna, &upstream(&remote)).unwrap();
    let read = |record: &ActionRecord| {
        let object = Object::Action(record.key);
        String::from_utf8(remote.read(&object, 1 << 20).unwrap().unwrap()).unwrap()
    };
    let strict = || Upstream::new("lab", Arc::clone(&remote), policy.clone());
    let refused = |text: &str| {
        let (_b, ben) = store();
        let pulled = pull_all(&ben, &strict());
        assert_eq!(pulled.left_out.len(), 1, "{pulled:?}");
        for text in ["of the remote `lab`", &Object::Action(one.key).to_string(), text] {
            assert!(pulled.left_out[0].contains(text), "{text}: {:?}", pulled.left_out);
        }
        assert!(matches!(ben.records().lookup(&one.key), Lookup::Miss(_)));
        assert!(matches!(ben.records().lookup(&two.key), Lookup::Hit(_)));
    };
    let place = |bytes: &str| {
        remote
            .replace(&Object::Action(one.key), bytes.as_bytes())
            .unwrap()
    };
    let good = read(&one);
    place(&good.replace("0.25", "0.5"));
    refused("its check does not match");
    // A stranger can make a check: it publishes the altered record as its own, without or with a key.
    for key in [None, Some(SecretKey::generate().unwrap())] {
        let (_c, carl) = store();
        let expected = if key.is_some() {
            "is not trusted"
        } else {
            "it is not signed"
        };
        carl.attach(Sharing::new(key, Vec::new(), Box::new(|_| {})));
        let forged = publish(&carl, "one", 4..8);
        let path = carl.root().join(Object::Action(forged.key).to_string());
        place(&std::fs::read_to_string(path).unwrap());
        refused(expected);
    }
    // A record signed by Anna, under another key.
    place(&read(&two));
    refused("it is the record of");
    place("{");
    refused("it is damaged");
    place(&good);
    let (_b, ben) = store();
    assert!(pull_all(&ben, &strict()).left_out.is_empty());
}

#[test]
fn mistakes_are_told_clearly() {
    let Some((endpoint, good)) = server() else { return };
    let url = |bucket: &str| format!("s3://{bucket}/x?endpoint={endpoint}");
    let fails = |url: &str, credentials: &Credentials| {
        let started = Instant::now();
        let error = probe(&mut settings(url), credentials).unwrap_err();
        println!("{:.1} s: {}", started.elapsed().as_secs_f64(), describe(&error));
        error
    };
    let secret = "a-secret-that-must-not-be-told";
    for credentials in [variables("test-access", secret), variables("nobody", secret)] {
        let error = fails(&url("mitune-tests"), &credentials);
        assert!(matches!(error, RemoteError::Denied { .. }), "{error:?}");
        assert!(!format!("{error:?}{}", describe(&error)).contains(secret));
        assert!(error.hint().is_some());
    }
    let error = fails(&url("mitune-no-such-bucket"), &good);
    assert!(matches!(error, RemoteError::NoBucket { .. }), "{error:?}");
    let error = fails("s3://mitune-tests/x?endpoint=http://127.0.0.1:9", &good);
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
}

/// A store of many small results and how long it takes to push nothing new; the number is `MITUNE_TEST_OBJECTS`.
#[test]
#[ignore = "takes minutes; run by name with --ignored"]
fn pushing_nothing_new_to_a_large_store_is_quick() {
    let objects: usize = std::env::var("MITUNE_TEST_OBJECTS").map_or(100_000, |text| text.parse().unwrap());
    // In memory, so that the disk of the test says nothing about pushing.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let anna = Store::open(folder.path().join("store")).unwrap();
    // A record, its preimage and its output.
    for number in 0..objects.div_ceil(3) {
        let name = format!("result {number}");
        let json = anna.artifacts().put_json(&name).unwrap();
        anna.records()
            .publish(record(&anna, &name, [("json", json)]))
            .unwrap();
    }
    for site in sites() {
        let mut settings = settings(&site.url);
        probe(&mut settings, &site.credentials).unwrap();
        let cache = folder.path().join("cache");
        let upstream = || {
            let remote = open(&settings, &site.credentials).unwrap();
            Upstream::new("lab", remote, accept()).with_marks(&cache, &settings.store_id)
        };
        let time = |label: &str, expected: usize| {
            let started = Instant::now();
            let report = push_all(&anna, &upstream()).unwrap();
            assert_eq!(report.records as usize, expected);
            let seconds = started.elapsed().as_secs_f64();
            println!(
                "{}: {label}: {seconds:.2} s",
                open(&settings, &site.credentials).unwrap().place()
            );
            seconds
        };
        time("first push", objects.div_ceil(3));
        let marked = time("nothing new, with marks", 0);
        std::fs::remove_dir_all(&cache).unwrap();
        let listed = time("nothing new, by listing", 0);
        assert!(marked < 5.0 && listed < 5.0, "{marked} {listed}");
    }
}

#[test]
fn large_blobs_go_up_in_parts() {
    for site in sites() {
        let remote = site.remote();
        let (_a, anna) = store();
        let bytes: Vec<u8> = (0..70 << 20_u32)
            .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let blob = anna.blobs().put_bytes(&bytes).unwrap();
        remote
            .upload(&blob, &anna.blobs().path(&blob).unwrap(), bytes.len() as u64)
            .unwrap();
        assert_eq!(
            remote.size(&Object::Blob(blob)).unwrap(),
            Some(bytes.len() as u64)
        );
        let mut read = Vec::new();
        let there = remote.fetch(&blob, bytes.len() as u64, &mut |piece| {
            read.extend_from_slice(piece);
            Ok(())
        });
        assert!(there.unwrap() && read == bytes);
    }
}

/// Makes the check of an action record anew, as whoever writes one can.
fn reseal(record: &mut serde_json::Value) {
    reseal_as(record, "mitune 2026 action record v1");
}

fn reseal_as(record: &mut serde_json::Value, domain: &str) {
    let fields = record.as_object_mut().unwrap();
    fields.remove("check");
    let value: Value = serde_json::from_value(serde_json::Value::Object(fields.clone())).unwrap();
    let bytes = mitune_store::encode(&value).unwrap();
    let check = blake3::Hash::from(blake3::derive_key(domain, &bytes));
    fields.insert("check".into(), check.to_hex().as_str().into());
}

#[test]
fn a_wrong_size_in_a_record_is_refused_or_found() {
    for bytes in [1_u64 << 63, 1] {
        let site = &sites()[0];
        let remote = site.remote();
        let (a, anna) = store();
        let record = publish(&anna, "one", 0..4);
        // The record as somebody would write it whose program counts wrongly; the seal is good.
        let path = a
            .path()
            .join("store")
            .join(Object::Action(record.key).to_string());
        let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        value["outputs"]["json"]["bytes"] = bytes.into();
        reseal(&mut value);
        let text = serde_json::to_vec(&value).unwrap();
        push_all(&anna, &upstream(&remote)).unwrap();
        remote.replace(&Object::Action(record.key), &text).unwrap();
        for metadata_only in [true, false] {
            let (_b, ben) = store();
            let options = TransferOptions {
                metadata_only,
                dry_run: false,
            };
            let pulled = pull(&ben, &upstream(&remote), &Wanted::All, options, &Unwatched).unwrap();
            assert!(pulled.left_out[0].contains("bytes instead of"), "{pulled:?}");
            assert!(matches!(ben.records().lookup(&record.key), Lookup::Miss(_)));
        }
        // One that is here already leaves with the first check, and its blobs stay.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &text).unwrap();
        anna.attach(Sharing::new(None, vec![upstream(&remote)], Box::new(|_| {})));
        let report = anna.verify(VerifyDepth::Quick).unwrap();
        assert!(
            report.repaired.is_empty() && report.corrupt.len() == 1,
            "{report:?}"
        );
        assert!(anna.verify(VerifyDepth::Full).unwrap().is_clean());
        assert!(!path.exists());
    }
}
