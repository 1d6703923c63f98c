//! A folder with a store in which pipelines of stages for tests are run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use mitune::document::Assignment;
use mitune::engine::{Engine, Outcome, Plan, RememberedDigests, Unobserved};
use mitune::pipeline::{Pipeline, PipelineError, parse};
use mitune_stages::contract::LazyDevice;
use mitune_store::{ContentDigest, Store};

use crate::fake::FakeKinds;

/// A folder with a store.
pub(crate) struct Workplace {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
}

/// Reads a pipeline that lies in a folder.
pub(crate) fn pipeline(folder: &Path, text: &str, assignments: &[&str]) -> Result<Pipeline, PipelineError> {
    let assignments: Vec<Assignment> = assignments.iter().map(|text| text.parse().unwrap()).collect();
    parse(&folder.join("pipeline.yaml"), text, &assignments, &FakeKinds)
}

impl Workplace {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn with_engine<T>(&self, act: impl FnOnce(&Engine<'_>) -> T) -> T {
        act(&Engine {
            // A fresh handle, as another process would have: nothing counts as verified.
            store: &Store::open(self.store.root()).unwrap(),
            device: &LazyDevice::default(),
            digests: &RememberedDigests::default(),
            observer: &Unobserved,
            cancelled: &AtomicBool::new(false),
        })
    }

    /// Runs a pipeline and returns what was computed and the contents of all outputs.
    pub(crate) fn run(&self, text: &str) -> Run {
        self.run_with(text, &[])
    }

    pub(crate) fn run_with(&self, text: &str, assignments: &[&str]) -> Run {
        let pipeline = pipeline(self.path(), text, assignments).unwrap();
        let summary = self
            .with_engine(|engine| engine.run(&pipeline, BTreeMap::new()))
            .unwrap();
        let mut run = Run::default();
        for (stage, result) in pipeline.stages.iter().zip(&summary.stages) {
            if result.outcome == Outcome::Computed {
                run.computed.push(stage.name.to_string());
            }
            for (port, artifact) in &result.record.outputs {
                run.contents
                    .insert(format!("{}:{port}", stage.name), artifact.content);
            }
        }
        run
    }

    pub(crate) fn plan(&self, text: &str) -> (Pipeline, Plan) {
        let pipeline = pipeline(self.path(), text, &[]).unwrap();
        let plan = self.with_engine(|engine| engine.plan(&pipeline)).unwrap();
        (pipeline, plan)
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Names of the stages that computed.
    pub(crate) computed: Vec<String>,
    /// Contents of all outputs.
    pub(crate) contents: BTreeMap<String, ContentDigest>,
}
