use std::fmt;

use serde::Serialize;

/// How a file names the tensors of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterForm {
    /// `lora_A`, `lora_B` and `lora_magnitude_vector`, as PEFT and new versions of diffusers.
    Peft,
    /// `lora.down` and `lora.up`, as diffusers since 0.21.
    Diffusers,
    /// `processor.to_q_lora.down`, as diffusers before 0.21.
    AttentionProcessors,
    /// `lora_unet_...lora_down`, `alpha` and `dora_scale`, as kohya's scripts and LyCORIS.
    Kohya,
}

impl fmt::Display for AdapterForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Peft => "peft",
            Self::Diffusers => "diffusers",
            Self::AttentionProcessors => "attention_processors",
            Self::Kohya => "kohya",
        })
    }
}
