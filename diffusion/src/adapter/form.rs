use std::fmt;

use serde::Serialize;

/// How a file names the tensors of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterForm {
    /// `lora_A`, `lora_B` and `lora_magnitude_vector`, as PEFT writes.
    Peft,
    /// `lora.down` and `lora.up`, as the training scripts of diffusers write.
    Diffusers,
    /// `processor.to_q_lora.down`, as early versions of diffusers wrote.
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
