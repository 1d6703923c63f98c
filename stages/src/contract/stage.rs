//! What every kind of stage is.

use std::collections::BTreeMap;
use std::path::Path;

use mitune_store::{Artifact, ContentDigest, Value};

use super::content_check::ExpectedTable;
use super::dtype::Dtype;
use super::external_digests::ExternalDigests;
use super::known_inputs::KnownInputs;
use super::stage_context::StageContext;
use super::stage_error::StageError;
use super::stage_ports::{InputPort, OutputPort};

/// A node of a pipeline, configured and ready to run.
///
/// Equal answers of [`kind`](Stage::kind), [`revision`](Stage::revision), [`config`](Stage::config),
/// [`external`](Stage::external), [`dtype`](Stage::dtype), [`rng`](Stage::rng) and equal content on every input port
/// promise an equal result: the engine derives the stage key from them and then reuses what the store holds. Whatever
/// can change a result must therefore show in one of them, and whatever cannot (paths, device, thread count, shard
/// size) must not.
pub trait Stage: Send + Sync {
    /// Names the kind of stage, as `kind:` does in a pipeline.
    fn kind(&self) -> &'static str;

    /// Counts changes of meaning: raised by hand whenever equal settings and inputs begin to give another result. By
    /// default 1, that of a stage whose meaning never changed.
    fn revision(&self) -> u32 {
        1
    }

    /// Returns the effective settings with every default filled in, without references, paths or devices.
    ///
    /// [`keyed_config`](super::keyed_config) builds it from a configuration struct.
    ///
    /// # Errors
    /// [`StageError`] if a setting has no canonical form, such as NaN.
    fn config(&self) -> Result<Value, StageError>;

    /// Lists what the stage reads, in a fixed order, with the references of the pipeline file.
    fn inputs(&self) -> Vec<InputPort>;

    /// Lists what the stage yields. A reference without an output name means the first.
    fn outputs(&self) -> &'static [OutputPort];

    /// Tells the stage what is known of its inputs, once the references of its pipeline are resolved and before anything
    /// else is asked of it.
    ///
    /// By default, the stage does not care.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the stage cannot work on such inputs.
    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        let _ = inputs;
        Ok(())
    }

    /// Digests what the stage reads outside the store: model components by name, prompt files.
    ///
    /// Called once per plan, so it must be quick when nothing changed: pass every file through `digests`.
    /// By default, nothing.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if a file is missing or is not what the pipeline says.
    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let _ = digests;
        Ok(BTreeMap::new())
    }

    /// Returns the number format of the computation. By default none: the stage computes with no tensors.
    fn dtype(&self) -> Option<Dtype> {
        None
    }

    /// Tells whether the stage is sure to compute on the device, which is then opened before it runs. By default, if it
    /// has a number format.
    ///
    /// One that is not sure may still ask for the device, which opens it then.
    fn needs_device(&self) -> bool {
        self.dtype().is_some()
    }

    /// Names the random number algorithm and the rule that makes its seeds, such as `philox4x32-10/1`. By default none.
    fn rng(&self) -> Option<&'static str> {
        None
    }

    /// Returns the model directory that the stage runs, so that its candidates can be decoded later. By default none.
    fn model_directory(&self) -> Option<&Path> {
        None
    }

    /// Checks that the stage can work through so many rows of its inputs, as far as they are known: by `plan` as soon
    /// as they are, and before the stage runs.
    ///
    /// By default, any number of rows is fine.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if no machine could.
    fn check_rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Result<(), StageError> {
        let _ = rows;
        Ok(())
    }

    /// Estimates how much work the stage is, in a unit of its own that grows with the time it takes.
    ///
    /// `rows` gives the number of rows of the table on a port, if that is known. By default unknown: the stage is then
    /// taken to be as much work as the last time.
    fn effort(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        let _ = rows;
        None
    }

    /// Says what table an output will be, from the rows of the tables on the ports as far as they are known. `None` for
    /// other outputs; by default unknown.
    ///
    /// A recorded result with another table is not one of this stage, wherever it came from.
    fn expected_table(&self, output: &str, rows: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        let _ = (output, rows);
        None
    }

    /// Returns true if several processes may run the stage at the same time and share the work, as those do that go
    /// through [`ItemTable`](crate::items::item_blocks::ItemTable). By default false: one computes, the others do
    /// something else meanwhile.
    fn shares_work(&self) -> bool {
        false
    }

    /// Computes the outputs.
    ///
    /// Partial work is published to the store as it is done, so that a second call goes on where the first stopped.
    /// When [`StageContext::cancelled`] turns true, the stage publishes what it has and returns
    /// [`StageError::Interrupted`]. Where it would only wait for other processes and [`StageContext::has_other_work`],
    /// it returns [`StageError::Deferred`] and is run again later.
    ///
    /// # Errors
    /// [`StageError`] if the result could not be computed; nothing is then recorded.
    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError>;
}

/// What a stage has computed.
#[derive(Clone, Debug, Default)]
pub struct StageOutput {
    /// One artifact per name of [`Stage::outputs`].
    pub outputs: BTreeMap<String, Artifact>,
    /// Small numbers and summaries, kept in the action record (at most 64 KiB together with the rest of it).
    pub metrics: BTreeMap<String, serde_json::Value>,
}

impl StageOutput {
    /// Makes the output of a stage that yields one artifact.
    pub fn one(name: &str, artifact: Artifact) -> Self {
        Self {
            outputs: BTreeMap::from([(name.to_owned(), artifact)]),
            metrics: BTreeMap::new(),
        }
    }

    /// Adds one metric.
    #[must_use]
    pub fn with_metric(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.metrics.insert(name.to_owned(), value.into());
        self
    }
}
