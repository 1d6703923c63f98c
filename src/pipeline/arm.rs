//! Arms, and the names of stages in their rounds and arms.

use std::fmt;

use serde::{Serialize, Serializer};

/// One combination of the values of `for_each`: variables and values as texts, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arm(pub Vec<(String, String)>);

/// The name of a stage in its round and arm: `stage`, `stage@round` or `stage@round/value/...`, as references spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageName {
    /// Name in the file.
    pub stage: String,
    /// Round from 1, for stages in `rounds`.
    pub round: Option<u32>,
    /// Arm, for stages in `rounds` with `for_each`.
    pub arm: Arm,
}

impl fmt::Display for StageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.stage)?;
        if let Some(round) = self.round {
            write!(formatter, "@{round}")?;
        }
        self.arm
            .0
            .iter()
            .try_for_each(|(_, value)| write!(formatter, "/{value}"))
    }
}

impl Serialize for StageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
