//! Whether an artifact can be what a port says of it.
//!
//! A record may name any artifact under a key that is right, and the stage that reads it would fail in every run. So
//! what a result holds is looked at before it counts: columns and rows of tables, headers of tensors, lists of files.

use arrow_schema::{DataType, SchemaRef};
use mitune_store::remote::describe;
use mitune_store::{Artifact, ArtifactKind, DirectoryFile, Reach, Store, StoreError};
use serde::de::IgnoredAny;

use super::stage_ports::Content;

/// The table that an output of a stage is.
#[derive(Clone, Debug)]
pub struct ExpectedTable {
    /// Its columns.
    pub columns: SchemaRef,
    /// Its rows, if they are known.
    pub rows: Option<u64>,
}

/// Why an artifact is not, or may not be, what a port says.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It holds something else.
    #[error("It is not {content}: {reason}")]
    Other {
        /// What it should be.
        content: Content,
        /// What is wrong.
        reason: String,
    },
    /// It could not be read.
    #[error(transparent)]
    Store(StoreError),
}

impl Content {
    /// Checks that an artifact can be this, as far as its layout tells, and the table that is expected.
    ///
    /// # Errors
    /// [`ContentError::Other`] if it cannot, [`ContentError::Store`] if nobody can tell now.
    pub fn check(
        self,
        store: &Store,
        artifact: &Artifact,
        expected: Option<&ExpectedTable>,
        reach: Reach,
    ) -> Result<(), ContentError> {
        let looked = match artifact.kind {
            ArtifactKind::Table | ArtifactKind::Parts => store
                .artifacts()
                .table_shape(artifact, reach)
                .map(|found| expected.map_or(Ok(()), |expected| expected.is(artifact, found))),
            ArtifactKind::Tensors => store.artifacts().check_tensors(artifact, reach).map(Ok),
            ArtifactKind::Json if reach == Reach::Everywhere => store
                .artifacts()
                .read_json::<IgnoredAny>(artifact)
                .map(|_| Ok(())),
            ArtifactKind::Directory if reach == Reach::Everywhere => store
                .artifacts()
                .read_directory(artifact)
                .map(|files| self.has_files(&files)),
            ArtifactKind::Json | ArtifactKind::Directory | ArtifactKind::Html => Ok(Ok(())),
        };
        let other = |reason: String| ContentError::Other {
            content: self,
            reason,
        };
        match looked {
            Ok(found) => found.map_err(other),
            Err(error) if error.condemns_artifact() => Err(other(describe(&error))),
            Err(error) => Err(ContentError::Store(error)),
        }
    }

    /// Checks that a directory has the files without which it is none of this kind.
    fn has_files(self, found: &[DirectoryFile]) -> Result<(), String> {
        let needed: &[&str] = match self {
            Self::Model => &["model_index.json"],
            Self::Autoencoder | Self::Denoiser => &["config.json", "diffusion_pytorch_model.safetensors"],
            Self::JudgeModel => &["config.json", "model.safetensors"],
            _ => &[],
        };
        match needed
            .iter()
            .find(|name| found.iter().all(|file| file.name != **name))
        {
            None => Ok(()),
            Some(name) => Err(format!("it has no file `{name}`")),
        }
    }
}

impl ExpectedTable {
    /// Checks that a table has these columns, if they are known, and the rows.
    fn is(&self, artifact: &Artifact, found: Option<SchemaRef>) -> Result<(), String> {
        if let (Some(expected), Some(rows)) = (self.rows, artifact.rows)
            && expected != rows
        {
            return Err(format!("it has {rows} rows instead of {expected}"));
        }
        let Some(found) = found else { return Ok(()) };
        let known = |name: &str| self.columns.field_with_name(name).is_ok();
        let lacking = self.columns.fields().iter().find(|field| {
            let same = found.field_with_name(field.name());
            !same.is_ok_and(|same| {
                same.is_nullable() == field.is_nullable() && same_type(same.data_type(), field.data_type())
            })
        });
        let foreign = found.fields().iter().find(|field| !known(field.name()));
        match (lacking, foreign) {
            (None, None) => Ok(()),
            (Some(field), _) => Err(format!(
                "it has no column `{}` of type {}",
                field.name(),
                field.data_type()
            )),
            (None, Some(field)) => Err(format!("it has a column `{}`", field.name())),
        }
    }
}

/// Tells whether two types are the same; the name of a list's element differs between writers and means nothing.
fn same_type(one: &DataType, other: &DataType) -> bool {
    match (one, other) {
        (DataType::List(one), DataType::List(other)) => {
            one.is_nullable() == other.is_nullable() && same_type(one.data_type(), other.data_type())
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
    use mitune_store::{DirectoryEntry, FileDigest};

    use super::*;
    use crate::tables::schema;

    #[test]
    fn an_artifact_is_told_by_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["a", "b"])),
            Arc::new(UInt32Array::from(vec![0, 1])),
            Arc::new(Float64Array::from(vec![0.5, 1.0])),
        ];
        let scores = RecordBatch::try_new(schema::scores(&["mi"]), columns).unwrap();
        let scores = store.artifacts().put_table(&scores.schema(), [scores]).unwrap();
        let check = |content: Content, artifact: &Artifact, columns: SchemaRef, rows| {
            let expected = ExpectedTable { columns, rows };
            match content.check(&store, artifact, Some(&expected), Reach::Everywhere) {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            }
        };
        let as_scores = |artifact: &Artifact, names: &[&str], rows| {
            check(Content::Scores, artifact, schema::scores(names), rows)
        };
        assert_eq!(as_scores(&scores, &["mi"], Some(2)), "");
        assert!(as_scores(&scores, &["mi"], Some(3)).contains("2 rows instead of 3"));
        assert!(as_scores(&scores, &["itm"], None).contains("no column `itm`"));
        assert!(as_scores(&scores, &[], None).contains("a column `mi`"));
        let fewer = Artifact {
            rows: Some(1),
            ..scores.clone()
        };
        assert!(as_scores(&fewer, &["mi"], Some(1)).contains("Table has 2 rows, its record says 1"));

        let wrong = |content: Content, artifact: &Artifact| {
            let checked = content.check(&store, artifact, None, Reach::Everywhere);
            matches!(checked, Err(ContentError::Other { .. }))
        };
        let entry = |name: &str| (name.to_owned(), DirectoryEntry::Bytes(b"{}".to_vec()));
        let model = store
            .artifacts()
            .put_directory(&[entry("model_index.json")])
            .unwrap();
        assert!(!wrong(Content::Model, &model) && wrong(Content::Denoiser, &model));
        // Under the name of tensors or of a page of JSON stands something else.
        for (content, kind) in [
            (Content::Adapter, ArtifactKind::Tensors),
            (Content::Summary, ArtifactKind::Json),
        ] {
            let artifact = Artifact {
                kind,
                ..scores.clone()
            };
            assert!(wrong(content, &artifact), "{content}");
        }
        let gone = Artifact {
            file: FileDigest::of(b"nowhere"),
            ..scores
        };
        let checked = |reach| Content::Scores.check(&store, &gone, None, reach);
        assert!(matches!(checked(Reach::Everywhere), Err(ContentError::Store(_))));
        assert!(checked(Reach::Here).is_ok());
    }
}
