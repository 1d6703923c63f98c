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
