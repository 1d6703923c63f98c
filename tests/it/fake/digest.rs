use std::collections::BTreeMap;
use std::path::PathBuf;

use mitune_stages::contract::{
    Content, Digested, ExternalDigests, FileIdentity, InputPort, OutputPort, Stage, StageContext,
    StageDefaults, StageError, StageOutput, keyed_config,
};
use mitune_stages::registry::StageConfig;
use mitune_store::{ContentDigest, FileDigest, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::put;

/// The number of bytes of a file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DigestConfig {
    file: PathBuf,
    /// A file that gets another byte while the stage runs.
    #[serde(default)]
    edits: Option<PathBuf>,
}

struct Digest {
    file: PathBuf,
    edits: Option<PathBuf>,
}

impl StageConfig for DigestConfig {
    const KIND: &'static str = "digest";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        Ok(Box::new(Digest {
            file: defaults.resolve(&self.file),
            edits: self.edits.map(|file| defaults.resolve(&file)),
        }))
    }
}

impl Stage for Digest {
    fn kind(&self) -> &'static str {
        DigestConfig::KIND
    }

    fn revision(&self) -> u32 {
        1
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&BTreeMap::<String, ()>::new(), &[])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "size",
            content: Content::Scores,
        }]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let digest = digests.digest("bytes/1", &[&self.file], &mut || {
            let bytes = std::fs::read(&self.file).map_err(StageError::configuration)?;
            let metadata = std::fs::metadata(&self.file).map_err(StageError::configuration)?;
            Ok(Digested {
                digest: ContentDigest::new(*FileDigest::of(&bytes).digest()),
                read: vec![FileIdentity::of(&metadata)],
            })
        })?;
        Ok(BTreeMap::from([("file".to_owned(), digest)]))
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        if let Some(edits) = &self.edits {
            let mut bytes = std::fs::read(edits).map_err(StageError::failed)?;
            bytes.push(b'!');
            std::fs::write(edits, bytes).map_err(StageError::failed)?;
        }
        let size = std::fs::metadata(&self.file).map_err(StageError::failed)?.len();
        Ok(StageOutput::one(
            "size",
            put(context, vec![i64::try_from(size).map_err(StageError::failed)?])?,
        ))
    }
}
