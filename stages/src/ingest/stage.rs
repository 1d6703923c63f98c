//! The stage that the settings make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mitune_store::{ContentDigest, Digest, Value};

use super::prompts::{IngestReport, PromptsConfig, PromptsError, file_digest, ingest};
use crate::contract::{
    Content, Digested, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig,
    StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::tables::schema;

const OUTPUTS: [OutputPort; 1] = [OutputPort {
    name: "prompts",
    content: Content::Prompts,
}];

impl StageConfig for PromptsConfig {
    const KIND: &'static str = "ingest";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.validate().map_err(StageError::configuration)?;
        let config = self.expanded(&defaults.directory, defaults.home.as_deref());
        Ok(Box::new(Ingest {
            config: config.map_err(StageError::configuration)?,
            directory: defaults.directory.clone(),
        }))
    }
}

struct Ingest {
    config: PromptsConfig,
    directory: PathBuf,
}

impl Stage for Ingest {
    fn kind(&self) -> &'static str {
        PromptsConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config.without_directories(), &[])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &OUTPUTS
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let mut found = BTreeMap::new();
        // Settings name the files in order; the number keeps two files of one name apart.
        for (number, path) in (1..).zip(self.config.source.paths()) {
            let path = self.directory.join(path);
            let digest = digests.digest("bytes/1", &[&path], &mut || bytes_digest(&path))?;
            found.insert(external_name(number), digest);
        }
        Ok(found)
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "prompts").then(|| ExpectedTable {
            columns: schema::prompts(),
            rows: None,
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        context.check_cancelled()?;
        let ingested = ingest(&self.config, &self.directory).map_err(stage_error)?;
        for (number, file) in (1..).zip(&ingested.files) {
            let read = ContentDigest::new(Digest::from(file.digest));
            context.check_external(&external_name(number), read)?;
        }
        let report = ingested.report;
        context.progress().message(&summary(&report));
        let prompts = context
            .store()
            .artifacts()
            .put_table(&schema::prompts(), ingested.batches)?;
        let mut output = StageOutput::one("prompts", prompts);
        output.metrics = metrics(report);
        Ok(output)
    }
}

/// What keys call a file.
fn external_name(number: usize) -> String {
    format!("source {number}")
}

fn bytes_digest(path: &Path) -> Result<Digested, StageError> {
    let (hash, identity) = file_digest(path).map_err(stage_error)?;
    Ok(Digested {
        digest: ContentDigest::new(Digest::from(hash)),
        read: vec![identity],
    })
}

/// Tells what the pipeline or its files should change from what only failed this time.
pub(super) fn stage_error(error: PromptsError) -> StageError {
    match error {
        PromptsError::Read { ref source, .. } if source.kind() != std::io::ErrorKind::NotFound => {
            StageError::failed(error)
        }
        PromptsError::Parquet { .. }
        | PromptsError::Decode { .. }
        | PromptsError::Damaged { .. }
        | PromptsError::Changed { .. } => StageError::failed(error),
        error => StageError::configuration(error),
    }
}

fn summary(report: &IngestReport) -> String {
    if report.kept == report.read {
        format!("{} prompts", report.kept)
    } else {
        format!(
            "{} prompts of {} rows: {}",
            report.kept,
            report.read,
            report.losses()
        )
    }
}

fn metrics(report: IngestReport) -> BTreeMap<String, serde_json::Value> {
    BTreeMap::from([
        ("read".to_owned(), report.read.into()),
        ("rejected".to_owned(), serde_json::json!(report.rejected)),
        ("duplicates_dropped".to_owned(), report.duplicates_dropped.into()),
        ("duplicates_kept".to_owned(), report.duplicates_kept.into()),
        ("not_sampled".to_owned(), report.not_sampled.into()),
        ("kept".to_owned(), report.kept.into()),
        ("splits".to_owned(), serde_json::json!(report.splits)),
        ("damaged".to_owned(), report.damaged.into()),
    ])
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use serde_json::json;

    use super::*;
    use crate::testing::trial::{Trial, Unremembered};

    fn external(
        trial: &Trial,
        settings: serde_json::Value,
    ) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        trial.stage::<PromptsConfig>(settings)?.external(&Unremembered)
    }

    #[test]
    fn prompts_of_a_file_become_a_table_and_every_row_is_counted() {
        let trial = Trial::new();
        trial.write("prompts.txt", b"a red car\n\na blue car\na red car\n");
        let settings = json!({"source": {"text": {"paths": ["prompts.txt"]}}, "deduplicate": true});
        let output = trial.run::<PromptsConfig>(settings, &[]).unwrap();
        let table = trial
            .store
            .artifacts()
            .read_table_whole(&output.outputs["prompts"], None)
            .unwrap();
        assert_eq!(table.schema().fields(), schema::prompts().fields());
        let prompts: Vec<_> = table["prompt"].as_string::<i32>().iter().flatten().collect();
        assert_eq!(prompts, ["a red car", "a blue car"]);
        let counts = ["read", "kept", "duplicates_dropped"].map(|name| output.metrics[name].as_u64());
        assert_eq!(counts, [Some(4), Some(2), Some(1)]);
        assert_eq!(output.metrics["rejected"], json!({"empty": 1}));
    }

    #[test]
    fn content_of_files_is_keyed_and_their_place_is_not() {
        let trial = Trial::new();
        trial.write("here/prompts.txt", b"a red car\n");
        trial.write("there/prompts.txt", b"a red car\n");
        let text = |path: &str| json!({"source": {"text": {"paths": [path]}}});
        let config = |path| {
            trial
                .stage::<PromptsConfig>(text(path))
                .unwrap()
                .config()
                .unwrap()
        };
        assert_eq!(config("here/prompts.txt"), config("there/prompts.txt"));
        let here = external(&trial, text("here/prompts.txt")).unwrap();
        assert_eq!(here, external(&trial, text("there/prompts.txt")).unwrap());
        trial.write("there/prompts.txt", b"a blue car\n");
        assert_ne!(here, external(&trial, text("there/prompts.txt")).unwrap());
        assert!(
            external(&trial, json!({"source": {"inline": ["a"]}}))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn every_setting_is_keyed() {
        let trial = Trial::new();
        let base = json!({"source": {"inline": ["a", "b"]}});
        trial.assert_keyed::<PromptsConfig>(
            &base,
            &[
                ("source", json!({"inline": ["a", "c"]})),
                ("deduplicate", json!(true)),
                ("invalid_prompts", json!("skip")),
                ("sample", json!({"count": 1})),
                ("sample", json!({"count": 1, "seed": 3})),
                ("split", json!({"test": {"count": 1}})),
                ("split", json!({"test": {"fraction": 0.5}, "seed": 2})),
                ("take_split", json!("train")),
                ("take_split", json!("test")),
            ],
        );
    }

    #[test]
    fn a_missing_file_is_a_matter_of_the_pipeline_and_a_damaged_one_is_not() {
        let trial = Trial::new();
        let missing = json!({"source": {"text": {"paths": ["none.txt"]}}});
        for error in [
            external(&trial, missing.clone()).unwrap_err(),
            trial.run::<PromptsConfig>(missing, &[]).unwrap_err(),
        ] {
            assert!(matches!(error, StageError::Configuration(_)));
            assert!(error.to_string().contains("none.txt"), "{error}");
        }
        trial.write("prompts.parquet", b"PAR1 and nothing else");
        let damaged = json!({"source": {"parquet": {"paths": ["prompts.parquet"]}}});
        let error = trial.run::<PromptsConfig>(damaged, &[]).unwrap_err();
        assert!(matches!(error, StageError::Failed(_)), "{error}");
        let gave_up = stage_error(PromptsError::Damaged {
            path: "prompts.parquet".into(),
            problem: "index out of bounds".to_owned(),
        });
        assert!(matches!(gave_up, StageError::Failed(_)), "{gave_up}");
        let empty = json!({"source": {"inline": []}});
        let error = trial.run::<PromptsConfig>(empty, &[]).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
    }
}
