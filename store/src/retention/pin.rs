//! Pins: what somebody asked to keep.

use serde::{Deserialize, Serialize};

use crate::artifacts::Artifact;
use crate::error::StoreError;
use crate::files::{AtPath, PathError, Placed, publish};
use crate::names::{PinName, RunId, StageKey, domain};
use crate::records::{Sealed, sealed};
use crate::store::Pins;
use crate::timestamp::Timestamp;

pub(crate) const VERSION: u32 = 1;

/// What a pin keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinTarget {
    /// Every stage of a run.
    Run(RunId),
    /// The result of a stage.
    Stage(StageKey),
    /// One artifact, and the record of the stage that made it.
    Artifact {
        /// The stage.
        stage: StageKey,
        /// What it made.
        artifact: Artifact,
    },
}

/// A request to keep something whatever its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Version of the record, 1.
    pub v: u32,
    /// Its name.
    pub name: PinName,
    /// What it keeps.
    pub target: PinTarget,
    /// Who asked for it.
    pub who: String,
    /// When.
    pub when: Timestamp,
    /// Why, in the words of who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A pin that cannot be set, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name keeps something else.
    #[error("There is a pin `{0}` already, and it keeps something else")]
    Taken(PinName),
    /// No pin has the name.
    #[error("There is no pin `{0}`")]
    Absent(PinName),
    /// A pin that cannot be relied on, so nothing may be collected.
    #[error(
        "Pin `{name}` cannot be read: {reason}; `mitune store unpin {name}` removes it, and what it keeps may go"
    )]
    Unreadable {
        /// Its name.
        name: PinName,
        /// What is wrong.
        reason: String,
    },
}

impl From<PathError> for PinError {
    fn from(error: PathError) -> Self {
        Self::Store(error.into())
    }
}

impl Pins<'_> {
    /// Sets a pin; one of the same name and target stays as it is.
    ///
    /// # Errors
    /// [`PinError::Taken`] if the name keeps something else, or any error of writing.
    pub fn pin(
        &self,
        name: PinName,
        target: PinTarget,
        who: &str,
        why: Option<&str>,
    ) -> Result<Pin, PinError> {
        let pin = Pin {
            v: VERSION,
            name,
            target,
            who: who.to_owned(),
            when: Timestamp::now(),
            why: why.map(str::to_owned),
        };
        let staged = self.store.stage_bytes(&sealed::seal(domain::PIN, &pin)?)?;
        if publish(&staged, &self.store.layout().pin(&pin.name))? == Placed::New {
            return Ok(pin);
        }
        match self.read_pin(&pin.name)? {
            Some(standing) if standing.target == pin.target => Ok(standing),
            _ => Err(PinError::Taken(pin.name)),
        }
    }

    /// Removes a pin; what it kept is collected later if nothing else keeps it.
    ///
    /// # Errors
    /// [`PinError::Absent`] if there is none of this name, or any error of writing.
    pub fn unpin(&self, name: &PinName) -> Result<(), PinError> {
        self.store.check_writable().map_err(StoreError::from)?;
        let path = self.store.layout().pin(name);
        match self.store.files().remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(PinError::Absent(name.clone())),
            removed => Ok(removed.at("remove", &path)?),
        }
    }

    /// Lists the pins by name.
    ///
    /// # Errors
    /// [`PinError::Unreadable`] for one that is damaged or of a newer program, or any error of reading.
    pub fn list(&self) -> Result<Vec<Pin>, PinError> {
        let mut pins = Vec::new();
        for name in self.pin_names()? {
            pins.extend(self.read_pin(&name)?);
        }
        Ok(pins)
    }

    pub(crate) fn pin_names(&self) -> Result<Vec<PinName>, StoreError> {
        let entries = self.store.entries(&self.store.layout().pins())?;
        let mut names: Vec<PinName> = entries
            .into_iter()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    pub(crate) fn read_pin(&self, name: &PinName) -> Result<Option<Pin>, PinError> {
        let unreadable = |reason| PinError::Unreadable {
            name: name.clone(),
            reason,
        };
        match sealed::read::<Pin>(
            self.store.files(),
            &self.store.layout().pin(name),
            domain::PIN,
            VERSION,
        )? {
            Sealed::Good(pin) if pin.name == *name => Ok(Some(pin)),
            Sealed::Good(pin) => Err(unreadable(format!("it holds the pin `{}`", pin.name))),
            Sealed::Absent => Ok(None),
            Sealed::Corrupt { reason, .. } => Err(unreadable(reason)),
            Sealed::Newer { version } => Err(unreadable(format!(
                "it has version {version}, this program knows {VERSION}"
            ))),
        }
    }
}
