use std::path::Path;

use mitune_diffusion::device::{DeviceFamily, DeviceSelection};
use mitune_diffusion::nn::weights::{HostTensor, SafetensorsFile, TensorSource, write_safetensors};

use super::*;
use crate::contract::Silent;

fn check() -> DeviceCheck {
    DeviceCheck {
        model: Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shapes"),
        device: DeviceSelection::Exact(DeviceFamily::Cpu, 0),
        dtype: Dtype::F32,
        against: None,
        save: None,
        exhaust_memory: false,
    }
}

/// The processor agrees with itself to the last bit, and a number that is a little wrong is found.
#[test]
fn a_wrong_number_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("numbers.safetensors");
    let saving = DeviceCheck {
        save: Some(file.clone()),
        ..check()
    };
    let report = saving.run(&Silent).unwrap();
    assert!(report.passed(), "{report:?}");
    assert_eq!(report.parts.len(), 11, "{report:?}");
    assert!(
        report.parts.iter().all(|part| part.error == Some(0.0)),
        "{report:?}"
    );
    assert_eq!((report.company.again, report.company.order), (0.0, 0.0));

    let mut numbers = SafetensorsFile::open(&file).unwrap().read_all().unwrap();
    let part = "denoiser at timestep 500";
    let tensor = &numbers[part];
    let mut values = tensor.to_f32().unwrap();
    for value in values.iter_mut().step_by(10) {
        *value *= 1.1;
    }
    let wrong = HostTensor::from_f32(&values, tensor.shape.clone());
    numbers.insert(part.to_owned(), wrong);
    write_safetensors(&file, &numbers, None).unwrap();
    let comparing = DeviceCheck {
        against: Some(file.clone()),
        ..check()
    };
    let report = comparing.run(&Silent).unwrap();
    let differing: Vec<&str> = report
        .parts
        .iter()
        .filter(|part| part.agreement == Agreement::Differs)
        .map(|part| part.part.as_str())
        .collect();
    assert_eq!(differing, [part]);
    assert!(!report.passed());

    numbers.remove(part);
    write_safetensors(&file, &numbers, None).unwrap();
    let refused = comparing.run(&Silent).unwrap_err();
    assert!(
        refused.to_string().contains("lack `denoiser at timestep 500`"),
        "{refused}"
    );
}

/// A network with random weights makes more of a rounding than a rule for all networks allows: the processor's own error
/// is the measure there, and only there.
#[test]
fn rounding_is_allowed_what_it_does_on_the_processor() {
    let part = "candidates, latents";
    let exact = [(part.to_owned(), HostTensor::from_f32(&[1.0, -2.0], vec![2]))];
    let own_error = HostTensor::from_f32(&[0.1], vec![1]);
    let with_rounding = [(format!("the processor in f16: {part}"), own_error)];
    let numbers: TensorMap = exact.clone().into_iter().chain(with_rounding).collect();
    let found = TensorMap::from([(part.to_owned(), HostTensor::from_f32(&[1.1, -2.2], vec![2]))]);
    let agreement =
        |numbers: &TensorMap, dtype| comparison::compare(numbers, &found, dtype).unwrap()[0].agreement;
    assert_eq!(agreement(&numbers, Dtype::F16), Agreement::Agrees);
    assert_eq!(agreement(&numbers, Dtype::F32), Agreement::Differs);
    assert_eq!(agreement(&exact.into(), Dtype::F16), Agreement::Differs);
}

/// Numbers that are saved on the processor serve devices in half precision.
#[test]
fn saved_numbers_tell_what_half_precision_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("numbers.safetensors");
    let saving = DeviceCheck {
        save: Some(file.clone()),
        ..check()
    };
    saving.run(&Silent).unwrap();
    let numbers = SafetensorsFile::open(&file).unwrap().read_all().unwrap();
    let part = "candidates, mutual information";
    for (dtype, least, most) in [(Dtype::F16, 1e-3, 0.1), (Dtype::Bf16, 1e-2, 1.0)] {
        let error = rounding::of(part, dtype, &numbers).unwrap();
        assert!((least..most).contains(&error), "{dtype:?}: {error}");
    }
    assert_eq!(rounding::of(part, Dtype::F32, &numbers), None);
}
