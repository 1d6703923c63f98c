//! Attention maps of whole networks against diffusers, and their gradients against finite differences.
//!
//! The numbers are made by `tools/goldens/export_attention_maps.py`, which computes them in f64.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use safetensors::SafeTensors;

use super::{Case, NAMES, OUTPUT_TOLERANCE, path, values_of};
use crate::conditioning::Conditioning;
use crate::denoiser::{
    AttentionKind, AttentionMap, AttentionPlace, AttentionRequest, Denoiser, DenoiserError, DenoiserInput,
    DenoiserOutput, NoiseLevel,
};
use crate::nn::weights::{TensorMap, golden, load_module};
use crate::unet::{UNet2DConditionConfig, UNet2DConditionModel};

const BOTH: [AttentionKind; 2] = [AttentionKind::CrossAttention, AttentionKind::SelfAttention];
const FILES: [&str; 3] = ["sd1", "sd2", "three_levels"];
/// Tokens of each prompt in the golden file.
const TOKENS: usize = 5;
/// The timestep of the golden file; the network does not look at the rest of a level.
const LEVEL: NoiseLevel = NoiseLevel {
    timestep: 371.0,
    signal: 1.0,
    noise: 0.0,
};

/// One network with the inputs and results of its golden file.
struct Example {
    network: UNet2DConditionModel,
    latents: Tensor<4>,
    encodings: [Tensor<3>; 3],
    golden: TensorMap,
}

impl Example {
    fn new(file: &str, device: &Device, dtype: FloatDType) -> Self {
        let all = golden::tensors("unet/attention_maps.safetensors");
        let prefix = format!("{file}/");
        let golden: TensorMap = all
            .into_iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor)))
            .collect();
        let encoding =
            |index: usize| golden::tensor::<3>(&golden, &format!("encoding.{index}"), device).cast(dtype);
        Self {
            network: network(file, device, dtype),
            latents: golden::tensor::<4>(&golden, "sample", device).cast(dtype),
            encodings: [0, 1, 2].map(encoding),
            golden,
        }
    }

    fn prompt(&self) -> Conditioning {
        self.encodings[0].clone().into()
    }

    fn ask(&self, latents: &Tensor<4>, request: Option<&AttentionRequest>) -> DenoiserOutput {
        let prompt = self.prompt();
        let input = DenoiserInput {
            attention_maps: request,
            ..DenoiserInput::new(latents, LEVEL, &prompt)
        };
        self.network.denoise(&input).unwrap()
    }

    fn maps(&self, latents: &Tensor<4>, request: &AttentionRequest) -> Vec<AttentionMap> {
        self.ask(latents, Some(request)).attention_maps.unwrap()
    }

    fn refusal(&self, request: &AttentionRequest) -> Option<DenoiserError> {
        let prompt = self.prompt();
        let input = DenoiserInput {
            attention_maps: Some(request),
            ..DenoiserInput::new(&self.latents, LEVEL, &prompt)
        };
        self.network.denoise(&input).err()
    }
}

fn network(file: &str, device: &Device, dtype: FloatDType) -> UNet2DConditionModel {
    let bytes = std::fs::read(path(file)).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let config = &header.metadata().as_ref().unwrap()["config"];
    let config: UNet2DConditionConfig = serde_json::from_str(config).unwrap();
    let weights = Case::new(file, "").weights;
    load_module(
        UNet2DConditionModel::new(&config, device),
        &weights,
        &NAMES,
        dtype,
    )
    .unwrap()
}

fn doubles<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.cast(DType::F64).into_data().try_to_vec().unwrap()
}

#[test]
fn maps_equal_those_of_diffusers() {
    for file in FILES {
        let example = Example::new(file, &Device::flex(), FloatDType::F32);
        let maps = example.maps(&example.latents, &AttentionRequest::of(&BOTH));
        let expected = example.golden.keys().filter(|name| name.starts_with("maps."));
        assert_eq!(maps.len(), expected.count());
        for map in maps {
            let name = format!("maps.{}", map.layer);
            let distance = golden::relative_error(map.probabilities.clone(), &example.golden, &name);
            assert!(distance < OUTPUT_TOLERANCE, "{file} {name}: {distance:e}");
            let sums = values_of(map.probabilities.sum_dim(3));
            assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{file} {name}");
        }
    }
}

#[test]
fn a_map_says_where_it_comes_from() {
    for file in FILES {
        let example = Example::new(file, &Device::flex(), FloatDType::F32);
        let [_, _, height, width] = example.latents.dims();
        let maps = example.maps(&example.latents, &AttentionRequest::of(&BOTH));
        assert_eq!(maps[0].size, [height, width]);
        for map in maps {
            let [_, _, positions, tokens] = map.probabilities.dims();
            assert_eq!(positions, map.size[0] * map.size[1], "{}", map.layer);
            let attended = match map.kind {
                AttentionKind::CrossAttention => TOKENS,
                AttentionKind::SelfAttention => positions,
            };
            assert_eq!(tokens, attended, "{}", map.layer);
            let level = match map.place {
                AttentionPlace::Down => "down_blocks.",
                AttentionPlace::Middle => "mid_block.",
                AttentionPlace::Up => "up_blocks.",
            };
            assert!(map.layer.starts_with(level), "{}", map.layer);
        }
    }
}

#[test]
fn a_prediction_with_maps_is_the_one_without() {
    let apart = |file, dtype| {
        let example = Example::new(file, &Device::flex(), dtype);
        let request = AttentionRequest::of(&BOTH);
        let with = example.ask(&example.latents, Some(&request));
        let without = example.ask(&example.latents, None);
        assert!(without.attention_maps.is_none());
        let (with, without) = (doubles(with.prediction), doubles(without.prediction));
        let pairs = || with.iter().zip(&without);
        let squared: f64 = pairs().map(|(with, without)| (with - without).powi(2)).sum();
        let length: f64 = without.iter().map(|value| value.powi(2)).sum();
        (squared / length).sqrt()
    };
    for file in FILES {
        let apart = apart(file, FloatDType::F32);
        assert!(apart < 1e-5, "{file}: {apart:e}");
    }
    let apart = apart("sd1", FloatDType::F64);
    assert!(apart < 1e-12, "{apart:e}");
}

#[test]
fn gradients_of_maps_equal_finite_differences() {
    const STEP: f64 = 1e-4;
    let device = Device::flex().autodiff();
    let example = Example::new("sd1", &device, FloatDType::F64);
    let shape = example.latents.dims();
    let start = doubles(example.latents.clone());
    let latents = |values: Vec<f64>| {
        let values = TensorData::new(values, shape);
        Tensor::<4>::from_data(values, (&device, DType::F64))
    };
    for kind in BOTH {
        let request = AttentionRequest::of(&[kind]);
        let loss = |latents: &Tensor<4>| -> Tensor<1> {
            let maps = example.maps(latents, &request).into_iter();
            let of_one = |map: AttentionMap| map.probabilities.square().sum();
            maps.map(of_one).reduce(|sum, one| sum + one).unwrap()
        };
        let leaf = latents(start.clone()).require_grad();
        let gradient = doubles(leaf.grad(&loss(&leaf).backward()).unwrap());
        let largest = gradient.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        assert!(largest > 1e-3, "{kind:?}: {largest:e}");
        for place in (0..start.len()).step_by(7) {
            let moved = |step: f64| {
                let mut values = start.clone();
                values[place] += step;
                doubles(loss(&latents(values)))[0]
            };
            let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let apart = (difference - gradient[place]).abs() / largest;
            assert!(apart < 1e-6, "{kind:?} at {place}: {apart:e}");
        }
    }
}

#[test]
fn maps_carry_a_graph_only_where_it_is_wanted() {
    let device = Device::flex().autodiff();
    let example = Example::new("sd1", &device, FloatDType::F32);
    let latents = example.latents.clone().detach().require_grad();
    let request = AttentionRequest::of(&[AttentionKind::CrossAttention]);
    let tracked = |request: &AttentionRequest| example.maps(&latents, request)[0].probabilities.is_tracked();
    assert!(tracked(&request));
    assert!(!tracked(&request.without_graph()));
}

#[test]
fn only_what_is_wanted_is_handed_out_and_nothing_is_an_error() {
    let example = Example::new("sd2", &Device::flex(), FloatDType::F32);
    let request = AttentionRequest::of(&[AttentionKind::CrossAttention]).at(&[[2, 3]]);
    let maps = example.maps(&example.latents, &request);
    assert!(maps.len() > 1);
    for map in maps {
        assert_eq!((map.kind, map.size), (AttentionKind::CrossAttention, [2, 3]));
        assert!(map.layer.ends_with("attn2"), "{}", map.layer);
    }
    let elsewhere = AttentionRequest::of(&BOTH).at(&[[7, 7]]);
    assert_eq!(example.refusal(&elsewhere), Some(DenoiserError::NoSuchAttention));
    let without_attention = Example {
        network: network("plain", &Device::flex(), FloatDType::F32),
        ..example
    };
    let refusal = without_attention.refusal(&AttentionRequest::of(&BOTH));
    assert_eq!(refusal, Some(DenoiserError::NoAttentionMaps));
}

/// Keys of the whole prompt and values of several encodings, as in Structured Diffusion Guidance.
#[test]
fn values_of_several_encodings_equal_diffusers() {
    for file in FILES {
        let example = Example::new(file, &Device::flex(), FloatDType::F32);
        let [first, ..] = &example.encodings;
        let predict = |prompt: &Conditioning| {
            let predicted = example.network.predict(&example.latents, LEVEL, prompt);
            predicted.unwrap()
        };
        let plain = predict(&example.prompt());
        let alone = predict(&example.prompt().with_values_of(std::slice::from_ref(first)));
        assert_eq!(values_of(alone), values_of(plain.clone()));
        let structured = predict(&example.prompt().with_values_of(&example.encodings));
        for (name, found) in [("output", plain), ("structured", structured)] {
            let distance = golden::relative_error(found, &example.golden, name);
            assert!(distance < OUTPUT_TOLERANCE, "{file} {name}: {distance:e}");
        }
        let fewer = example.encodings[1].clone().narrow(1, 0, 2);
        let misfit = Conditioning {
            value_context: Some(fewer),
            ..example.prompt()
        };
        let refused = example.network.predict(&example.latents, LEVEL, &misfit);
        assert!(matches!(refused, Err(DenoiserError::Conditioning { .. })));
    }
}
