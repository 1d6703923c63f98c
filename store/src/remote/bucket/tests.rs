//! A bucket whose server fails in every way that is known.

use std::time::{Duration, Instant};

use ulid::Ulid;

use super::faulty_server::{Fault, FaultyServer};
use super::{Bucket, BucketOptions};
use crate::digest::Digest;
use crate::id::{FileDigest, StageKey};
use crate::remote::{Created, Credentials, Object, Remote, RemoteError, RemoteSettings, probe};
use crate::trust::{Policy, Unsigned};

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
    let mut settings = RemoteSettings {
        v: 1,
        url: "s3://lab/x".into(),
        endpoint: Some(server.endpoint.clone()),
        region: None,
        store_id: String::new(),
        read_only: false,
        read_through: true,
        write_back: true,
        policy: Policy {
            trust: Vec::new(),
            unsigned: Unsigned::Deny,
        },
        creates_once: None,
        checksums: false,
    };
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
