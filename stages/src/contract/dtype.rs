//! The number formats that stages compute in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number format of a computation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit IEEE floats: the reference every other format is measured against.
    #[default]
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// 16-bit floats with the exponent range of 32-bit ones.
    Bf16,
}

impl Dtype {
    /// Returns the name used in keys, options and pipelines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}
