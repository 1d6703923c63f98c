//! What is said of folders that are no models, or not whole ones.

use super::*;

#[test]
fn broken_models_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let open = || ModelDirectory::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(open(), ModelError::NotAModel { .. }));
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
                "`{}` says `_class_name` is a `{other}`, which is not supported; supported: \
                 `StableDiffusionPipeline`, `StableDiffusionXLPipeline`",
                index.display()
            )
        );
    }
    let error = edit("model_index.json", "AutoencoderKL", "AutoencoderTiny");
    assert!(matches!(error, ModelError::Class { component: "vae", .. }));
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
