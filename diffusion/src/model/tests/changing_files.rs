//! Files that change while a model is open.

use std::path::Path;

use burn::tensor::{Device, FloatDType};

use super::super::ModelDirectory;
use crate::nn::weights::golden;
use crate::nn::weights::{HostTensor, SafetensorsFile, TensorSource as _, encode_safetensors};

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";

/// Writes the golden model.
fn write_model(folder: &Path) {
    let golden = ModelDirectory::open(&golden::path("model")).unwrap();
    let model = golden.load(&Device::flex(), FloatDType::F32).unwrap();
    model.write(folder, None).unwrap();
}

/// The bytes of the denoiser's file with one number changed.
fn changed(folder: &Path) -> Vec<u8> {
    let file = SafetensorsFile::open(&folder.join(UNET)).unwrap();
    let mut tensors = file.read_all().unwrap();
    let tensor = tensors.values_mut().next().unwrap();
    let mut values = tensor.to_f32().unwrap();
    values[0] += 1.0;
    *tensor = HostTensor::from_f32(&values, tensor.shape.clone());
    encode_safetensors(&tensors, None).unwrap()
}

#[test]
fn a_loaded_model_has_the_digests_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    write_model(&folder.path().join("model"));
    let directory = ModelDirectory::open(&folder.path().join("model")).unwrap();
    let digests = directory.digests().unwrap();
    for dtype in [FloatDType::F32, FloatDType::F16, FloatDType::BF16] {
        let (_, loaded) = directory.load_digested(&Device::flex(), dtype).unwrap();
        assert_eq!(loaded, digests, "{dtype:?}");
    }
    let (names, read) = directory
        .read_denoiser(|unet| unet.names().iter().filter(|name| unet.read(name).is_ok()).count())
        .unwrap();
    assert!(names > 0 && read == digests);
}

#[test]
fn whichever_files_a_load_meets_its_digests_are_of_what_it_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("model");
    write_model(&place);
    let open = || ModelDirectory::open(&place).unwrap();
    let before = open().digests().unwrap();
    let bytes = changed(&place);

    // Written over in place after it was opened: what is loaded is the new one, and so are its digests.
    let directory = open();
    std::fs::write(place.join(UNET), &bytes).unwrap();
    let (_, loaded) = directory.load_digested(&Device::flex(), FloatDType::F32).unwrap();
    assert_ne!(loaded.unet, before.unet);
    assert_eq!(loaded, open().digests().unwrap());

    // Replaced after it was opened: what is loaded is the old one.
    let directory = open();
    write_model(&folder.path().join("other"));
    std::fs::rename(folder.path().join("other").join(UNET), place.join(UNET)).unwrap();
    let (_, old) = directory.load_digested(&Device::flex(), FloatDType::F32).unwrap();
    assert_eq!(old, loaded);
    assert_eq!(open().digests().unwrap(), before);
}
