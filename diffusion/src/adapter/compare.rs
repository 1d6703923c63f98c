use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::{AdapterError, SavedAdapter, SavedLayer};

/// How two adapters differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterDifference {
    /// All layers together, a layer that an adapter does not change counting as a change of zero.
    pub total: LayerDifference,
    /// Layers that both change.
    pub shared: BTreeMap<String, LayerDifference>,
    /// Layers that only the first one changes.
    pub only_first: Vec<String>,
    /// Layers that only the second one changes.
    pub only_second: Vec<String>,
}

/// How two changes of a weight, `D = s B A`, differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LayerDifference {
    /// Length of the first change, as the root of the sum of squares.
    pub first_norm: f64,
    /// Length of the second change.
    pub second_norm: f64,
    /// Length of the difference over that of the first; 0 where both are zero, infinite (and null as JSON) where only
    /// the second is not. Differences below about 1e-8 are lost to rounding unless the factors are equal, which gives
    /// exactly 0.
    pub relative_distance: f64,
    /// Cosine of the angle between the changes; absent where one is zero.
    pub cosine: Option<f64>,
    /// The same distance between the magnitudes of DoRA; absent for LoRA.
    pub magnitude_distance: Option<f64>,
}

/// Compares the low-rank changes of two adapters layer by layer, and the magnitudes of DoRA.
///
/// The changes are compared without the model, before DoRA scales the rows of the sum.
///
/// # Errors
/// A layer has another shape in the second.
pub fn compare(first: &SavedAdapter, second: &SavedAdapter) -> Result<AdapterDifference, AdapterError> {
    let mut shared = BTreeMap::new();
    let mut total = Products::default();
    let mut lengths = None;
    for (name, layer) in &first.layers {
        let Some(other) = second.layers.get(name) else {
            total.first += layer.inner(layer);
            continue;
        };
        other.fits(name, &layer.shape)?;
        let products = Products {
            first: layer.inner(layer),
            second: other.inner(other),
            between: layer.inner(other),
            equal: (&layer.lora_a, &layer.lora_b, layer.scale())
                == (&other.lora_a, &other.lora_b, other.scale()),
        };
        let magnitudes = layer.magnitude.as_deref().zip(other.magnitude.as_deref());
        let magnitudes = magnitudes.map(|(first, second)| Magnitudes::of(first, second));
        if let Some(magnitudes) = &magnitudes {
            let sum: &mut Magnitudes = lengths.get_or_insert_default();
            sum.first += magnitudes.first;
            sum.difference += magnitudes.difference;
        }
        total.first += products.first;
        total.second += products.second;
        total.between += products.between;
        total.equal &= products.equal;
        shared.insert(name.clone(), products.difference(magnitudes));
    }
    let missing = |of: &SavedAdapter, from: &SavedAdapter| -> Vec<String> {
        let names = of.layers.keys().filter(|name| !from.layers.contains_key(*name));
        names.cloned().collect()
    };
    let (only_first, only_second) = (missing(first, second), missing(second, first));
    let norms = only_second.iter().filter_map(|name| second.layers.get(name));
    total.second += norms.map(|layer| layer.inner(layer)).sum::<f64>();
    total.equal &= only_first.is_empty() && only_second.is_empty();
    Ok(AdapterDifference {
        shared,
        total: total.difference(lengths),
        only_first,
        only_second,
    })
}

impl SavedLayer {
    /// Length of the change `s B A`, as the root of the sum of squares.
    pub fn norm(&self) -> f64 {
        self.inner(self).max(0.0).sqrt()
    }

    /// Sum of the products of both changes' elements, in f64 and without building either:
    /// `<B1 A1, B2 A2> = <B1^T B2, A1 A2^T>`.
    fn inner(&self, other: &Self) -> f64 {
        let columns = self.shape.columns();
        let row = |(row, a): (usize, &[f32])| -> f64 {
            let column = |(column, b): (usize, &[f32])| {
                let outputs = self.lora_b.iter().skip(row).step_by(self.rank);
                let others = other.lora_b.iter().skip(column).step_by(other.rank);
                dot(a.iter().zip(b)) * dot(outputs.zip(others))
            };
            other.lora_a.chunks(columns).enumerate().map(column).sum()
        };
        let rows = self.lora_a.par_chunks(columns).enumerate().map(row);
        // Collected first, so that the order of the sum is always the same.
        rows.collect::<Vec<f64>>().iter().sum::<f64>() * self.scale() * other.scale()
    }
}

fn dot<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)>) -> f64 {
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

struct Products {
    first: f64,
    second: f64,
    between: f64,
    equal: bool,
}

impl Default for Products {
    fn default() -> Self {
        Self {
            first: 0.0,
            second: 0.0,
            between: 0.0,
            equal: true,
        }
    }
}

#[derive(Default)]
struct Magnitudes {
    first: f64,
    difference: f64,
}

impl Magnitudes {
    fn of(first: &[f32], second: &[f32]) -> Self {
        let square = |value: f64| value * value;
        let pairs = first.iter().zip(second);
        Self {
            first: first.iter().map(|value| square(f64::from(*value))).sum(),
            difference: pairs.map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum(),
        }
    }
}

impl Products {
    fn difference(&self, magnitudes: Option<Magnitudes>) -> LayerDifference {
        let (first_norm, second_norm) = (self.first.max(0.0).sqrt(), self.second.max(0.0).sqrt());
        let squared = match self.equal {
            true => 0.0,
            false => self.first + self.second - 2.0 * self.between,
        };
        let norms = first_norm * second_norm;
        LayerDifference {
            first_norm,
            second_norm,
            relative_distance: ratio(squared, self.first),
            cosine: (norms > 0.0).then(|| (self.between / norms).clamp(-1.0, 1.0)),
            magnitude_distance: magnitudes.map(|found| ratio(found.difference, found.first)),
        }
    }
}

/// Root of the ratio of two squares; 0 where both are zero.
fn ratio(difference: f64, first: f64) -> f64 {
    match difference.max(0.0) {
        0.0 => 0.0,
        difference => (difference / first).sqrt(),
    }
}
