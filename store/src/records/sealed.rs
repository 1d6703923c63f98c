//! JSON records that notice when they are changed.
//!
//! A record carries `check`, a hash of everything else in it, so that a flipped bit inside a number is as visible as
//! one in the syntax. The hash is over the canonical encoding: white space does not matter.

use std::path::Path;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value as Json;

use crate::canonical::{self, CanonicalError, Value};
use crate::error::StoreError;
use crate::files::{AtPath, FileIdentity, FileSystem, PathError, is_lasting};
use crate::names::{Digest, key};

/// Bytes that any record stays far below; what is longer is damaged.
pub(crate) const SIZE_LIMIT: u64 = 64 << 20;

const CHECK: &str = "check";

/// What a record file turned out to be.
#[derive(Debug)]
pub(crate) enum Sealed<T> {
    Absent,
    Good(T),
    Corrupt { identity: FileIdentity, reason: String },
    Newer { version: u32 },
}

/// Writes a record with its check, for the given hash domain.
pub(crate) fn seal<T: Serialize>(domain: &str, record: &T) -> Result<Vec<u8>, StoreError> {
    // JSON would write not a number as null without a word; the canonical form refuses it.
    Value::from_serialize(record)?;
    let mut json = serde_json::to_value(record).map_err(StoreError::unwritten)?;
    let check = check(domain, &json)?;
    if let Json::Object(fields) = &mut json {
        fields.insert(CHECK.to_owned(), Json::String(check.to_hex()));
    }
    let mut bytes = serde_json::to_vec_pretty(&json).map_err(StoreError::unwritten)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a record of a version up to `version`; only the failing of the read itself is an error.
pub(crate) fn read<T: DeserializeOwned>(
    files: &dyn FileSystem,
    path: &Path,
    domain: &str,
    version: u32,
) -> Result<Sealed<T>, PathError> {
    let (bytes, identity) = match files.read_bounded(path, SIZE_LIMIT) {
        Ok((bytes, metadata)) => (bytes, FileIdentity::of(&metadata)),
        Err(error) if files.is_nowhere(path, &error) => return Ok(Sealed::Absent),
        // What will never be read again is damaged like what reads wrongly.
        Err(error) if is_lasting(&error) => match files.metadata(path) {
            Ok(metadata) => {
                return Ok(Sealed::Corrupt {
                    identity: FileIdentity::of(&metadata),
                    reason: error.to_string(),
                });
            }
            Err(_) => return Err(error).at("read", path),
        },
        Err(error) => return Err(error).at("read", path),
    };
    let json: Json = match serde_json::from_slice(&bytes) {
        Ok(json) => json,
        Err(error) => {
            return Ok(Sealed::Corrupt {
                identity,
                reason: error.to_string(),
            });
        }
    };
    Ok(match open(domain, version, json) {
        Ok(Ok(record)) => Sealed::Good(record),
        Ok(Err(version)) => Sealed::Newer { version },
        Err(reason) => Sealed::Corrupt { identity, reason },
    })
}

/// Checks and parses the bytes of a record that are not in a file of the store; the inner error is the version of a
/// newer one.
pub(crate) fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    domain: &str,
    version: u32,
) -> Result<Result<T, u32>, String> {
    open(
        domain,
        version,
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?,
    )
}

/// Tells whether a newer program wrote a record.
pub(crate) fn is_newer(files: &dyn FileSystem, path: &Path, domain: &str, version: u32) -> bool {
    matches!(
        read::<IgnoredAny>(files, path, domain, version),
        Ok(Sealed::Newer { .. })
    )
}

/// Checks and parses a record; the inner error is the version of a newer one.
fn open<T: DeserializeOwned>(domain: &str, known: u32, mut json: Json) -> Result<Result<T, u32>, String> {
    let Json::Object(fields) = &mut json else {
        return Err("it is not an object".to_owned());
    };
    let Some(Json::String(written)) = fields.remove(CHECK) else {
        return Err("it has no check".to_owned());
    };
    let version = fields.get("v").and_then(Json::as_u64).unwrap_or(0);
    if check(domain, &json).map_err(|error| error.to_string())?.to_hex() != written {
        return Err("its check does not match".to_owned());
    }
    if version > u64::from(known) {
        return Ok(Err(u32::try_from(version).unwrap_or(u32::MAX)));
    }
    serde_json::from_value(json)
        .map(Ok)
        .map_err(|error| error.to_string())
}

fn check(domain: &str, json: &Json) -> Result<Digest, CanonicalError> {
    Ok(key::derive(
        domain,
        &canonical::encode(&Value::from_serialize(json)?)?,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::files::OsFileSystem;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Example {
        v: u32,
        numbers: Vec<f64>,
        name: String,
        big: u64,
    }

    fn read_bytes(bytes: &[u8], domain: &str) -> Sealed<Example> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(&OsFileSystem, file.path(), domain, 1).unwrap()
    }

    proptest! {
        #[test]
        fn records_come_back_or_are_noticed(
            numbers in prop::collection::vec(any::<f64>().prop_filter("finite", |n| n.is_finite()), 0..5),
            name in ".*",
            big: u64,
            place: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let example = Example { v: 1, numbers, name, big };
            let bytes = seal("test", &example).unwrap();
            match read_bytes(&bytes, "test") {
                Sealed::Good(back) => prop_assert_eq!(&back, &example),
                other => prop_assert!(false, "{:?}", other),
            }
            let mut flipped = bytes.clone();
            let place = place.index(bytes.len());
            flipped[place] ^= 1 << bit;
            match read_bytes(&flipped, "test") {
                Sealed::Corrupt { .. } => {}
                // A changed blank between two tokens is no change of the record.
                Sealed::Good(back) => prop_assert_eq!(back, example),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn a_record_of_any_size_is_read_in_bounded_memory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"{\"v\":1}").unwrap();
        file.as_file().set_len(1 << 42).unwrap();
        let read = read::<Example>(&OsFileSystem, file.path(), "test", 1).unwrap();
        let Sealed::Corrupt { reason, .. } = read else {
            panic!("{read:?}");
        };
        assert_eq!(reason, "it has 4398046511104 bytes, at most 67108864 are read");
    }

    #[test]
    fn other_domains_versions_and_shapes_are_told_apart() {
        let bytes = seal(
            "test",
            &Example {
                v: 1,
                numbers: vec![],
                name: "x".into(),
                big: 0,
            },
        )
        .unwrap();
        assert!(matches!(read_bytes(&bytes, "other"), Sealed::Corrupt { .. }));
        let newer = seal("test", &serde_json::json!({"v": 2, "other": 1})).unwrap();
        assert!(matches!(read_bytes(&newer, "test"), Sealed::Newer { version: 2 }));
        let misshapen = seal("test", &serde_json::json!({"v": 1})).unwrap();
        assert!(matches!(read_bytes(&misshapen, "test"), Sealed::Corrupt { .. }));
        for text in ["", "[]", "{}", "{\"v\":1}"] {
            assert!(
                matches!(read_bytes(text.as_bytes(), "test"), Sealed::Corrupt { .. }),
                "{text}"
            );
        }
        assert!(matches!(
            read::<Example>(&OsFileSystem, Path::new("/nonexistent"), "test", 1),
            Ok(Sealed::Absent)
        ));
        let nan = Example {
            v: 1,
            numbers: vec![f64::NAN],
            name: String::new(),
            big: 0,
        };
        assert!(matches!(
            seal("test", &nan),
            Err(StoreError::Canonical(CanonicalError::NotANumber(_)))
        ));
    }
}
