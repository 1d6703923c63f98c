use super::*;

#[test]
fn kohya_form_has_the_names_of_its_scripts() {
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let bytes = varied(method).to_kohya_bytes("unet", Dtype::F32).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let shape = |name: &str| file.tensor(name).ok().map(|tensor| tensor.shape().to_vec());
        let query = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
        let conv = "lora_unet_down_blocks_0_resnets_0_conv1";
        assert_eq!(shape(&format!("{query}.alpha")), Some(vec![]));
        assert_eq!(shape(&format!("{query}.lora_down.weight")), Some(vec![2, 4]));
        assert_eq!(shape(&format!("{conv}.lora_down.weight")), Some(vec![2, 3, 3, 3]));
        assert_eq!(shape(&format!("{conv}.lora_up.weight")), Some(vec![2, 2, 1, 1]));
        let dora = method == AdapterMethod::Dora;
        assert_eq!(shape(&format!("{query}.dora_scale")), dora.then(|| vec![5, 1]));
        assert_eq!(
            shape(&format!("{conv}.dora_scale")),
            dora.then(|| vec![2, 1, 1, 1])
        );
    }
}

#[test]
fn names_of_the_original_implementation_are_understood() {
    let saved = varied(AdapterMethod::Lora);
    let (mut tensors, _) = saved.to_tensors("unet");
    let query = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
    let take = |tensors: &mut TensorMap, part: &str| tensors.remove(&format!("{query}.{part}")).unwrap();
    let start = "lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q";
    let file = TensorMap::from([
        (
            format!("{start}.lora_down.weight"),
            take(&mut tensors, "lora_A.weight"),
        ),
        (
            format!("{start}.lora_up.weight"),
            take(&mut tensors, "lora_B.weight"),
        ),
    ]);
    let read = SavedAdapter::from_bytes(&layout::encode(&file, &Default::default()), "unet").unwrap();
    let names: Vec<_> = read.layers.keys().collect();
    assert_eq!(
        names,
        ["down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q"]
    );
    assert_eq!(read.alpha(), Some(2.0));
}

#[test]
fn kohya_files_without_an_exact_meaning_are_refused() {
    let start = "lora_unet_mid_block_attentions_0_proj_in";
    let tensor = |shape: &[usize]| HostTensor::from_f32(&vec![0.5; shape.iter().product()], shape.to_vec());
    let refuse = |extra: &[(&str, &[usize])]| {
        let mut tensors = TensorMap::from([
            (format!("{start}.lora_down.weight"), tensor(&[3, 6])),
            (format!("{start}.lora_up.weight"), tensor(&[7, 3])),
        ]);
        for (name, shape) in extra {
            tensors.insert(name.replace('@', start), tensor(shape));
        }
        let bytes = layout::encode(&tensors, &Default::default());
        SavedAdapter::from_bytes(&bytes, "unet").unwrap_err().to_string()
    };
    for (name, shape, words) in [
        ("@.dora_scale", &[1, 6][..], "one entry per input"),
        ("@.dora_scale", &[1, 6, 1, 1], "one entry per input"),
        ("@.dora_scale", &[6, 1], "[6], expected [7]"),
        ("@.lora_mid.weight", &[3, 3, 3, 3], "core tensor"),
        ("@.hada_w1_a", &[3, 3], "LoHa"),
        ("@.diff", &[7, 6], "full difference"),
        ("lora_unet_conv_in.alpha", &[], "`conv_in` lacks `lora_A`"),
        (
            "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha",
            &[],
            "`text_model.encoder.layers.0.mlp.fc1` lacks `lora_A`",
        ),
        (
            "lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha",
            &[],
            "`text_model.encoder.layers.0.mlp.fc1` lacks `lora_A`",
        ),
        (
            "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha",
            &[],
            "`text_model.encoder.layers.0.mlp.fc1` lacks `lora_A`",
        ),
        (
            "lora_unet_input_blocks_1_9_proj_in.alpha",
            &[],
            "input_blocks_1_9_proj_in",
        ),
    ] {
        let message = refuse(&[(name, shape)]);
        assert!(message.contains(words), "{name}: {message}");
    }
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
    let written = saved.to_kohya_bytes("unet", Dtype::F32).unwrap();
    assert!(written == std::fs::read(golden_path("written_kohya.safetensors")).unwrap());
}
