mod architectures;
mod changing_files;
mod errors;
mod mutations;
mod pipelines;
mod places;
mod precision;
mod scheduler_class;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType};

use super::directory::UNET_NAMES;
use super::*;
use crate::nn::weights::{Dtype, NameTable, TensorMap, TensorSource, golden, module_tensors};
use crate::tokenizer::VocabularyBuilder;
use crate::unet::{UNet2DConditionConfig, UNet2DConditionModel};

const SIZE: ImageSize = ImageSize {
    height: 32,
    width: 32,
};

/// A whole model of a few thousand random weights.
pub(super) fn tiny(folder: &Path) -> DiffusionModel {
    let device = Device::flex();
    let vocabulary = VocabularyBuilder::new(["a", "red", "blue", "circle", "square", "and"]).unwrap();
    vocabulary.write(&folder.join("tokenizer-source"), 16).unwrap();
    let tokenizer = Tokenizer::from_directory(&folder.join("tokenizer-source")).unwrap();
    let end = vocabulary.vocabulary()["<|endoftext|>"];
    let text_config = ClipTextConfig {
        vocab_size: tokenizer.vocabulary_size(),
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        max_position_embeddings: 16,
        bos_token_id: Some(i64::from(end) - 1),
        eos_token_id: Some(i64::from(end)),
        pad_token_id: Some(i64::from(end)),
        ..Default::default()
    };
    let unet = serde_json::json!({
        "sample_size": 8, "block_out_channels": [8, 16], "layers_per_block": 1, "cross_attention_dim": 16,
        "attention_head_dim": 2, "norm_num_groups": 4,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    });
    let unet_config: UNet2DConditionConfig = serde_json::from_value(unet).unwrap();
    let vae_config = AutoencoderConfig {
        norm_num_groups: 4,
        ..AutoencoderConfig::new(vec![8, 16, 16])
    };
    DiffusionModel {
        network: DenoisingNetwork::of_unet(
            seeded(UNet2DConditionModel::new(&unet_config, &device), &UNET_NAMES),
            unet_config,
        ),
        vae: seeded(
            AutoencoderKL::new(&vae_config, &device).unwrap(),
            &crate::vae::AUTOENCODER_NAMES,
        ),
        text_encoder: seeded(
            ClipTextModel::new(&text_config, &device).unwrap(),
            &crate::clip::TEXT_MODEL_NAMES,
        ),
        second_text_encoder: None,
        tokenizer,
        vae_config,
        text_config,
        scheduler_config: SchedulerConfig::stable_diffusion(),
    }
}

/// The same weights in every run.
fn seeded<M: burn::module::Module>(module: M, names: &NameTable<'_>) -> M {
    super::component::load_seeded("test", module, 1, names, FloatDType::F32).unwrap()
}

fn outputs(model: &DiffusionModel) -> Vec<f32> {
    let device = Device::flex();
    let encoded = model
        .encode_prompts(&["a red circle", ""], SIZE, &device)
        .unwrap();
    assert_eq!(encoded.conditioning.context.dims(), [2, 16, 16]);
    let latents = crate::nn::weights::seeded_input(1, "latents", [2, 4, 8, 8], &device);
    let noise = model.network.forward(
        latents,
        Tensor::from_data([3.0, 500.0], &device),
        encoded.conditioning,
    );
    model.decode(noise).into_data().try_to_vec().unwrap()
}

#[test]
fn written_models_load_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny(folder.path());
    let path = folder.path().join("model");
    model.write(&path, None).unwrap();
    let directory = ModelDirectory::open(&path).unwrap();
    let loaded = directory.load(&Device::flex(), FloatDType::F32).unwrap();
    // Loaded weights may lie in another order, so that sums round differently.
    for (loaded, written) in outputs(&loaded).iter().zip(outputs(&model)) {
        assert!((loaded - written).abs() < 6e-6, "{loaded} {written}");
    }
    let stored = |model: &DiffusionModel| model.network.stored_tensors();
    assert_eq!(stored(&loaded), stored(&model));
    assert_eq!(loaded.network.config_file(), model.network.config_file());
    assert_eq!(loaded.vae_config, model.vae_config);
    assert_eq!(loaded.text_config, model.text_config);
    assert_eq!(loaded.scheduler_config, model.scheduler_config);
    assert!(matches!(model.write(&path, None), Err(ModelError::Exists { .. })));
}

/// `tests/golden/model` is written by diffusers, its denoiser in four shards.
#[test]
fn equals_diffusers() {
    let device = Device::flex();
    let directory = ModelDirectory::open(&golden::path("model")).unwrap();
    let model = directory.load(&device, FloatDType::F32).unwrap();
    let expected = golden::tensors("model/golden.safetensors");
    let encoded = model
        .encode_prompts(&["a red circle and a blue square", ""], SIZE, &device)
        .unwrap();
    let latents = golden::tensor::<4>(&expected, "latents", &device);
    let timesteps = Tensor::from_data([10.0, 900.0], &device);
    let noise = model
        .network
        .forward(latents.clone(), timesteps, encoded.conditioning.clone());
    let errors = [
        golden::relative_error(encoded.conditioning.context, &expected, "context"),
        golden::relative_error(noise, &expected, "noise"),
        golden::relative_error(model.decode(latents), &expected, "decoded"),
    ];
    println!("model: relative errors {errors:?}");
    assert!(errors.iter().all(|error| *error < 1e-5), "{errors:?}");
}

#[test]
fn rewriting_keeps_every_tensor_and_setting() {
    let folder = tempfile::tempdir().unwrap();
    let original = ModelDirectory::open(&golden::path("model")).unwrap();
    let model = original.load(&Device::flex(), FloatDType::F32).unwrap();
    // A kept folder can be checked in diffusers: `tools/check_model.py FOLDER ORIGINAL`.
    let kept = std::env::var_os("MITUNE_KEEP_MODEL").map(PathBuf::from);
    let path = kept.unwrap_or_else(|| folder.path().join("model"));
    model.write(&path, None).unwrap();
    let written = ModelDirectory::open(&path).unwrap();
    assert_eq!(
        written.unet.read_all().unwrap(),
        original.unet.read_all().unwrap()
    );
    assert_eq!(written.vae.read_all().unwrap(), original.vae.read_all().unwrap());
    let (before, after) = (original.digests().unwrap(), written.digests().unwrap());
    assert_eq!((before.unet, before.vae), (after.unet, after.vae));
    assert_eq!(
        (before.tokenizer, before.scheduler),
        (after.tokenizer, after.scheduler)
    );
    // transformers 5 leaves `text_model.` out; published models, and this program, have it.
    let names = |tensors: TensorMap| {
        tensors
            .into_iter()
            .map(|(name, tensor)| (name.replace("text_model.", ""), tensor))
    };
    let before: TensorMap = names(original.text.weights.read_all().unwrap()).collect();
    let after: TensorMap = names(written.text.weights.read_all().unwrap()).collect();
    assert_eq!(after, before);
    assert_eq!(written.text_config(), original.text_config());
}

#[test]
fn digests_follow_content_not_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = tiny(folder.path());
    let digests = |name: &str| {
        ModelDirectory::open(&folder.path().join(name))
            .unwrap()
            .digests()
            .unwrap()
    };
    model.write(&folder.path().join("first"), None).unwrap();
    let loaded = ModelDirectory::open(&folder.path().join("first")).unwrap();
    loaded
        .load(&Device::flex(), FloatDType::F32)
        .unwrap()
        .write(&folder.path().join("copy"), None)
        .unwrap();
    assert_eq!(digests("first"), digests("copy"));
    model
        .write(&folder.path().join("half"), Some(Dtype::F16))
        .unwrap();
    assert_ne!(digests("first").unet, digests("half").unet);
    assert_eq!(digests("first").tokenizer, digests("half").tokenizer);
    model.scheduler_config.beta_end = 0.02;
    model.vae_config.scaling_factor = 1.0;
    model.write(&folder.path().join("changed"), None).unwrap();
    let (first, changed) = (digests("first"), digests("changed"));
    assert_eq!(
        (first.unet, first.text_encoder),
        (changed.unet, changed.text_encoder)
    );
    assert_ne!(first.scheduler, changed.scheduler);
    assert_ne!(first.vae, changed.vae);
    assert_ne!(first.whole(), changed.whole());
}

#[test]
fn prompts_that_are_too_long_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny(folder.path());
    let long = "red ".repeat(15);
    let encoded = model
        .encode_prompts(&["a red circle", &long], SIZE, &Device::flex())
        .unwrap();
    assert_eq!(encoded.truncated, [false, true]);
    let none = model.encode_prompts(&[], SIZE, &Device::flex()).unwrap_err();
    assert!(matches!(none, ModelError::NoPrompts));
    let tensors = module_tensors(&model.text_encoder, &crate::clip::TEXT_MODEL_NAMES);
    assert!(tensors.contains_key("text_model.final_layer_norm.weight"));
}
