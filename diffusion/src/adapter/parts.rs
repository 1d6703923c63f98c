use super::AdapterError;
use super::names::Part;
use super::saved::SavedLayer;
use super::settings::Settings;
use crate::nn::layers::LayerShape;
use crate::nn::weights::{Dtype, HostTensor, TensorSource};

/// Reads a tensor as finite numbers.
pub(super) fn read_values(name: &str, source: &dyn TensorSource) -> Result<HostTensor, AdapterError> {
    let (_, shape) = source.describe(name).unwrap_or((Dtype::F32, Vec::new()));
    let numbers = shape
        .iter()
        .try_fold(1_usize, |product, extent| product.checked_mul(*extent));
    if numbers.is_none_or(|numbers| numbers > MOST_NUMBERS) {
        return Err(AdapterError::TooLarge {
            tensor: name.to_owned(),
            shape,
        });
    }
    let tensor = source.read(name)?;
    let not_float = |source| AdapterError::NotFloat {
        tensor: name.to_owned(),
        source: Box::new(source),
    };
    match tensor
        .to_f32()
        .map_err(not_float)?
        .iter()
        .all(|value| value.is_finite())
    {
        true => Ok(tensor),
        false => Err(AdapterError::NotFinite {
            tensor: name.to_owned(),
        }),
    }
}

/// Most numbers of one tensor: many times those of a factor of rank 1024 of the widest layer.
const MOST_NUMBERS: usize = 1 << 28;

/// Shape and values of a tensor.
type Shaped = (Vec<usize>, Vec<f32>);

/// The tensors found for one layer.
#[derive(Default)]
pub(super) struct Parts {
    a: Option<Shaped>,
    b: Option<Shaped>,
    magnitude: Option<Shaped>,
    alpha: Option<(Vec<usize>, Vec<f64>)>,
}

impl Parts {
    /// Puts a tensor in its place, and says whether that was free.
    pub(super) fn put(&mut self, part: Part, shape: Vec<usize>, tensor: HostTensor) -> bool {
        let slot = match part {
            Part::A => &mut self.a,
            Part::B => &mut self.b,
            Part::Magnitude => &mut self.magnitude,
            // A setting rather than a weight: it is taken as exactly as it is written.
            Part::Alpha => {
                let values = tensor.to_f64().unwrap_or_default();
                return self.alpha.replace((shape, values)).is_none();
            }
        };
        slot.replace((shape, tensor.to_f32().unwrap_or_default()))
            .is_none()
    }

    /// Makes a layer of the tensors, with what the settings of the file say about it.
    pub(super) fn assemble(self, layer: &str, settings: &Settings) -> Result<SavedLayer, AdapterError> {
        let missing = |part| AdapterError::MissingPart {
            layer: layer.to_owned(),
            part,
        };
        let wrong = |part, expected, found| AdapterError::Shape {
            layer: layer.to_owned(),
            part,
            expected,
            found,
        };
        let (a_shape, lora_a) = self.a.ok_or_else(|| missing("lora_A"))?;
        let (b_shape, lora_b) = self.b.ok_or_else(|| missing("lora_B"))?;
        let (rank, inputs, kernel) = axes_of_a(layer, &a_shape)?;
        let outputs = b_shape.first().copied().unwrap_or(0);
        let shape = LayerShape {
            outputs,
            inputs,
            kernel,
        };
        let is_product = matches!(*b_shape, [_, columns] | [_, columns, 1, 1] if columns == rank);
        if outputs == 0 || !is_product {
            return Err(wrong("lora_B", shape.of_b(rank), b_shape));
        }
        let magnitude = match self.magnitude {
            Some((found, _)) if found != [outputs] => {
                return Err(wrong("lora_magnitude_vector", vec![outputs], found));
            }
            magnitude => magnitude.map(|(_, values)| values),
        };
        let alpha = match self.alpha {
            Some((found, values)) => Some(match *values {
                [alpha] => alpha,
                _ => return Err(wrong("alpha", Vec::new(), found)),
            }),
            None => None,
        };
        settings.check_rank(layer, rank)?;
        let alpha = match alpha {
            Some(alpha) => alpha,
            None => settings.alpha_of(layer, rank)?.unwrap_or(rank as f64),
        };
        if !(alpha as f32).is_finite() {
            return Err(AdapterError::Alpha {
                layer: layer.to_owned(),
                found: alpha,
            });
        }
        Ok(SavedLayer {
            lora_a,
            lora_b,
            magnitude,
            rank,
            alpha,
            shape,
        })
    }
}

/// Rank, inputs and kernel of A.
fn axes_of_a(layer: &str, shape: &[usize]) -> Result<(usize, usize, Option<[usize; 2]>), AdapterError> {
    let (rank, inputs, kernel) = match *shape {
        [rank, inputs] => (rank, inputs, None),
        [rank, inputs, height, width] => (rank, inputs, Some([height, width])),
        _ => (1, 0, None),
    };
    if rank == 0 {
        return Err(AdapterError::ZeroRankOf {
            layer: layer.to_owned(),
        });
    }
    if inputs == 0 || kernel.is_some_and(|kernel| kernel.contains(&0)) {
        return Err(AdapterError::Axes {
            layer: layer.to_owned(),
            part: "lora_A",
            found: shape.to_vec(),
        });
    }
    Ok((rank, inputs, kernel))
}
