//! Models with random weights, tiny ones; `mitune init-model` writes the large ones.

use super::*;
use crate::clip::TEXT_MODEL_NAMES;
use crate::model::Architecture;

const TINY: [Architecture; 3] = [
    Architecture::TinySd15,
    Architecture::TinySd21,
    Architecture::TinySdxl,
];

#[test]
fn a_written_model_is_the_one_made_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    for architecture in TINY {
        let path = match std::env::var_os("MITUNE_KEEP_MODELS") {
            Some(kept) => PathBuf::from(kept).join(architecture.name()),
            None => folder.path().join(architecture.name()),
        };
        let directory = architecture.write(&path, 7, Dtype::F32).unwrap();
        let model = directory.load(&device, FloatDType::F32).unwrap();
        let names = &crate::model::directory::UNET_NAMES;
        let made = architecture.network(7, &device, FloatDType::F32).unwrap();
        assert_eq!(
            module_tensors(&made, names),
            module_tensors(&model.network, names)
        );
        let texts = architecture.text_encoders(7, &device, FloatDType::F32).unwrap();
        let second = model.second_text_encoder.as_ref();
        let loaded: Vec<_> = std::iter::once(&model.text_encoder)
            .chain(second.map(|second| &second.text_encoder))
            .collect();
        assert_eq!(loaded.len(), texts.len());
        for (loaded, made) in loaded.into_iter().zip(&texts) {
            assert_eq!(
                module_tensors(loaded, &TEXT_MODEL_NAMES),
                module_tensors(made, &TEXT_MODEL_NAMES)
            );
        }
        // Its outputs are of the size of its inputs, in every layer that a half could overflow in.
        let size = model.image_size([4, 8, 8]);
        let encoded = model.encode_prompts(&["a red circle"], size, &device).unwrap();
        assert_eq!(encoded.conditioning.context.dims()[1], 77);
        let latents = crate::nn::weights::seeded_input(1, "latents", [1, 4, 8, 8], &device);
        let time = Tensor::from_data([500.0], &device);
        let output = model.network.forward(latents, time, encoded.conditioning);
        let largest = output.abs().max().into_scalar::<f32>();
        assert!(largest > 0.01 && largest < 100.0, "{architecture}: {largest}");
        let readme = std::fs::read_to_string(path.join("README.md")).unwrap();
        assert!(readme.contains("each byte is a token"));
    }
}

#[test]
fn half_precision_folders_are_half_as_large_and_hold_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let [full, half] = [("full", Dtype::F32), ("half", Dtype::F16)]
        .map(|(name, dtype)| (folder.path().join(name), dtype))
        .map(|(path, dtype)| Architecture::TinySd15.write(&path, 3, dtype).unwrap());
    for (name, tensor) in full.unet.read_all().unwrap() {
        assert_eq!(
            half.unet.read(&name).unwrap(),
            tensor.cast(Dtype::F16).unwrap(),
            "{name}"
        );
    }
    assert_ne!(full.digests().unwrap().whole(), half.digests().unwrap().whole());
}

#[test]
fn only_an_empty_folder_is_replaced_and_a_failure_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    std::fs::create_dir(&path).unwrap();
    Architecture::TinySd15.write(&path, 0, Dtype::F32).unwrap();
    let again = Architecture::TinySd15.write(&path, 0, Dtype::F32).unwrap_err();
    assert!(matches!(again, ModelError::Exists { .. }));
    let refused = folder.path().join("refused");
    let error = Architecture::TinySd15.write(&refused, 0, Dtype::I64).unwrap_err();
    assert!(matches!(
        error,
        ModelError::Weights {
            component: "unet",
            ..
        }
    ));
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["model"]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_killed_process_left_is_removed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    // No process has this number: the largest is 2^22.
    let left = folder.path().join(".model.draft-4194305");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("half"), "written").unwrap();
    let alive = folder.path().join(".model.draft-1");
    std::fs::create_dir(&alive).unwrap();
    let path = folder.path().join("model");
    Architecture::TinySd15.write(&path, 0, Dtype::F16).unwrap();
    assert!(!left.exists() && alive.exists());
}

/// Shapes of the published models: the number of parameters says whether any is off.
#[test]
fn full_size_models_have_the_published_number_of_parameters() {
    let device = Device::flex();
    let count = |shapes: std::collections::BTreeMap<String, Vec<usize>>| {
        let numbers = shapes.values().map(|shape| shape.iter().product::<usize>());
        numbers.sum::<usize>()
    };
    for (architecture, unet, texts) in [
        (Architecture::Sd15, 859_520_964, vec![123_060_480]),
        (Architecture::Sd21Base, 865_910_724, vec![340_387_840]),
        (Architecture::Sd21, 865_910_724, vec![340_387_840]),
        (Architecture::Sdxl, 2_567_463_684, vec![123_060_480, 694_659_840]),
    ] {
        let module = UNet2DConditionModel::new(&architecture.unet_config().unwrap(), &device);
        let names = crate::nn::weights::NameTable::default();
        assert_eq!(
            count(crate::nn::weights::parameter_shapes(&module, &names)),
            unet,
            "{architecture}"
        );
        let module = AutoencoderKL::new(&architecture.vae_config().unwrap(), &device).unwrap();
        assert_eq!(
            count(crate::nn::weights::parameter_shapes(&module, &names)),
            83_653_863
        );
        let found: Vec<usize> = architecture
            .text_configs()
            .unwrap()
            .iter()
            .map(|config| ClipTextModel::new(config, &device).unwrap())
            .map(|module| count(crate::nn::weights::parameter_shapes(&module, &names)))
            .collect();
        assert_eq!(found, texts, "{architecture}");
    }
}

#[test]
fn names_are_read_back() {
    for architecture in Architecture::ALL {
        assert_eq!(architecture.name().parse(), Ok(architecture));
    }
    let error = "sd3".parse::<Architecture>().unwrap_err().to_string();
    assert!(error.starts_with("Architecture `sd3` is unknown, expected one of `sd15`"));
}
