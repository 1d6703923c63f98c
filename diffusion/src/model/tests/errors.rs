//! What is said of folders that are no models, or not whole ones.

use super::*;

#[test]
fn broken_models_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let open = || ModelDirectory::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(open(), ModelError::Place(PlaceError::Missing { .. })));
    tiny(folder.path()).write(&path, None).unwrap();
    let edit = |file: &str, from: &str, to: &str| {
        let file = path.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let error = open();
        std::fs::write(&file, text).unwrap();
        error
    };
    for other in ["FluxPipeline", "StableDiffusion3Pipeline", "PixArtSigmaPipeline"] {
        let error = edit("model_index.json", "StableDiffusionPipeline", other).to_string();
        let index = path.join("model_index.json");
        assert_eq!(
            error,
            format!(
                "`{}` says `_class_name` is `{other}`, which is not supported; supported: \
                 `StableDiffusionPipeline`, `StableDiffusionXLPipeline`",
                index.display()
            )
        );
    }
    let error = edit("model_index.json", "AutoencoderKL", "AutoencoderTiny");
    assert!(matches!(error, ModelError::Class { component: "vae", .. }));
    let error = edit("unet/config.json", "UNet2DConditionModel", "UNet3DConditionModel");
    assert!(matches!(
        error,
        ModelError::Class {
            component: "unet",
            ..
        }
    ));
    let error = edit("model_index.json", "\"unet\"", "\"net\"");
    assert!(matches!(
        error,
        ModelError::NoComponent {
            component: "unet",
            ..
        }
    ));
    let error = edit("vae/config.json", "\"silu\"", "\"relu\"");
    assert!(matches!(error, ModelError::Autoencoder { .. }));
    let error = edit("tokenizer/tokenizer_config.json", "16", "17");
    assert!(matches!(
        error,
        ModelError::TooMany {
            what: "tokens",
            limit: 16,
            found: 17,
            ..
        }
    ));
    let error = edit("tokenizer/vocab.json", "\"!\": 0", "\"!\": 4000000");
    assert!(matches!(
        error,
        ModelError::TooMany {
            what: "words",
            found: 4_000_001,
            ..
        }
    ));
    for (file, field, expected) in [
        ("vae/config.json", "layers_per_block", "from 1 to 1024"),
        ("text_encoder/config.json", "num_hidden_layers", "at most 1024"),
        ("unet/config.json", "layers_per_block", "from 1 to 1024"),
    ] {
        let text = std::fs::read_to_string(path.join(file)).unwrap();
        let fields: serde_json::Value = serde_json::from_str(&text).unwrap();
        let line = text.lines().find(|line| line.contains(field)).unwrap();
        assert!(fields[field].is_u64(), "{file}");
        let error = edit(file, line, &format!("\"{field}\": 1000000000,"));
        let message = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(message.contains(field) && message.contains(expected), "{message}");
    }
    let error = edit("unet/config.json", "\"in_channels\": 4", "\"in_channels\": 9");
    assert!(matches!(
        error,
        ModelError::Disagreement {
            left_value: 4,
            right_value: 9,
            ..
        }
    ));
    let error = edit(
        "scheduler/scheduler_config.json",
        "scaled_linear",
        "cosine_surprise",
    );
    assert!(matches!(error, ModelError::Config { .. }));
    std::fs::remove_file(path.join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    assert!(matches!(open(), ModelError::Weights { component: "vae", .. }));
}

/// Loads `tests/golden/model`, whose denoiser is in shards, after one tensor was changed.
fn load_with(change: impl Fn(&mut TensorMap)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let golden = golden::path("model");
    let original = ModelDirectory::open(&golden).unwrap();
    original
        .load(&Device::flex(), FloatDType::F32)
        .unwrap()
        .write(&path, None)
        .unwrap();
    let unet = path.join("unet");
    std::fs::remove_file(unet.join("diffusion_pytorch_model.safetensors")).unwrap();
    let index = "diffusion_pytorch_model.safetensors.index.json";
    let text = std::fs::read(golden.join("unet").join(index)).unwrap();
    let mut weight_map: serde_json::Value = serde_json::from_slice(&text).unwrap();
    for file in original.unet.files() {
        let name = file.path().file_name().unwrap().to_string_lossy().into_owned();
        let mut tensors = file.read_all().unwrap();
        if name.contains("00001") {
            change(&mut tensors);
        }
        let map = weight_map["weight_map"].as_object_mut().unwrap();
        map.retain(|tensor, shard| *shard != name.as_str() || tensors.contains_key(tensor));
        for tensor in tensors.keys() {
            map.insert(tensor.clone(), serde_json::json!(name));
        }
        crate::nn::weights::write_safetensors(&unet.join(&name), &tensors, None).unwrap();
    }
    std::fs::write(unet.join(index), weight_map.to_string()).unwrap();
    let directory = ModelDirectory::open(&path).unwrap();
    let error = directory.load(&Device::flex(), FloatDType::F32).unwrap_err();
    assert!(matches!(
        &error,
        ModelError::Weights {
            component: "unet",
            ..
        }
    ));
    let source = std::error::Error::source(&error).unwrap().to_string();
    let place = unet.join(index).display().to_string();
    source
        .strip_prefix(&format!("Weights `{place}` do not fit: "))
        .unwrap()
        .to_owned()
}

#[test]
fn a_tensor_that_does_not_fit_is_named_with_its_file() {
    let name = "conv_in.weight";
    let shard = "diffusion_pytorch_model-00001-of-00004.safetensors";
    assert!(
        load_with(|tensors| assert!(tensors.remove(name).is_some()))
            .starts_with("missing `conv_in.weight`, expected shape [8, 4, 3, 3]")
    );
    assert_eq!(
        load_with(|tensors| {
            let copy = tensors[name].clone();
            tensors.insert("conv_in.extra".to_owned(), copy);
        }),
        format!("unused `conv_in.extra` of shape [8, 4, 3, 3] in `{shard}`")
    );
    assert_eq!(
        load_with(|tensors| tensors.get_mut(name).unwrap().shape = vec![4, 8, 3, 3]),
        format!("`conv_in.weight` has shape [4, 8, 3, 3], expected [8, 4, 3, 3] in `{shard}`")
    );
    assert_eq!(
        load_with(|tensors| {
            let data = &mut tensors.get_mut(name).unwrap().data;
            data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }),
        format!("`conv_in.weight` holds 1 NaN or infinite elements in `{shard}`")
    );
}

#[test]
fn components_that_do_not_go_together_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    crate::model::Architecture::TinySdxl
        .write(&path, 0, Dtype::F32)
        .unwrap();
    let edit = |file: &str, from: &str, to: &str| {
        let file = path.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from} {text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let error = ModelDirectory::open(&path).unwrap_err();
        std::fs::write(&file, text).unwrap();
        error.to_string()
    };
    let place = path.display();
    assert_eq!(
        edit(
            "unet/config.json",
            "\"cross_attention_dim\": 40",
            "\"cross_attention_dim\": 16"
        ),
        format!(
            "In `{place}`, the sum of `hidden_size` of `text_encoder` and `text_encoder_2` is 40 but \
             `cross_attention_dim` of `unet` is 16"
        )
    );
    assert!(
        edit(
            "text_encoder_2/config.json",
            "\"projection_dim\": 12",
            "\"projection_dim\": 13"
        )
        .contains("`projection_dim` of `text_encoder_2` is 13 but")
    );
    assert_eq!(
        edit(
            "text_encoder_2/config.json",
            "CLIPTextModelWithProjection",
            "CLIPTextModel"
        ),
        format!("`{place}` cannot be used: `text_encoder_2` has no projection")
    );
    assert!(
        edit("tokenizer_2/tokenizer_config.json", "77", "60").contains(
            "`model_max_length` of `tokenizer` is 77 but `model_max_length` of `tokenizer_2` is 60"
        )
    );
    assert!(
        edit(
            "model_index.json",
            "StableDiffusionXLPipeline",
            "StableDiffusionPipeline"
        )
        .contains("`hidden_size` of `text_encoder` is 16 but `cross_attention_dim` of `unet` is 40")
    );
    assert!(
        edit("model_index.json", "\"text_encoder_2\"", "\"text_encoder_3\"")
            .contains("lists no `text_encoder_2`")
    );
}

/// A token that was trained without its tokenizer's files is told; rows that only pad are not.
#[test]
fn rows_that_no_token_uses_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    tiny(folder.path()).write(&path, None).unwrap();
    let file = path.join("text_encoder/model.safetensors");
    let name = "text_model.embeddings.token_embedding.weight";
    let tensors = crate::nn::weights::SafetensorsFile::open(&file)
        .unwrap()
        .read_all()
        .unwrap();
    let config = std::fs::read_to_string(path.join("text_encoder/config.json")).unwrap();
    let rows = tensors[name].shape[0];
    let with_rows = |count: usize| {
        let mut tensors = tensors.clone();
        let tensor = tensors.get_mut(name).unwrap();
        let width = tensor.data.len() / rows;
        tensor.data.resize(count * width, 0);
        tensor.shape[0] = count;
        crate::nn::weights::write_safetensors(&file, &tensors, None).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
        config["vocab_size"] = serde_json::json!(count);
        std::fs::write(path.join("text_encoder/config.json"), config.to_string()).unwrap();
        ModelDirectory::open(&path).unwrap().notices()
    };
    assert!(with_rows(rows).is_empty());
    for multiple in [8, 64, 128] {
        assert!(with_rows(rows.next_multiple_of(multiple)).is_empty());
    }
    let unused = rows.next_multiple_of(128) + 1;
    let [notice] = with_rows(unused).try_into().unwrap();
    assert!(notice.starts_with(&format!(
        "`text_encoder` has {unused} rows of embeddings, but `tokenizer` knows {rows}"
    )));
    let added = serde_json::json!({ "<cat>": unused - 1 });
    std::fs::write(path.join("tokenizer/added_tokens.json"), added.to_string()).unwrap();
    assert!(ModelDirectory::open(&path).unwrap().notices().is_empty());
}
