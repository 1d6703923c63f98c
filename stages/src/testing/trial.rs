//! Runs a single stage in a temporary store, for tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use mitune_diffusion::device::{DeviceFamily, DeviceSelection};
use mitune_store::{Artifact, ContentDigest, Store, Value};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::contract::{
    Digested, Dtype, ExternalDigests, KeyIngredients, LazyDevice, Progress, Silent, Stage, StageConfig,
    StageContext, StageDefaults, StageError, StageOutput,
};

/// Digests every file anew.
pub(crate) struct Unremembered;

impl ExternalDigests for Unremembered {
    fn digest(
        &self,
        _: &str,
        _: &[&Path],
        compute: &mut dyn FnMut() -> Result<Digested, StageError>,
    ) -> Result<ContentDigest, StageError> {
        Ok(compute()?.digest)
    }
}

/// A folder with files of a pipeline, and an empty store.
pub(crate) struct Trial {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) defaults: StageDefaults,
    pub(crate) cancelled: AtomicBool,
    device: LazyDevice,
}

impl Trial {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Store::open(folder.path().join("store")).unwrap(),
            defaults: StageDefaults {
                directory: folder.path().to_owned(),
                home: None,
                model: None,
                seed: 0,
                dtype: Dtype::F32,
            },
            cancelled: AtomicBool::new(false),
            device: LazyDevice::new(DeviceSelection::Exact(DeviceFamily::Cpu, 0)),
            folder,
        }
    }

    /// Writes a file of the pipeline.
    pub(crate) fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Makes a stage from its settings.
    pub(crate) fn stage<C: StageConfig>(&self, settings: Json) -> Result<Box<dyn Stage>, StageError> {
        let config = C::deserialize(settings).map_err(StageError::configuration)?;
        config.build(&self.defaults)
    }

    /// Makes a stage and runs it to its end.
    pub(crate) fn run<C: StageConfig>(
        &self,
        settings: Json,
        inputs: &[(&'static str, &[&Artifact])],
    ) -> Result<StageOutput, StageError> {
        self.run_watched::<C>(settings, inputs, &Silent)
    }

    /// Makes a stage and runs it, with someone watching who may stop it.
    pub(crate) fn run_watched<C: StageConfig>(
        &self,
        settings: Json,
        inputs: &[(&'static str, &[&Artifact])],
        progress: &dyn Progress,
    ) -> Result<StageOutput, StageError> {
        self.run_changed::<C>(settings, inputs, progress, || {})
    }

    /// Makes a stage and runs it, after something changed that its keys are already made of.
    pub(crate) fn run_changed<C: StageConfig>(
        &self,
        settings: Json,
        inputs: &[(&'static str, &[&Artifact])],
        progress: &dyn Progress,
        change: impl FnOnce(),
    ) -> Result<StageOutput, StageError> {
        let stage = self.stage::<C>(settings)?;
        let declared: Vec<_> = stage.inputs().iter().map(|port| port.port).collect();
        let mut connected: BTreeMap<_, _> = declared.into_iter().map(|port| (port, Vec::new())).collect();
        for (port, artifacts) in inputs {
            let slot = connected.get_mut(port).expect("a declared port");
            slot.extend(artifacts.iter().map(|artifact| (*artifact).clone()));
        }
        let contents = |artifacts: &Vec<Artifact>| {
            let contents = artifacts.iter().map(|one| Value::Text(one.content.to_string()));
            Value::List(contents.collect())
        };
        let ingredients = KeyIngredients::gather(
            stage.as_ref(),
            stage.config()?,
            connected
                .iter()
                .map(|(port, artifacts)| (*port, contents(artifacts)))
                .collect(),
            stage.external(&Unremembered)?,
            None,
        )?;
        change();
        let context = StageContext::new(
            &self.store,
            &ingredients,
            connected,
            &self.device,
            progress,
            &self.cancelled,
        );
        let output = stage.run(&context)?;
        let promised: Vec<_> = stage.outputs().iter().map(|port| port.name).collect();
        assert!(
            promised.iter().all(|name| output.outputs.contains_key(*name)),
            "{promised:?}"
        );
        assert_eq!(promised.len(), output.outputs.len());
        Ok(output)
    }

    /// Checks that each change of the settings changes the key, and that no two changes give the same one.
    pub(crate) fn assert_keyed<C: StageConfig>(&self, base: &Json, changes: &[(&str, Json)]) {
        let config = |settings: Json| self.stage::<C>(settings).unwrap().config().unwrap();
        let mut seen = vec![config(base.clone())];
        for (name, value) in changes {
            let changed = config(with(base, name, value));
            assert!(!seen.contains(&changed), "`{name}: {value}` is not in the key");
            seen.push(changed);
        }
    }

    /// Checks that no change of these settings changes the key.
    pub(crate) fn assert_not_keyed<C: StageConfig>(&self, base: &Json, changes: &[(&str, Json)]) {
        let config = |settings: Json| self.stage::<C>(settings).unwrap().config().unwrap();
        for (name, value) in changes {
            assert_eq!(
                config(with(base, name, value)),
                config(base.clone()),
                "`{name}` is in the key"
            );
        }
    }
}

/// The settings with one of them changed.
pub(crate) fn with(settings: &Json, name: &str, value: &Json) -> Json {
    let mut settings = settings.clone();
    settings[name] = value.clone();
    settings
}
