//! From colours to what a network takes, in 32 bits and in the order of the references.

use serde::Serialize;

/// Mean and standard deviation of red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Moments {
    pub(super) mean: [f64; 3],
    pub(super) std: [f64; 3],
}

/// OpenAI's, of the images that CLIP learned from.
pub(super) const CLIP: Moments = Moments {
    mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
};

/// Those of ImageNet.
pub(super) const IMAGE_NET: Moments = Moments {
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
};

/// How a number is made of a colour between 0 and 255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Normalisation {
    /// Divided by 255, then mean and deviation.
    Divided(Moments),
    /// Multiplied in 64 bits, then mean and deviation.
    Multiplied { factor: f64, moments: Moments },
    /// Mean and deviation of whole colours, which have the factor in them.
    Fused { factor: f64, moments: Moments },
    /// Kept between 0 and 255, then brought to -1..1 as Inception's first graph does.
    Centred,
}

impl Normalisation {
    /// Normalises bytes, through a table of every byte.
    pub(super) fn bytes(self, bytes: &[u8]) -> Vec<f32> {
        let table = |channel| {
            (0..=u8::MAX)
                .map(move |byte| self.byte(byte, channel))
                .collect::<Vec<_>>()
        };
        let tables: [Vec<f32>; 3] = [0, 1, 2].map(table);
        let (pixels, _) = bytes.as_chunks::<3>();
        let mut values = Vec::with_capacity(bytes.len());
        for colours in pixels {
            values.extend([0, 1, 2].map(|channel| tables[channel][usize::from(colours[channel])]));
        }
        values
    }

    /// Normalises numbers: between 0 and 1 those of a division by 255 that was done before, else as bytes.
    pub(super) fn floats(self, mut values: Vec<f32>) -> Vec<f32> {
        let (pixels, _) = values.as_chunks_mut::<3>();
        for colours in pixels {
            for (channel, value) in colours.iter_mut().enumerate() {
                *value = match self {
                    Self::Divided(moments) => moments.normalise(*value, channel),
                    other => other.number(*value, channel),
                };
            }
        }
        values
    }

    fn byte(self, byte: u8, channel: usize) -> f32 {
        self.number(f32::from(byte), channel)
    }

    fn number(self, value: f32, channel: usize) -> f32 {
        match self {
            Self::Divided(moments) => moments.normalise(value / 255.0, channel),
            Self::Multiplied { factor, moments } => {
                moments.normalise((f64::from(value) * factor) as f32, channel)
            }
            Self::Fused { factor, moments } => {
                let scale = (1.0 / factor) as f32;
                let mean = moments.mean[channel] as f32 * scale;
                let std = moments.std[channel] as f32 * scale;
                (value - mean) / std
            }
            Self::Centred => (value.clamp(0.0, 255.0) - 128.0) / 128.0,
        }
    }
}

impl Moments {
    fn normalise(&self, value: f32, channel: usize) -> f32 {
        (value - self.mean[channel] as f32) / self.std[channel] as f32
    }
}
