//! Means and differences of adapters against the weights they stand for.

use std::collections::BTreeMap;

use super::*;

/// Weights of the layers of `varied`, by name.
fn base() -> BTreeMap<String, Vec<f32>> {
    let adapter = varied(AdapterMethod::Lora);
    let rows = |(name, layer): (&String, &SavedLayer)| {
        let count = layer.shape.outputs * layer.shape.columns();
        (name.clone(), values(&format!("base {name}"), count))
    };
    adapter.layers.iter().map(rows).collect()
}

/// The adapted weight of a layer, in f64 and by the formula.
fn adapted(base: &[f32], layer: Option<&SavedLayer>) -> Vec<f64> {
    let Some(layer) = layer else {
        return base.iter().map(|value| f64::from(*value)).collect();
    };
    let (columns, rank) = (layer.shape.columns(), layer.rank);
    let mut weight = Vec::new();
    for row in 0..layer.shape.outputs {
        let entry = |column: usize| {
            let product = |r: usize| {
                f64::from(layer.lora_b[row * rank + r]) * f64::from(layer.lora_a[r * columns + column])
            };
            f64::from(base[row * columns + column]) + layer.scale() * (0..rank).map(product).sum::<f64>()
        };
        let entries: Vec<f64> = (0..columns).map(entry).collect();
        let length = entries.iter().map(|value| value * value).sum::<f64>().sqrt();
        let gain = layer
            .magnitude
            .as_ref()
            .map_or(1.0, |m| f64::from(m[row]) / length);
        weight.extend(entries.into_iter().map(|value| value * gain));
    }
    weight
}

/// An adapter like `varied` with other values and ranks, on all but one layer.
fn other(method: AdapterMethod) -> SavedAdapter {
    let mut adapter = varied(method);
    for (name, layer) in &mut adapter.layers {
        layer.rank += 1;
        layer.lora_a = values(&format!("other A {name}"), layer.rank * layer.shape.columns());
        layer.lora_b = values(&format!("other B {name}"), layer.rank * layer.shape.outputs);
        if let Some(magnitude) = &mut layer.magnitude {
            magnitude.iter_mut().for_each(|value| *value += 1.5);
        }
    }
    adapter.layers.remove("down_blocks.0.resnets.0.conv1");
    adapter
}

#[test]
fn the_mean_of_weights_is_the_mean_of_the_adapted_weights() {
    let base = base();
    let (lora, dora) = (AdapterMethod::Lora, AdapterMethod::Dora);
    for (first, second) in [(lora, lora), (dora, dora), (lora, dora)] {
        let (first, second) = (varied(first), other(second));
        for weights in [[1.0, 1.0], [3.0, 1.0], [1.5, -0.25]] {
            let mean = mean_of_weights(&[(&first, weights[0]), (&second, weights[1])], &mut |name| {
                base.get(name).cloned()
            })
            .unwrap();
            let sum: f64 = weights.iter().sum();
            for (name, rows) in &base {
                let [one, two] = [&first, &second].map(|adapter| adapted(rows, adapter.layers.get(name)));
                let expected = one.iter().zip(&two);
                let expected: Vec<f32> = expected
                    .map(|(one, two)| ((weights[0] * one + weights[1] * two) / sum) as f32)
                    .collect();
                let layer = &mean.layers[name];
                let found: Vec<f32> = adapted(rows, Some(layer))
                    .iter()
                    .map(|value| *value as f32)
                    .collect();
                // Measured 1.2e-7.
                assert_close(&found, &expected, 5e-7, name);
                let ranks = [&first, &second].map(|a| a.layers.get(name).map_or(0, |layer| layer.rank));
                assert_eq!(layer.rank, ranks.iter().sum::<usize>());
            }
        }
    }
}

#[test]
fn the_mean_of_lora_weights_needs_no_model_and_that_of_dora_does() {
    let (first, second) = (varied(AdapterMethod::Lora), other(AdapterMethod::Lora));
    let mut none = |_: &str| None;
    assert!(mean_of_weights(&[(&first, 1.0), (&second, 1.0)], &mut none).is_ok());
    let dora = varied(AdapterMethod::Dora);
    let error = mean_of_weights(&[(&first, 1.0), (&dora, 1.0)], &mut none).unwrap_err();
    assert!(error.to_string().contains("model"), "{error}");
    let error = mean_of_weights(&[(&first, 1.0), (&second, -1.0)], &mut none).unwrap_err();
    assert!(error.to_string().contains("add up to 0"), "{error}");
}

#[test]
fn the_mean_of_factors_averages_every_number() {
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let first = varied(method);
        let mut second = first.clone();
        for layer in second.layers.values_mut() {
            layer.lora_a.iter_mut().for_each(|value| *value += 4.0);
            layer.lora_b.iter_mut().for_each(|value| *value -= 8.0);
            layer
                .magnitude
                .iter_mut()
                .flatten()
                .for_each(|value| *value += 1.0);
        }
        let mean = mean_of_factors(&[(&first, 1.0), (&second, 3.0)]).unwrap();
        for (name, layer) in &mean.layers {
            let expected = &first.layers[name];
            let shifted = |values: &[f32], by: f32| values.iter().map(|value| value + by).collect::<Vec<_>>();
            assert_close(&layer.lora_a, &shifted(&expected.lora_a, 3.0), 1e-6, name);
            assert_close(&layer.lora_b, &shifted(&expected.lora_b, -6.0), 1e-6, name);
            assert_eq!(layer.magnitude.is_some(), method == AdapterMethod::Dora);
            if let Some(magnitude) = &layer.magnitude {
                assert_close(
                    magnitude,
                    &shifted(expected.magnitude.as_ref().unwrap(), 0.75),
                    1e-6,
                    name,
                );
            }
        }
        let error = mean_of_factors(&[(&first, 1.0), (&other(method), 1.0)]).unwrap_err();
        assert!(error.to_string().contains("differ in the"), "{error}");
    }
}

#[test]
fn differences_are_those_of_the_products() {
    let (first, second) = (varied(AdapterMethod::Dora), other(AdapterMethod::Dora));
    let zeros = |layer: &SavedLayer| vec![0.0; layer.shape.outputs * layer.shape.columns()];
    let change = |layer: &SavedLayer| {
        let bare = SavedLayer {
            magnitude: None,
            ..layer.clone()
        };
        adapted(&zeros(layer), Some(&bare))
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let difference = compare(&first, &second).unwrap();
    assert_eq!(difference.only_first, ["down_blocks.0.resnets.0.conv1"]);
    assert!(difference.only_second.is_empty());
    for (name, found) in &difference.shared {
        let [a, b] = [&first, &second].map(|adapter| change(&adapter.layers[name]));
        let between: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let norm = |values: &[f64]| dot(values, values).sqrt();
        for (found, expected) in [
            (found.first_norm, norm(&a)),
            (found.second_norm, norm(&b)),
            (found.relative_distance, norm(&between) / norm(&a)),
            (found.cosine.unwrap(), dot(&a, &b) / norm(&a) / norm(&b)),
        ] {
            assert!(
                (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
        assert!(found.magnitude_distance.unwrap() > 0.0);
    }
    let same = compare(&first, &first).unwrap().total;
    assert_eq!(
        (same.relative_distance, same.magnitude_distance),
        (0.0, Some(0.0))
    );
    assert!((same.cosine.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn merging_several_is_one_after_the_other_with_lengths_of_the_original_rows() {
    let base = base();
    let (first, second) = (varied(AdapterMethod::Dora), other(AdapterMethod::Dora));
    for (name, rows) in &base {
        let Some(late) = second.layers.get(name) else {
            continue;
        };
        let early = &first.layers[name];
        let shape = [early.shape.outputs, early.shape.columns()];
        let tensor = Tensor::<2>::from_data(TensorData::new(rows.clone(), shape), &Device::flex());
        let found = host(merge_into_rows(&tensor, &[(early, 1.0), (late, 0.5)]));
        let scaled = SavedLayer {
            alpha: late.alpha * 0.5,
            ..late.clone()
        };
        let bare = SavedLayer {
            magnitude: None,
            ..scaled.clone()
        };
        let merged: Vec<f32> = adapted(rows, Some(early)).iter().map(|v| *v as f32).collect();
        let sums = adapted(&merged, Some(&bare));
        let original = adapted(rows, Some(&bare));
        let lengths = original
            .chunks(shape[1])
            .map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt());
        let gains = lengths
            .zip(scaled.magnitude.as_ref().unwrap())
            .map(|(length, m)| f64::from(*m) / length);
        let expected: Vec<f32> = sums
            .chunks(shape[1])
            .zip(gains)
            .flat_map(|(row, gain)| row.iter().map(move |value| (value * gain) as f32))
            .collect();
        assert_close(&found, &expected, 1e-5, name);
    }
}
