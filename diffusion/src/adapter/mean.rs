use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{AdapterError, AdapterMethod, SavedAdapter, SavedLayer};
use crate::nn::layers::LayerShape;

/// Averages the tensors A, B and m of adapters of one shape, each with a weight.
///
/// This is the mean that is cheapest and least meaningful: the product of mean factors is not the
/// mean of the products. Weights are divided by their sum.
///
/// # Errors
/// The adapters differ in method, layers, ranks or alphas, or the weights add up to nothing.
pub fn mean_of_factors(adapters: &[(&SavedAdapter, f64)]) -> Result<SavedAdapter, AdapterError> {
    let weights = normalized(adapters)?;
    let (first, _) = adapters.first().ok_or(AdapterError::NotAdapted)?;
    let mut layers = BTreeMap::new();
    for name in names(adapters) {
        let unlike = |what| AdapterError::Unlike {
            what,
            layer: name.to_owned(),
        };
        let model = first.layers.get(name).ok_or_else(|| unlike("presence"))?;
        let mut mean = SavedLayer {
            lora_a: vec![0.0; model.lora_a.len()],
            lora_b: vec![0.0; model.lora_b.len()],
            magnitude: model.magnitude.as_ref().map(|values| vec![0.0; values.len()]),
            ..model.clone()
        };
        for (adapter, _) in adapters {
            let layer = adapter.layers.get(name).ok_or_else(|| unlike("presence"))?;
            if layer.magnitude.is_some() != mean.magnitude.is_some() {
                return Err(unlike("method"));
            }
            if (layer.shape, layer.rank) != (mean.shape, mean.rank) {
                return Err(unlike("shape or rank"));
            }
            if layer.alpha != mean.alpha {
                return Err(unlike("alpha"));
            }
        }
        let average = |mean: &mut [f32], part: &dyn Fn(&SavedLayer) -> Option<&[f32]>| {
            for (index, value) in mean.iter_mut().enumerate() {
                let terms = adapters
                    .iter()
                    .zip(&weights)
                    .filter_map(|((adapter, _), weight)| {
                        let values = part(adapter.layers.get(name)?)?;
                        Some(weight * f64::from(values[index]))
                    });
                *value = terms.sum::<f64>() as f32;
            }
        };
        average(&mut mean.lora_a, &|layer| Some(&layer.lora_a));
        average(&mut mean.lora_b, &|layer| Some(&layer.lora_b));
        if let Some(magnitude) = &mut mean.magnitude {
            average(magnitude, &|layer| layer.magnitude.as_deref());
        }
        layers.insert(name.to_owned(), mean);
    }
    SavedAdapter::of_layers(layers)
}

/// Averages the adapted weights themselves, as one adapter whose ranks are the sums of theirs.
///
/// The mean of LoRA weights is the product of the stacked factors. The mean of DoRA weights
/// `g_i (W + s_i B_i A_i)` is `G (W + sum of w_i g_i s_i B_i A_i / G)` with `G` the mean of the
/// `g_i` per row: DoRA again, with the length of the mean's own rows as magnitude. Both are exact
/// but for rounding to f32. A layer that some adapters leave alone enters as it is.
///
/// `base` gives the rows of a layer's weight in the model, which only DoRA needs. Weights are
/// divided by their sum.
///
/// # Errors
/// Shapes differ, the weights add up to nothing, a weight of the model is needed and missing, or
/// negative weights cancel a row out.
pub fn mean_of_weights(
    adapters: &[(&SavedAdapter, f64)],
    base: &mut dyn FnMut(&str) -> Option<Vec<f32>>,
) -> Result<SavedAdapter, AdapterError> {
    let weights = normalized(adapters)?;
    let dora = adapters
        .iter()
        .any(|(adapter, _)| adapter.method == AdapterMethod::Dora);
    let mut layers = BTreeMap::new();
    for name in names(adapters) {
        let mut terms = Vec::new();
        let mut untouched = 0.0;
        for ((adapter, _), weight) in adapters.iter().zip(&weights) {
            match adapter.layers.get(name) {
                Some(layer) => terms.push((layer, *weight)),
                None => untouched += weight,
            }
        }
        let Some((first, _)) = terms.first() else {
            continue;
        };
        for (layer, _) in &terms {
            layer.fits(name, &first.shape)?;
        }
        let rows = match dora {
            false => None,
            true => {
                let rows =
                    base(name).filter(|rows| rows.len() == first.shape.outputs * first.shape.columns());
                Some(rows.ok_or_else(|| AdapterError::NoBaseWeight {
                    layer: name.to_owned(),
                })?)
            }
        };
        let layer = stacked(name, &terms, untouched, first.shape, rows.as_deref())?;
        layers.insert(name.to_owned(), layer);
    }
    SavedAdapter::of_layers(layers)
}

fn stacked(
    name: &str,
    terms: &[(&SavedLayer, f64)],
    untouched: f64,
    shape: LayerShape,
    base: Option<&[f32]>,
) -> Result<SavedLayer, AdapterError> {
    let rank: usize = terms.iter().map(|(layer, _)| layer.rank).sum();
    let lora_a: Vec<f32> = terms.iter().flat_map(|(layer, _)| layer.lora_a.clone()).collect();
    let gains: Option<Vec<Vec<f64>>> =
        base.map(|base| terms.iter().map(|(layer, _)| layer.gains(base)).collect());
    let mut lora_b = vec![0.0; shape.outputs * rank];
    let mut totals = vec![1.0; shape.outputs];
    for (row, values) in lora_b.chunks_mut(rank).enumerate() {
        let gain = |term: usize| gains.as_ref().map_or(1.0, |gains| gains[term][row]);
        if gains.is_some() {
            let adapted: f64 = terms
                .iter()
                .enumerate()
                .map(|(term, (_, weight))| weight * gain(term))
                .sum();
            totals[row] = untouched + adapted;
        }
        if totals[row] == 0.0 {
            return Err(AdapterError::CancelledRow {
                layer: name.to_owned(),
                row,
            });
        }
        let mut at = 0;
        for (term, (layer, weight)) in terms.iter().enumerate() {
            let factor = weight * layer.scale() * gain(term) / totals[row];
            for (value, source) in values[at..].iter_mut().zip(layer.row_of_b(row)) {
                *value = (factor * f64::from(*source)) as f32;
            }
            at += layer.rank;
        }
    }
    let mut layer = SavedLayer {
        lora_a,
        lora_b,
        magnitude: None,
        rank,
        alpha: rank as f64,
        shape,
    };
    if let Some(base) = base {
        let lengths = layer.row_lengths(base);
        let lengths = lengths.iter().zip(&totals);
        layer.magnitude = Some(lengths.map(|(length, total)| (length * total) as f32).collect());
    }
    Ok(layer)
}

impl SavedLayer {
    fn row_of_b(&self, row: usize) -> &[f32] {
        &self.lora_b[row * self.rank..][..self.rank]
    }

    /// Lengths of the rows of `base + s B A`.
    fn row_lengths(&self, base: &[f32]) -> Vec<f64> {
        let columns = self.shape.columns();
        let scale = self.scale();
        base.par_chunks(columns)
            .enumerate()
            .map(|(row, base)| {
                let mut sum: Vec<f64> = base.iter().map(|value| f64::from(*value)).collect();
                for (factor, a) in self.row_of_b(row).iter().zip(self.lora_a.chunks(columns)) {
                    let factor = f64::from(*factor) * scale;
                    for (sum, a) in sum.iter_mut().zip(a) {
                        *sum += factor * f64::from(*a);
                    }
                }
                sum.iter().map(|value| value * value).sum::<f64>().sqrt()
            })
            .collect()
    }

    /// What each row of `base + s B A` is multiplied by: `m / length`, or 1 for LoRA.
    fn gains(&self, base: &[f32]) -> Vec<f64> {
        match &self.magnitude {
            None => vec![1.0; self.shape.outputs],
            Some(magnitude) => {
                let pairs = magnitude.iter().zip(self.row_lengths(base));
                let gain = |(magnitude, length): (&f32, f64)| {
                    f64::from(*magnitude) / if length == 0.0 { 1.0 } else { length }
                };
                pairs.map(gain).collect()
            }
        }
    }
}

fn names<'a>(adapters: &[(&'a SavedAdapter, f64)]) -> BTreeSet<&'a str> {
    let names = adapters.iter().flat_map(|(adapter, _)| adapter.layers.keys());
    names.map(String::as_str).collect()
}

fn normalized(adapters: &[(&SavedAdapter, f64)]) -> Result<Vec<f64>, AdapterError> {
    let sum: f64 = adapters.iter().map(|(_, weight)| weight).sum();
    if !sum.is_finite() || sum == 0.0 {
        return Err(AdapterError::WeightSum { sum });
    }
    Ok(adapters.iter().map(|(_, weight)| weight / sum).collect())
}
