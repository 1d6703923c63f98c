use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, FloatDType, Tensor};

use super::*;

#[derive(Module, Debug)]
struct Layer {
    weight: Param<Tensor<2>>,
    bias: Option<Param<Tensor<1>>>,
}

#[derive(Module, Debug)]
pub(super) struct Network {
    layers: Vec<Layer>,
}

fn network() -> Network {
    network_on(&Device::flex())
}

fn network_on(device: &Device) -> Network {
    let layer = |input, output, bias: bool| Layer {
        weight: Param::from_tensor(Tensor::zeros([output, input], device)),
        bias: bias.then(|| Param::from_tensor(Tensor::zeros([output], device))),
    };
    Network {
        layers: vec![layer(3, 2, true), layer(2, 4, false)],
    }
}

fn numbered(count: usize, shape: Vec<usize>) -> HostTensor {
    let values: Vec<f32> = (0..count).map(|index| index as f32 * 0.5 - 1.0).collect();
    HostTensor::from_f32(&values, shape)
}

pub(super) fn tensors() -> TensorMap {
    TensorMap::from([
        ("layers.0.weight".to_owned(), numbered(6, vec![2, 3])),
        ("layers.0.bias".to_owned(), numbered(2, vec![2])),
        ("layers.1.weight".to_owned(), numbered(8, vec![4, 2])),
    ])
}

pub(super) fn load(source: &dyn TensorSource) -> Result<Network, WeightsError> {
    load_module(network(), source, &NameTable::default(), FloatDType::F32)
}

fn problems(tensors: &TensorMap) -> Vec<LoadProblem> {
    match load(tensors) {
        Err(WeightsError::Misfit { problems, .. }) => problems,
        other => panic!("{other:?}"),
    }
}

#[test]
fn round_trips_through_memory_file_and_shards() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        module_tensors(&load(&tensors()).unwrap(), &NameTable::default()),
        tensors()
    );
    let path = folder.path().join("model.safetensors");
    write_safetensors(&path, &tensors(), None).unwrap();
    let whole = WeightsFolder::open(folder.path(), "model").unwrap();
    assert_eq!(whole.read_all().unwrap(), tensors());
    assert_eq!(
        encode_safetensors(&tensors(), None).unwrap(),
        std::fs::read(&path).unwrap()
    );
    std::fs::remove_file(&path).unwrap();
    write_shards(folder.path());
    let sharded = WeightsFolder::open(folder.path(), "model").unwrap();
    assert_eq!(
        module_tensors(&load(&sharded).unwrap(), &NameTable::default()),
        tensors()
    );
    assert_eq!(
        digest_tensors(&sharded).unwrap(),
        digest_tensors(&tensors()).unwrap()
    );
}

pub(super) fn write_shards(folder: &Path) {
    let (first, second): (TensorMap, TensorMap) = tensors()
        .into_iter()
        .partition(|(name, _)| name.starts_with("layers.0"));
    write_safetensors(&folder.join("a.safetensors"), &first, None).unwrap();
    write_safetensors(&folder.join("b.safetensors"), &second, None).unwrap();
    let index = serde_json::json!({ "metadata": {}, "weight_map": {
        "layers.0.bias": "a.safetensors", "layers.0.weight": "a.safetensors", "layers.1.weight": "b.safetensors",
    } });
    std::fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn half_precision_variants_are_found_and_widened() {
    let folder = tempfile::tempdir().unwrap();
    write_safetensors(
        &folder.path().join("model.fp16.safetensors"),
        &tensors(),
        Some(Dtype::F16),
    )
    .unwrap();
    let source = WeightsFolder::open(folder.path(), "model").unwrap();
    assert_eq!(source.describe("layers.0.bias").unwrap(), (Dtype::F16, vec![2]));
    let module = load(&source).unwrap();
    assert_eq!(module.layers[0].weight.val().dtype(), DType::F32);
    assert_eq!(module_tensors(&module, &NameTable::default()), tensors());
}

/// Releases of diffusers and transformers differ in where an index has the variant's name.
#[test]
fn sharded_variants_are_found_in_every_spelling() {
    for index in [
        "model.safetensors.index.fp16.json",
        "model.safetensors.fp16.index.json",
        "model.fp16.safetensors.index.json",
    ] {
        let folder = tempfile::tempdir().unwrap();
        write_shards(folder.path());
        std::fs::rename(
            folder.path().join("model.safetensors.index.json"),
            folder.path().join(index),
        )
        .unwrap();
        let source = WeightsFolder::open(folder.path(), "model").unwrap();
        assert_eq!(source.variant(), Some("fp16"));
        assert_eq!(source.files().len(), 2);
        assert_eq!(source.read_all().unwrap(), tensors());
        // A variant that is not there leaves the others.
        let other = WeightsFolder::open_variant(folder.path(), "model", Some("ema")).unwrap();
        assert_eq!(other.variant(), Some("fp16"));
    }
}

#[test]
fn every_problem_is_named() {
    let mut wrong = tensors();
    wrong.remove("layers.0.bias");
    wrong.insert("layers.0.weight".to_owned(), numbered(6, vec![3, 2]));
    wrong.insert("layers.2.weight".to_owned(), numbered(1, vec![1]));
    wrong.insert(
        "layers.1.weight".to_owned(),
        HostTensor::from_f32(&[f32::NAN, f32::INFINITY, 0., 0., 0., 0., 0., 0.], vec![4, 2]),
    );
    assert_eq!(
        problems(&wrong),
        [
            LoadProblem::Shape {
                name: "layers.0.weight".into(),
                expected: vec![2, 3],
                found: vec![3, 2]
            },
            LoadProblem::Missing {
                name: "layers.0.bias".into(),
                expected: vec![2]
            },
            LoadProblem::NotFinite {
                name: "layers.1.weight".into(),
                count: 2
            },
            LoadProblem::Unused {
                name: "layers.2.weight".into(),
                found: vec![1]
            },
        ]
    );
    let text = load(&wrong).unwrap_err().to_string();
    assert_eq!(
        text,
        "Weights `memory` do not fit: `layers.0.weight` has shape [3, 2], expected [2, 3]; missing \
         `layers.0.bias`, expected shape [2]; `layers.1.weight` holds 2 NaN or infinite elements; unused \
         `layers.2.weight` of shape [1]"
    );
}

#[test]
fn element_types_are_checked() {
    let bias = |dtype, data: &[u8]| {
        let mut other = tensors();
        let (shape, data) = (vec![2], data.to_vec());
        other.insert("layers.0.bias".to_owned(), HostTensor { dtype, shape, data });
        other
    };
    assert_eq!(
        problems(&bias(Dtype::C64, &[0; 16])),
        [LoadProblem::NotFloat {
            name: "layers.0.bias".into(),
            found: Dtype::C64
        }]
    );
    // -1 and 1.5, or 3 where there are no fractions.
    for (dtype, data, second) in [
        (Dtype::F8_E4M3, &[0xb8, 0x3c][..], 1.5),
        (Dtype::F8_E5M2, &[0xbc, 0x3e], 1.5),
        (Dtype::I8, &[0xff, 3], 3.0),
        (
            Dtype::I64,
            &[255, 255, 255, 255, 255, 255, 255, 255, 3, 0, 0, 0, 0, 0, 0, 0],
            3.0,
        ),
    ] {
        let module = load(&bias(dtype, data)).unwrap();
        let values: Vec<f32> = module.layers[0]
            .bias
            .as_ref()
            .unwrap()
            .val()
            .into_data()
            .try_to_vec()
            .unwrap();
        assert_eq!(values, [-1.0, second], "{dtype:?}");
    }
    assert_eq!(
        problems(&bias(Dtype::F8_E5M2, &[0x7c, 0x3e])),
        [LoadProblem::NotFinite {
            name: "layers.0.bias".into(),
            count: 1
        }]
    );
    let mut large = tensors();
    large.insert(
        "layers.0.bias".to_owned(),
        HostTensor::from_f32(&[1e6, 1.0], vec![2]),
    );
    assert!(load(&large).is_ok());
    let narrow = load_module(network(), &large, &NameTable::default(), FloatDType::F16).unwrap_err();
    assert!(
        narrow
            .to_string()
            .contains("`layers.0.bias` holds 1 elements beyond the range of f16")
    );
}

#[test]
fn narrowing_never_makes_infinities() {
    let mut large = tensors();
    large.insert(
        "a".to_owned(),
        HostTensor::from_f32(&[1e6, -7e4, 65504.0], vec![3]),
    );
    let error = encode_safetensors(&large, Some(Dtype::F16)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Tensor `a` holds 2 elements beyond the range of F16"
    );
    assert!(encode_safetensors(&large, Some(Dtype::BF16)).is_ok());
}

#[test]
fn ignored_tensors_and_unit_convolutions_are_accepted() {
    let mut published = tensors();
    published.insert(
        "x.position_ids".to_owned(),
        HostTensor {
            dtype: Dtype::I64,
            shape: vec![1],
            data: vec![0; 8],
        },
    );
    published.get_mut("layers.1.weight").unwrap().shape = vec![4, 2, 1, 1];
    let names = NameTable {
        ignored: &["position_ids"],
        ..Default::default()
    };
    let module = load_module(network(), &published, &names, FloatDType::F32).unwrap();
    assert_eq!(module_tensors(&module, &names), tensors());
    published.get_mut("layers.1.weight").unwrap().shape = vec![4, 1, 2, 1];
    assert!(load_module(network(), &published, &names, FloatDType::F32).is_err());
}

#[test]
fn training_state_survives_loading() {
    let device = Device::flex().autodiff();
    let mut module = network_on(&device);
    module.layers[0] = module.layers[0].clone().freeze();
    let module = load_module(module, &tensors(), &NameTable::default(), FloatDType::F32).unwrap();
    assert!(!module.layers[0].weight.val().is_require_grad());
    assert!(module.layers[1].weight.val().is_require_grad());
    assert!(module.layers[1].weight.val().device().is_autodiff());
}
