//! A list of rows without its rows: all that most readers need of it, in memory for its blobs alone.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::error::TableError;
use crate::artifacts::{Artifact, ArtifactKind};
use crate::error::StoreError;
use crate::names::FileDigest;
use crate::store::Store;

/// A blob of a manifest.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) file: FileDigest,
    pub(crate) bytes: u64,
}

/// What a manifest holds, its rows only counted.
#[derive(Debug, Deserialize)]
pub(crate) struct Outline {
    schema: Member,
    blobs: Vec<Member>,
    runs: RunCount,
}

/// How much the runs of a manifest hold.
#[derive(Debug, Default)]
struct RunCount {
    runs: u64,
    rows: u64,
    /// The largest index of a blob.
    last: Option<usize>,
}

/// The number of elements of a list.
struct Length(u64);

impl Outline {
    pub(crate) fn members(&self) -> Vec<(FileDigest, u64)> {
        std::iter::once(&self.schema)
            .chain(&self.blobs)
            .map(|member| (member.file, member.bytes))
            .collect()
    }
}

/// Reads the manifest of a table of parts without keeping its runs, and checks it.
pub(crate) fn read_outline(store: &Store, artifact: &Artifact) -> Result<Outline, StoreError> {
    artifact.expect(ArtifactKind::Parts)?;
    Ok(outline(&store.blobs().read_list(&artifact.file)?, artifact.rows)?)
}

/// Parses and checks a manifest of a table that should have so many rows.
pub(super) fn outline(bytes: &[u8], rows: Option<u64>) -> Result<Outline, TableError> {
    let outline: Outline = serde_json::from_slice(bytes).map_err(TableError::Manifest)?;
    let RunCount {
        runs,
        rows: found,
        last,
    } = outline.runs;
    if last.is_some_and(|last| last >= outline.blobs.len()) {
        return Err(TableError::ManifestContent(
            "a run names a blob that is not listed",
        ));
    }
    if rows != Some(found) {
        return Err(TableError::ManifestContent(
            "it has another number of rows than its artifact",
        ));
    }
    // A run takes more memory than bytes of the list, and each has a row.
    if runs > found {
        return Err(TableError::ManifestContent("it has runs without rows"));
    }
    Ok(outline)
}

impl<'de> Deserialize<'de> for RunCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RunCounter)
    }
}

struct RunCounter;

impl<'de> Visitor<'de> for RunCounter {
    type Value = RunCount;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut runs: A) -> Result<RunCount, A::Error> {
        let mut count = RunCount::default();
        while let Some((blob, Length(rows))) = runs.next_element::<(usize, Length)>()? {
            count.runs += 1;
            count.rows += rows;
            count.last = count.last.max(Some(blob));
        }
        Ok(count)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counter)
    }
}

struct Counter;

impl<'de> Visitor<'de> for Counter {
    type Value = Length;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Length, A::Error> {
        let mut count = 0;
        while rows.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Length(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(runs: &str, rows: Option<u64>) -> Result<Outline, String> {
        let digest = "ab".repeat(32);
        let member = format!(r#"{{"file":"{digest}","bytes":1}}"#);
        let list = format!(r#"{{"v":1,"schema":{member},"blobs":[{member},{member}],"runs":{runs}}}"#);
        outline(list.as_bytes(), rows).map_err(|error| error.to_string())
    }

    #[test]
    fn runs_are_counted_and_must_be_what_the_artifact_says() {
        assert_eq!(read("[]", Some(0)).unwrap().members().len(), 3);
        let good = read("[[0,[0,1]],[1,[7]],[0,[3]]]", Some(4)).unwrap();
        assert_eq!((good.runs.runs, good.runs.last), (3, Some(1)));
        for rows in [None, Some(3), Some(5)] {
            let error = read("[[0,[0,1]],[1,[7]],[0,[3]]]", rows).unwrap_err();
            assert!(error.contains("another number of rows"), "{error}");
        }
        let error = read("[[2,[0]]]", Some(1)).unwrap_err();
        assert!(error.contains("not listed"), "{error}");
        for runs in ["7", "[7]", "[[0]]", "[[0,1]]", "[[0,[1],2]]"] {
            assert!(read(runs, Some(1)).is_err(), "{runs}");
        }
    }

    #[test]
    fn runs_without_rows_are_not_kept() {
        let runs = format!("[{}[0,[5]]]", "[0,[]],".repeat(1000));
        let error = read(&runs, Some(1)).unwrap_err();
        assert!(error.contains("runs without rows"), "{error}");
    }
}
