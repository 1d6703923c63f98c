//! In which ways the tensors of a file do not fit a module.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::Dtype;

/// One way in which a tensor does not fit its parameter.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoadProblem {
    /// The module has a parameter that the source lacks.
    #[error("missing `{name}`, expected shape {expected:?}")]
    Missing {
        /// The tensor's name.
        name: String,
        /// The parameter's shape.
        expected: Vec<usize>,
    },
    /// The source has a tensor that the module lacks.
    #[error("unused `{name}` of shape {found:?}")]
    Unused {
        /// The tensor's name.
        name: String,
        /// The tensor's shape.
        found: Vec<usize>,
    },
    /// Parameter and tensor have different shapes.
    #[error("`{name}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The parameter's shape.
        expected: Vec<usize>,
        /// The tensor's shape.
        found: Vec<usize>,
    },
    /// The tensor's elements are no numbers that floats stand for.
    #[error("`{name}` has {found:?} elements, expected bool, integers or floats of 8 to 64 bits")]
    NotFloat {
        /// The tensor's name.
        name: String,
        /// The tensor's element type.
        found: Dtype,
    },
    /// The tensor's elements are whole numbers or truth values where a network has weights.
    #[error("`{name}` has {found:?} elements, expected floats")]
    NotWeights {
        /// The tensor's name.
        name: String,
        /// The tensor's element type.
        found: Dtype,
    },
    /// The tensor holds NaN or infinite elements.
    #[error("`{name}` holds {count} NaN or infinite elements")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// How many.
        count: usize,
    },
    /// The tensor holds finite elements that the wanted type cannot.
    #[error("`{name}` holds {count} elements beyond the range of {dtype}")]
    OutOfRange {
        /// The tensor's name.
        name: String,
        /// How many.
        count: usize,
        /// The wanted type.
        dtype: &'static str,
    },
}

impl LoadProblem {
    /// The tensor's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Missing { name, .. }
            | Self::Unused { name, .. }
            | Self::Shape { name, .. }
            | Self::NotFloat { name, .. }
            | Self::NotWeights { name, .. }
            | Self::NotFinite { name, .. }
            | Self::OutOfRange { name, .. } => name,
        }
    }
}

/// Problems with the files they are in, the first of them.
pub(super) struct Listed<'a>(
    pub(super) &'a [LoadProblem],
    pub(super) &'a BTreeMap<String, String>,
);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (index, problem) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
            if let Some(shard) = self.1.get(problem.name()) {
                write!(f, " in `{shard}`")?;
            }
        }
        if self.0.len() > SHOWN {
            write!(f, "; and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}
