//! The properties an adapter must have, and agreement with PEFT and diffusers.

use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};

use super::*;
use crate::linear::{Bias, Linear};
use crate::training::{train_only, trainable_parameters};
use crate::weights::{SafetensorsFile, TensorMap, TensorSource};

/// Two adaptable layers and one that is not, named as in diffusers.
#[derive(Module, Debug)]
struct Block {
    attn1: Attention,
    proj_in: Linear,
}

#[derive(Module, Debug)]
struct Attention {
    to_q: Linear,
    to_out: Vec<Linear>,
}

impl Block {
    fn new(device: &Device) -> Self {
        Self {
            attn1: Attention {
                to_q: Linear::new(6, 7, Bias::Absent, device),
                to_out: vec![Linear::new(7, 6, Bias::Present, device)],
            },
            proj_in: Linear::new(6, 6, Bias::Present, device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.attn1.to_q.forward(self.proj_in.forward(x));
        self.attn1.to_out[0].forward(activation::tanh(x))
    }
}

impl AdaptTarget for Block {
    const COMPONENT: &'static str = "unet";

    fn linears_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Linear)) {
        visit("attn1.to_q", &mut self.attn1.to_q);
        visit("attn1.to_out.0", &mut self.attn1.to_out[0]);
        visit("proj_in", &mut self.proj_in);
    }
}

fn config(method: AdapterMethod) -> AdapterConfig {
    AdapterConfig {
        method,
        rank: 3,
        alpha: 4.5,
        ..AdapterConfig::default()
    }
}

/// Values that differ from call to call of one test, without a generator.
fn values(tag: &str, count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    let key = crate::noise::text_key(tag);
    crate::noise::NoiseSource::sampling().normal(7, &key, 0, 0, &mut values);
    values
}

fn input(device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values("input", 60), [2, 5, 6]), device)
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_into_vec_as().unwrap()
}

/// Moves every adapter away from its start.
fn disturb(block: &mut Block) {
    block.linears_mut(&mut |name, linear| {
        let Some(adapter) = &mut linear.adapter else {
            return;
        };
        let [outputs, rank] = adapter.lora_b.dims();
        let data = TensorData::new(values(name, outputs * rank), [outputs, rank]);
        let device = adapter.lora_b.device();
        adapter.lora_b = Param::from_tensor(Tensor::from_data(data, &device));
        if let Some(magnitude) = adapter.magnitude.take() {
            let lengths = host(magnitude.val());
            let lengths = lengths.iter().zip(values("magnitude", outputs));
            let lengths = lengths
                .map(|(length, value)| length * (1.0 + 0.2 * value))
                .collect();
            adapter.magnitude = Some(attach::parameter(lengths, [outputs], &device));
        }
    });
}

fn disturbed(method: AdapterMethod, device: &Device) -> Block {
    let mut block = Block::new(device);
    attach(&mut block, &config(method)).unwrap();
    disturb(&mut block);
    block
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance * scale,
            "{what}: {found} {expected}"
        );
    }
}

fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/training")
        .join(name)
}

fn golden(name: &str) -> TensorMap {
    SafetensorsFile::open(&golden_path(name))
        .unwrap()
        .read_all()
        .unwrap()
}

fn floats(tensors: &TensorMap, name: &str) -> Vec<f32> {
    tensors[name].to_f32().unwrap()
}

fn tensor<const D: usize>(tensors: &TensorMap, name: &str, device: &Device) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(floats(tensors, name), tensors[name].shape.clone()),
        device,
    )
}

/// The golden block with PEFT's weights in the base layers.
fn golden_block(tensors: &TensorMap, device: &Device) -> Block {
    let mut block = Block::new(device);
    block.linears_mut(&mut |name, linear| {
        let weight = tensor(tensors, &format!("parameter.{name}.weight"), device);
        linear.weight = Param::from_tensor(weight);
        if linear.bias.is_some() {
            let bias = tensor(tensors, &format!("parameter.{name}.bias"), device);
            linear.bias = Some(Param::from_tensor(bias));
        }
    });
    block
}

#[test]
fn forward_gradients_and_merge_agree_with_peft() {
    for method in ["lora", "dora"] {
        let device = Device::flex().autodiff();
        let tensors = golden(&format!("adapter_{method}.safetensors"));
        let mut block = golden_block(&tensors, &device);
        let bytes = std::fs::read(golden_path(&format!("diffusers_{method}.safetensors"))).unwrap();
        SavedAdapter::from_bytes(&bytes, "unet")
            .unwrap()
            .attach(&mut block)
            .unwrap();
        let mut block = train_only(block, |name| name.contains(".adapter."));

        let x = tensor::<3>(&tensors, "x", &device).require_grad();
        let y = block.forward(x.clone());
        assert_close(&host(y.clone()), &floats(&tensors, "y"), 1e-5, "output");

        let gradients = (y * tensor(&tensors, "weighting", &device)).sum().backward();
        assert_close(
            &host(x.grad(&gradients).unwrap()),
            &floats(&tensors, "x.grad"),
            1e-5,
            "input",
        );
        block.linears_mut(&mut |name, linear| {
            let Some(adapter) = &linear.adapter else {
                return;
            };
            let expected = |part| floats(&tensors, &format!("gradient.{name}.{part}"));
            let a = host(adapter.lora_a.val().grad(&gradients).unwrap());
            assert_close(&a, &expected("lora_A.weight"), 1e-5, name);
            let b = host(adapter.lora_b.val().grad(&gradients).unwrap());
            assert_close(&b, &expected("lora_B.weight"), 1e-5, name);
            if let Some(magnitude) = &adapter.magnitude {
                let magnitude = host(magnitude.val().grad(&gradients).unwrap());
                assert_close(&magnitude, &expected("lora_magnitude_vector"), 1e-5, name);
            }
        });

        merge(&mut block);
        for (name, linear) in [("to_q", &block.attn1.to_q), ("to_out.0", &block.attn1.to_out[0])] {
            let expected = floats(&tensors, &format!("merged.attn1.{name}.weight"));
            assert_close(&host(linear.weight.val()), &expected, 1e-6, name);
        }
    }
}

#[test]
fn formula_holds_in_double_precision() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let block = disturbed(method, &device);
        let layer = &block.attn1.to_out[0];
        let adapter = layer.adapter.as_ref().unwrap();
        let x: Tensor<2> = Tensor::from_data(TensorData::new(values("rows", 28), [4, 7]), &device);
        let found = host(layer.forward(x.clone()));
        let double = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        let (w, a, b) = (
            double(host(layer.weight.val())),
            double(host(adapter.lora_a.val())),
            double(host(adapter.lora_b.val())),
        );
        let bias = double(host(layer.bias.as_ref().unwrap().val()));
        let m = adapter.magnitude.as_ref().map(|m| double(host(m.val())));
        let x = double(host(x));
        for row in 0..4 {
            for out in 0..6 {
                let adapted = |i: usize| {
                    w[out * 7 + i] + 1.5 * (0..3).map(|r| b[out * 3 + r] * a[r * 7 + i]).sum::<f64>()
                };
                let norm = (0..7).map(|i| adapted(i).powi(2)).sum::<f64>().sqrt();
                let gain = m.as_ref().map_or(1.0, |m| m[out] / norm);
                let product: f64 = (0..7).map(|i| adapted(i) * x[row * 7 + i]).sum();
                let expected = gain * product + bias[out];
                assert!((f64::from(found[row * 6 + out]) - expected).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn a_fresh_adapter_changes_nothing() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let mut block = Block::new(&device);
        let before = host(block.forward(input(&device)));
        attach(&mut block, &config(method)).unwrap();
        assert_close(&host(block.forward(input(&device))), &before, 1e-6, "start");
        let adapter = block.attn1.to_q.adapter.as_ref().unwrap();
        assert!(host(adapter.lora_a.val()).iter().all(|value| *value != 0.0));
    }
}

#[test]
fn initial_values_have_deviation_one_over_rank_and_follow_the_seed() {
    let device = Device::flex();
    let factors = |seed, layer: &str| {
        let mut linear = Linear::new(400, 8, Bias::Absent, &device);
        let config = AdapterConfig {
            rank: 16,
            seed,
            ..AdapterConfig::default()
        };
        struct One<'a>(&'a str, &'a mut Linear);
        impl AdaptTarget for One<'_> {
            const COMPONENT: &'static str = "unet";
            fn linears_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Linear)) {
                visit(self.0, self.1);
            }
        }
        attach(&mut One(layer, &mut linear), &config).unwrap();
        host(linear.adapter.unwrap().lora_a.val())
    };
    let a = factors(1, "a.to_q");
    let variance = a.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / a.len() as f64;
    // Relative standard error of a variance from 6400 values: sqrt(2 / 6400) = 0.018.
    assert!((variance * 256.0 - 1.0).abs() < 0.09, "{variance}");
    assert_eq!(a, factors(1, "a.to_q"));
    assert_ne!(a, factors(2, "a.to_q"));
    assert_ne!(a, factors(1, "b.to_q"));
}

#[test]
fn only_adapters_are_trainable_and_receive_gradients() {
    let device = Device::flex().autodiff();
    let block = disturbed(AdapterMethod::Dora, &device);
    let block = train_only(block, |name| name.contains(".adapter."));
    let names: Vec<String> = trainable_parameters(&block).into_iter().map(|p| p.name).collect();
    let expected: Vec<String> = ["attn1.to_q", "attn1.to_out.0"]
        .iter()
        .flat_map(|layer| ["lora_a", "lora_b", "magnitude"].map(|part| format!("{layer}.adapter.{part}")))
        .collect();
    assert_eq!(names, expected);
    let gradients = block.forward(input(&device)).square().mean().backward();
    for linear in [&block.attn1.to_q, &block.attn1.to_out[0], &block.proj_in] {
        assert!(linear.weight.val().grad(&gradients).is_none());
        assert!(!linear.weight.val().is_tracked());
    }
    let adapter = block.attn1.to_q.adapter.as_ref().unwrap();
    for gradient in [
        adapter.lora_a.val().grad(&gradients),
        adapter.lora_b.val().grad(&gradients),
    ] {
        assert!(host(gradient.unwrap()).iter().any(|value| *value != 0.0));
    }
}

#[test]
fn dora_with_the_current_length_as_magnitude_is_lora() {
    let device = Device::flex();
    let mut block = disturbed(AdapterMethod::Dora, &device);
    block.linears_mut(&mut |_, linear| {
        if let Some(adapter) = &mut linear.adapter {
            let norms = adapter.row_norms(&linear.weight.val());
            adapter.magnitude = Some(Param::from_tensor(norms));
        }
    });
    let dora = host(block.forward(input(&device)));
    block.linears_mut(&mut |_, linear| {
        if let Some(adapter) = &mut linear.adapter {
            adapter.magnitude = None;
        }
    });
    assert_close(&dora, &host(block.forward(input(&device))), 1e-6, "lora");
}

#[test]
fn targets_choose_the_layers() {
    let device = Device::flex();
    let mut block = Block::new(&device);
    let layers = attach(&mut block, &config(AdapterMethod::Lora)).unwrap();
    assert_eq!(layers, ["attn1.to_q", "attn1.to_out.0"]);
    assert!(block.proj_in.adapter.is_none());
    assert!(matches!(
        attach(&mut block, &config(AdapterMethod::Lora)),
        Err(AdapterError::AlreadyAdapted { .. })
    ));
    detach(&mut block);
    assert!(block.attn1.to_q.adapter.is_none());
    let none = AdapterConfig {
        targets: AdapterTargets {
            attention: false,
            feed_forward: true,
        },
        ..AdapterConfig::default()
    };
    assert!(matches!(attach(&mut block, &none), Err(AdapterError::NoLayer)));
}

#[test]
fn merging_keeps_the_output() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let mut block = disturbed(method, &device);
        let before = host(block.forward(input(&device)));
        merge(&mut block);
        assert!(block.attn1.to_q.adapter.is_none());
        assert_close(&host(block.forward(input(&device))), &before, 1e-5, "merged");
    }
}

#[test]
fn scaling_by_zero_leaves_lora_without_effect() {
    let device = Device::flex();
    let mut block = disturbed(AdapterMethod::Lora, &device);
    let adapted = host(block.forward(input(&device)));
    multiply_scale(&mut block, 0.0);
    let scaled = host(block.forward(input(&device)));
    detach(&mut block);
    let base = host(block.forward(input(&device)));
    assert_close(&scaled, &base, 1e-6, "scaled");
    assert_ne!(adapted, base);
}

#[test]
fn a_file_carries_an_adapter_bit_by_bit() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let block = disturbed(method, &device);
        let saved = SavedAdapter::extract(&block).unwrap();
        let bytes = saved.to_bytes("unet");
        assert_eq!(bytes, saved.to_bytes("unet"));
        let read = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
        assert_eq!(read, saved);
        let mut other = block.clone();
        detach(&mut other);
        read.attach(&mut other).unwrap();
        assert_eq!(
            host(other.forward(input(&device))),
            host(block.forward(input(&device)))
        );
    }
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let saved = SavedAdapter::extract(&disturbed(AdapterMethod::Dora, &device)).unwrap();
    let attach_changed = |change: &dyn Fn(&mut SavedAdapter)| {
        let mut changed = saved.clone();
        change(&mut changed);
        let mut block = Block::new(&device);
        let error = SavedAdapter::from_bytes(&changed.to_bytes("unet"), "unet")
            .and_then(|adapter| adapter.attach(&mut block))
            .unwrap_err();
        assert!(block.attn1.to_q.adapter.is_none());
        error.to_string()
    };
    let unknown = attach_changed(&|saved| {
        let layer = saved.layers["attn1.to_q"].clone();
        saved.layers.insert("attn9.to_q".to_owned(), layer);
    });
    assert!(unknown.contains("attn9.to_q"), "{unknown}");
    let wide = attach_changed(&|saved| {
        let layer = saved.layers.get_mut("attn1.to_q").unwrap();
        layer.inputs = 8;
        layer.lora_a = vec![0.5; 24];
    });
    assert!(wide.contains("[3, 6]") && wide.contains("[3, 8]"), "{wide}");
    let infinite = attach_changed(&|saved| {
        saved.layers.get_mut("attn1.to_q").unwrap().lora_b[3] = f32::INFINITY;
    });
    assert!(infinite.contains("not finite"), "{infinite}");
    let mixed = attach_changed(&|saved| {
        saved.layers.get_mut("attn1.to_q").unwrap().magnitude = None;
    });
    assert!(mixed.contains("differs in method"), "{mixed}");
    assert!(SavedAdapter::from_bytes(b"nonsense", "unet").is_err());
    assert!(matches!(
        SavedAdapter::from_bytes(&saved.to_bytes("unet"), "text_encoder"),
        Err(AdapterError::UnknownTensor { .. })
    ));
}

#[test]
fn settings_of_a_diffusers_file_are_read() {
    for (name, method) in [("lora", AdapterMethod::Lora), ("dora", AdapterMethod::Dora)] {
        let bytes = std::fs::read(golden_path(&format!("diffusers_{name}.safetensors"))).unwrap();
        let saved = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
        assert_eq!((saved.method, saved.rank, saved.alpha), (method, 3, 4.5));
        assert_eq!(
            saved.layers.keys().collect::<Vec<_>>(),
            ["attn1.to_out.0", "attn1.to_q"]
        );
    }
}

/// `export_training.py check` loads this file with diffusers and compares outputs.
#[test]
fn the_layout_of_written_files_does_not_change() {
    let bytes = std::fs::read(golden_path("diffusers_dora.safetensors")).unwrap();
    let written = SavedAdapter::from_bytes(&bytes, "unet").unwrap().to_bytes("unet");
    let path = golden_path("written_dora.safetensors");
    assert!(written == std::fs::read(path).unwrap());
}

#[test]
fn kohya_form_carries_an_adapter_bit_by_bit() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let block = disturbed(method, &device);
        let saved = SavedAdapter::extract(&block).unwrap();
        let bytes = saved.to_kohya_bytes("unet");
        let names = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(
            names.tensor("lora_unet_attn1_to_out_0.alpha").unwrap().shape(),
            [0; 0]
        );
        assert!(names.tensor("lora_unet_attn1_to_q.lora_down.weight").is_ok());
        assert_eq!(
            names.tensor("lora_unet_attn1_to_q.dora_scale").is_ok(),
            method == AdapterMethod::Dora
        );
        assert_eq!(SavedAdapter::from_kohya_bytes(&bytes, &block).unwrap(), saved);
        let message = SavedAdapter::from_bytes(&bytes, "unet").unwrap_err().to_string();
        assert!(
            message.contains("kohya") || message.contains("dora_scale"),
            "{message}"
        );
    }
}

#[test]
fn kohya_files_without_an_exact_meaning_are_refused() {
    use super::layout::{Tensors, encode};
    let block = Block::new(&Device::flex());
    let (a, b, per_input, alpha) = ([0.5; 18], [0.5; 21], [1.0; 6], [2.0]);
    let refuse = |extra: &[(&str, Vec<usize>, &[f32])]| {
        let mut tensors = Tensors::new();
        tensors.insert(
            "lora_unet_attn1_to_q.lora_down.weight".to_owned(),
            (vec![3, 6], &a),
        );
        tensors.insert("lora_unet_attn1_to_q.lora_up.weight".to_owned(), (vec![7, 3], &b));
        assert_eq!(
            SavedAdapter::from_kohya_bytes(&encode(&tensors, &[]), &block)
                .unwrap()
                .alpha,
            3.0
        );
        for (name, shape, values) in extra {
            tensors.insert((*name).to_owned(), (shape.clone(), values));
        }
        let error = SavedAdapter::from_kohya_bytes(&encode(&tensors, &[]), &block).unwrap_err();
        error.to_string()
    };
    let columns = refuse(&[("lora_unet_attn1_to_q.dora_scale", vec![1, 6], &per_input)]);
    assert!(columns.contains("one entry per input"), "{columns}");
    let stray = refuse(&[("lora_unet_attn7_to_q.alpha", vec![], &alpha)]);
    assert!(stray.contains("attn7_to_q"), "{stray}");
    let lonely = refuse(&[("lora_unet_proj_in.alpha", vec![], &alpha)]);
    assert!(
        lonely.contains("proj_in") && lonely.contains("lora_down"),
        "{lonely}"
    );
    let other = refuse(&[("lora_te_q_proj.alpha", vec![], &alpha)]);
    assert!(other.contains("another component"), "{other}");
    let mixed = refuse(&[
        ("lora_unet_attn1_to_out_0.lora_down.weight", vec![3, 7], &b),
        ("lora_unet_attn1_to_out_0.lora_up.weight", vec![6, 3], &a),
        ("lora_unet_attn1_to_q.alpha", vec![], &alpha),
    ]);
    assert!(mixed.contains("differs in method, rank or scale"), "{mixed}");
}

#[test]
fn files_of_peft_itself_need_their_config() {
    let device = Device::flex();
    let saved = SavedAdapter::extract(&disturbed(AdapterMethod::Dora, &device)).unwrap();
    let bytes = saved.to_bytes("base_model.model.unet");
    assert!(
        SavedAdapter::from_peft_bytes(&bytes, r#"{"lora_alpha": 9, "r": 3}"#, "unet")
            .unwrap()
            .alpha
            == 9.0
    );
    // Our own metadata does not use that prefix, so it has to be left out to look like PEFT's.
    let tensors: super::layout::Tensors<'_> = saved
        .layers
        .iter()
        .map(|(name, layer)| {
            let name = format!("base_model.model.{name}.lora_A.weight");
            (name, (vec![3, layer.inputs], layer.lora_a.as_slice()))
        })
        .collect();
    let message = SavedAdapter::from_bytes(&super::layout::encode(&tensors, &[]), "unet")
        .unwrap_err()
        .to_string();
    assert!(message.contains("adapter_config.json"), "{message}");
}

/// `export_training.py check` has diffusers convert this file and compares the tensors.
#[test]
fn the_layout_of_kohya_files_does_not_change() {
    let bytes = std::fs::read(golden_path("diffusers_lora.safetensors")).unwrap();
    let mut saved = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
    let block = "mid_block.attentions.0.transformer_blocks.0";
    saved.layers = saved
        .layers
        .into_iter()
        .map(|(name, layer)| (format!("{block}.{name}"), layer))
        .collect();
    let written = saved.to_kohya_bytes("unet");
    assert!(written == std::fs::read(golden_path("written_kohya.safetensors")).unwrap());
}
