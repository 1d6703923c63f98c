//! A bucket whose server fails in every way that is known.

use std::time::{Duration, Instant};

use ulid::Ulid;

use super::faulty_server::{Fault, FaultyServer};
use super::{Bucket, BucketOptions};
use crate::error::describe;
use crate::names::{Digest, FileDigest, Object, StageKey};
use crate::remote::{Created, Credentials, Remote, RemoteError, RemoteSettings, probe};

fn credentials() -> Credentials {
    let pairs = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    Credentials {
        variables: pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}

fn bucket(server: &FaultyServer, creates_once: Option<bool>) -> Bucket {
    let mut options = BucketOptions::new("lab".into(), "x".into(), credentials());
    options.endpoint = Some(server.endpoint.clone());
    options.creates_once = creates_once;
    options.silence = Duration::from_millis(400);
    options.pause = Duration::from_millis(5);
    Bucket::new(&options).unwrap()
}

fn settings(server: &FaultyServer) -> RemoteSettings {
    RemoteSettings {
        endpoint: Some(server.endpoint.clone()),
        ..RemoteSettings::new("s3://lab/x")
    }
}

fn action() -> Object {
    Object::Action(StageKey::new(Digest::new([7; 32])))
}

#[test]
fn creating_survives_what_a_server_does_to_it() {
    for fault in [
        None,
        Some(Fault::ErrorAfterSuccess),
        Some(Fault::Conflict),
        Some(Fault::Silence),
        Some(Fault::SilenceAfterSuccess),
    ] {
        let server = FaultyServer::start();
        let bucket = bucket(&server, None);
        if let Some(fault) = fault {
            server.next("PUT", fault);
        }
        let name = format!("x/{}", action());
        assert_eq!(
            bucket.create(&action(), b"mine").unwrap(),
            Created::New,
            "{fault:?}"
        );
        assert_eq!(server.object(&name).unwrap(), b"mine", "{fault:?}");
        // The same faults while another's file is there.
        if let Some(fault) = fault {
            server.next("PUT", fault);
        }
        assert_eq!(
            bucket.create(&action(), b"other").unwrap(),
            Created::Existed,
            "{fault:?}"
        );
        assert_eq!(server.object(&name).unwrap(), b"mine", "{fault:?}");
        assert!(server.is_done());
    }
}

#[test]
fn reading_survives_what_a_server_does_to_it() {
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let blob = FileDigest::of(&bytes);
    for fault in [
        Fault::Truncated,
        Fault::Slow,
        Fault::Silence,
        Fault::ErrorAfterSuccess,
    ] {
        let server = FaultyServer::start();
        let bucket = bucket(&server, None);
        server.put(&format!("x/{}", Object::Blob(blob)), &bytes);
        server.put(&format!("x/{}", action()), b"record");
        server.next("GET", fault);
        let mut read = Vec::new();
        let there = bucket.fetch(&blob, bytes.len() as u64, &mut |piece| {
            read.extend_from_slice(piece);
            Ok(())
        });
        assert!(there.unwrap(), "{fault:?}");
        assert!(read == bytes, "{fault:?}");
        server.next("GET", fault);
        let record = bucket.read(&action(), 100).unwrap().unwrap();
        assert_eq!(record, b"record", "{fault:?}");
        assert!(server.is_done());
        assert!(matches!(
            bucket.read(&action(), 5),
            Err(RemoteError::TooLarge { size: 6, .. })
        ));
        assert_eq!(bucket.read(&Object::Canary(Ulid::generate()), 5).unwrap(), None);
        // Shorter than its record says.
        let mut read = Vec::new();
        let longer = bytes.len() as u64 + 5;
        let there = bucket.fetch(&blob, longer, &mut |piece| {
            read.extend_from_slice(piece);
            Ok(())
        });
        assert!(there.unwrap() && read == bytes);
    }
}

#[test]
fn uploads_survive_what_a_server_does_to_them() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"bytes").unwrap();
    let blob = FileDigest::of(b"bytes");
    for fault in [
        Fault::ErrorAfterSuccess,
        Fault::Conflict,
        Fault::Silence,
        Fault::SilenceAfterSuccess,
        Fault::NotImplemented,
    ] {
        let server = FaultyServer::start();
        let bucket = bucket(&server, None);
        server.next("PUT", fault);
        bucket.upload(&blob, file.path(), 5).unwrap();
        let name = format!("x/{}", Object::Blob(blob));
        assert_eq!(server.object(&name).unwrap(), b"bytes", "{fault:?}");
        // One that was cut short by others is made whole.
        server.put(&name, b"byt");
        bucket.upload(&blob, file.path(), 5).unwrap();
        assert_eq!(server.object(&name).unwrap(), b"bytes", "{fault:?}");
    }
}

#[test]
fn a_server_without_conditional_writes_is_noticed_and_served() {
    let server = FaultyServer::start();
    server.ignore_conditions();
    let mut settings = settings(&server);
    let found = probe(&mut settings, &credentials()).unwrap();
    assert_eq!(settings.creates_once, Some(false), "{found}");
    assert!(found.contains("the last of several writers wins"), "{found}");
    assert!(server.object("x/FORMAT").is_some());
    let careful = bucket(&server, settings.creates_once);
    assert_eq!(careful.create(&action(), b"mine").unwrap(), Created::New);
    assert_eq!(careful.create(&action(), b"other").unwrap(), Created::Existed);
    assert_eq!(server.object(&format!("x/{}", action())).unwrap(), b"mine");

    let refusing = FaultyServer::start();
    refusing.next("PUT", Fault::NotImplemented);
    let bucket = bucket(&refusing, None);
    assert_eq!(bucket.create(&action(), b"mine").unwrap(), Created::New);
    assert_eq!(bucket.create(&action(), b"other").unwrap(), Created::Existed);
}

#[test]
fn secrets_are_not_shown() {
    let server = FaultyServer::start();
    let mut options = BucketOptions::new("lab".into(), "x".into(), credentials());
    options.endpoint = Some(server.endpoint.clone());
    options.credentials.variables[1].1 = "a-secret".into();
    let bucket = Bucket::new(&options).unwrap();
    let shown = format!("{options:?} {bucket:?} {bucket:#?}");
    assert!(shown.contains("lab") && !shown.contains("a-secret"), "{shown}");
}

#[test]
fn a_silent_server_is_given_up() {
    let server = FaultyServer::start();
    let bucket = bucket(&server, None);
    for _ in 0..40 {
        server.next("GET", Fault::Silence);
        server.next("PUT", Fault::Silence);
    }
    let started = Instant::now();
    let error = bucket.read(&action(), 10).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_server_that_refuses_conditional_writes_is_not_said_to_keep_files() {
    for status in ["501 Not Implemented", "400 Bad Request", "405 Method Not Allowed"] {
        let server = FaultyServer::start();
        server.refuse_conditions(status);
        let mut settings = settings(&server);
        let found = probe(&mut settings, &credentials()).unwrap();
        assert_eq!(settings.creates_once, Some(false), "{status}: {found}");
        // A server that has learned it since is asked anew.
        let able = FaultyServer::start();
        settings.endpoint = Some(able.endpoint.clone());
        settings.store_id = String::new();
        probe(&mut settings, &credentials()).unwrap();
        assert_eq!(settings.creates_once, Some(true), "{status}");
    }
}

#[test]
fn a_server_that_gives_whole_files_only_is_read_piece_by_piece() {
    let bytes: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let blob = FileDigest::of(&bytes);
    for fault in [None, Some(Fault::Truncated), Some(Fault::ErrorAfterSuccess)] {
        let server = FaultyServer::start();
        server.ignore_ranges();
        let bucket = bucket(&server, None);
        server.put(&format!("x/{}", Object::Blob(blob)), &bytes);
        if let Some(fault) = fault {
            server.next("GET", fault);
        }
        let (mut read, mut largest) = (Vec::new(), 0);
        let there = bucket.fetch(&blob, bytes.len() as u64, &mut |piece| {
            largest = largest.max(piece.len());
            read.extend_from_slice(piece);
            Ok(())
        });
        assert!(there.unwrap() && read == bytes, "{fault:?}");
        assert!(largest < bytes.len(), "it was held in memory as a whole");
        // Longer than its record says: what is beyond is not read on and on.
        let mut read = 0;
        let there = bucket.fetch(&blob, 1000, &mut |piece| {
            read += piece.len();
            Ok(())
        });
        assert!(there.unwrap() && read > 1000 && read < bytes.len());
        let absent = FileDigest::of(b"absent");
        assert!(!bucket.fetch(&absent, 5, &mut |_| Ok(())).unwrap());
    }
}

#[test]
fn names_that_the_client_cannot_spell_hide_no_others() {
    let server = FaultyServer::start();
    let bucket = bucket(&server, None);
    let name = |number: u32| format!("actions/aa/aa{number:062}.json");
    for number in 0..2500 {
        server.put(&format!("x/{}", name(number)), b"{}");
    }
    let odd = [
        "x/actions/aa//one",
        "x/actions/aa//two",
        "x/actions/aa/aa\u{1}.json",
        "x/actions/aa/..",
        "x/actions/aa/zz//three",
    ];
    for name in odd {
        server.put(name, b"{}");
    }
    let before = server.requests();
    let below = bucket.list_below("actions/aa").unwrap();
    assert_eq!(below.files.len(), 2500);
    assert!(below.odd.len() >= 4, "{:?}", below.odd);
    let listed = bucket.list("actions/aa").unwrap();
    assert_eq!(listed.files.len(), 2500);
    assert_eq!(listed.folders, ["zz"]);
    let requests = server.requests() - before;
    assert!(requests < 200, "{requests} requests");
    assert_eq!(bucket.list("absent").unwrap(), super::Listing::default());
}

/// A key that may not is another thing than an object that is archived or encrypted with another key.
#[test]
fn what_is_refused_is_named() {
    let server = FaultyServer::start();
    let bucket = bucket(&server, None);
    let name = format!("x/{}", action());
    server.put(&name, b"{}");
    for (code, denied) in [
        ("AccessDenied", true),
        ("InvalidObjectState", false),
        ("KMS.DisabledException", false),
    ] {
        server.deny(&name, code);
        let error = bucket.read(&action(), 100).unwrap_err();
        assert_eq!(matches!(error, RemoteError::Denied { .. }), denied, "{error:?}");
        let text = describe(&error);
        assert!(text.contains(&action().to_string()), "{text}");
        assert!(text.contains(code), "{text}");
    }
}
