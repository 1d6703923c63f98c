use super::*;

#[test]
fn a_file_carries_an_adapter_bit_by_bit() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let block = disturbed(method, &device);
        let saved = SavedAdapter::extract(&block).unwrap();
        let bytes = saved.to_bytes("unet", Dtype::F32).unwrap();
        assert_eq!(bytes, saved.to_bytes("unet", Dtype::F32).unwrap());
        let read = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
        assert_eq!(read, saved);
        let mut other = block.clone();
        detach(&mut other);
        read.attach(&mut other).unwrap();
        assert_eq!(
            host(other.forward(input(&device))),
            host(block.forward(input(&device)))
        );
    }
}

#[test]
fn every_form_carries_ranks_alphas_and_kernels_of_their_own() {
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let saved = varied(method);
        assert_eq!((saved.rank(), saved.alpha()), (None, None));
        let peft = saved.to_bytes("unet", Dtype::F32).unwrap();
        let contents = AdapterContents::read(&peft, None).unwrap();
        assert_eq!(
            (contents.adapters["unet"].clone(), contents.form),
            (saved.clone(), AdapterForm::Peft)
        );
        let (bytes, config) = saved.to_peft_files(Dtype::F32).unwrap();
        let contents = AdapterContents::read(&bytes, Some(&config)).unwrap();
        assert_eq!(contents.adapters["unet"], saved);
        let kohya = saved.to_kohya_bytes("unet", Dtype::F32).unwrap();
        let contents = AdapterContents::read(&kohya, None).unwrap();
        assert_eq!(
            (contents.adapters["unet"].clone(), contents.form),
            (saved.clone(), AdapterForm::Kohya)
        );
        assert_eq!(contents.dtypes, ["F32".to_owned()].into());
    }
}

#[test]
fn half_precision_rounds_the_values_and_keeps_alpha() {
    let mut saved = varied(AdapterMethod::Dora);
    for dtype in [Dtype::F16, Dtype::BF16] {
        let peft = saved.to_bytes("unet", dtype).unwrap();
        let kohya = saved.to_kohya_bytes("unet", dtype).unwrap();
        let read = SavedAdapter::from_bytes(&peft, "unet").unwrap();
        assert_eq!(read, SavedAdapter::from_bytes(&kohya, "unet").unwrap());
        for (name, layer) in &read.layers {
            let expected = &saved.layers[name];
            assert_eq!((layer.rank, layer.alpha), (expected.rank, expected.alpha));
            assert_close(&layer.lora_a, &expected.lora_a, 4e-3, name);
            assert_ne!(layer.lora_a, expected.lora_a);
        }
    }
    saved.layers.values_mut().next().unwrap().lora_b[0] = 7e4;
    let message = saved.to_bytes("unet", Dtype::F16).unwrap_err().to_string();
    assert!(
        message.contains("lora_B.weight") && message.contains("F16"),
        "{message}"
    );
}

/// The tensors of an adapter under the names of attention processors.
fn attention_processors(saved: &SavedAdapter) -> TensorMap {
    let tensors = saved.to_tensors("unet").0.into_iter().map(|(name, tensor)| {
        let name = name
            .replace(".to_out.0.", ".to_out.")
            .replace(".attn1.", ".attn1.processor.")
            .replace(".lora_A.", "_lora.down.")
            .replace(".lora_B.", "_lora.up.");
        (name, tensor)
    });
    tensors.collect()
}

#[test]
fn attention_processors_have_alpha_equal_to_the_rank_or_a_tensor_of_it() {
    let mut saved = varied(AdapterMethod::Lora);
    saved.layers.retain(|name, _| name.contains("attn1"));
    let mut tensors = attention_processors(&saved);
    let read = |tensors: &TensorMap| {
        let bytes = layout::encode(tensors, &Default::default());
        AdapterContents::read(&bytes, None).unwrap()
    };
    let contents = read(&tensors);
    assert_eq!(contents.form, AdapterForm::AttentionProcessors);
    let mut expected = saved.clone();
    for layer in expected.layers.values_mut() {
        layer.alpha = layer.rank as f64;
    }
    assert_eq!(contents.adapters["unet"], expected);
    for (name, layer) in &saved.layers {
        let alpha = HostTensor::from_f32(&[layer.alpha as f32], Vec::new());
        tensors.insert(format!("unet.{name}.alpha"), alpha);
    }
    assert_eq!(read(&tensors).denoiser().unwrap(), saved);
}

#[test]
fn the_name_of_an_adapter_may_stand_in_the_names() {
    let saved = varied(AdapterMethod::Dora);
    let (tensors, metadata) = saved.to_tensors("unet");
    let renamed = tensors.into_iter().map(|(name, tensor)| {
        let name = name
            .replace(".lora_A.", ".lora_A.default.")
            .replace(".lora_B.", ".lora_B.default.")
            .replace("_magnitude_vector", "_magnitude_vector.default.weight");
        (name, tensor)
    });
    let bytes = layout::encode(&renamed.collect(), &metadata);
    assert_eq!(SavedAdapter::from_bytes(&bytes, "unet").unwrap(), saved);
}

#[test]
fn files_of_peft_itself_need_their_config() {
    let saved = varied(AdapterMethod::Lora);
    let (bytes, _) = saved.to_peft_files(Dtype::F32).unwrap();
    let message = SavedAdapter::from_bytes(&bytes, "unet").unwrap_err().to_string();
    assert!(message.contains("adapter_config.json"), "{message}");
    let without_alpha = AdapterContents::read(&bytes, Some(r#"{"use_dora": false}"#))
        .unwrap()
        .denoiser()
        .unwrap();
    assert_eq!(without_alpha.alpha(), Some(8.0));
    assert!(settings::settings_map(&saved)["lora_alpha"].is_number());
    let config = r#"{"lora_alpha": 9, "use_rslora": true}"#;
    let read = AdapterContents::read(&bytes, Some(config))
        .unwrap()
        .denoiser()
        .unwrap();
    for layer in read.layers.values() {
        assert!((layer.scale() - 9.0 / (layer.rank as f64).sqrt()).abs() < 1e-12);
    }
}

#[test]
fn a_linear_layer_takes_the_shapes_of_a_convolution_with_kernel_one() {
    let device = Device::flex();
    let mut block = disturbed(AdapterMethod::Dora, &device);
    let saved = SavedAdapter::extract(&block).unwrap();
    let stored = saved.clone().with_stored_shapes(|name, shape| match name {
        "attn1.to_q.weight" => [shape, &[1, 1]].concat(),
        _ => shape.to_vec(),
    });
    let bytes = stored.to_bytes("unet", Dtype::F32).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("unet.attn1.to_q.lora_A.weight"), [3, 6, 1, 1]);
    assert_eq!(shape("unet.attn1.to_q.lora_B.weight"), [7, 3, 1, 1]);
    assert_eq!(shape("unet.attn1.to_q.lora_magnitude_vector"), [1, 7, 1, 1]);
    assert_eq!(shape("unet.attn1.to_out.0.lora_B.weight"), [6, 3]);
    let expected = host(block.forward(input(&device)));
    detach(&mut block);
    SavedAdapter::from_bytes(&bytes, "unet")
        .unwrap()
        .attach(&mut block)
        .unwrap();
    assert_eq!(host(block.forward(input(&device))), expected);
}

#[test]
fn text_encoders_are_read_and_written_beside_the_denoiser() {
    let shape = LayerShape {
        outputs: 4,
        inputs: 6,
        kernel: None,
    };
    let text = |tag: &str, name: &str| {
        let layers = [(name.to_owned(), layer(tag, shape, 2, 3.0))];
        SavedAdapter::of_layers(layers.into()).unwrap()
    };
    let query = "text_model.encoder.layers.0.self_attn.q_proj";
    let mut adapters = std::collections::BTreeMap::from([
        ("unet", varied(AdapterMethod::Lora)),
        ("text_encoder", text("first", query)),
    ]);
    for (second, prefix) in [(false, "lora_te_"), (true, "lora_te1_")] {
        if second {
            adapters.insert("text_encoder_2", text("second", "text_projection"));
        }
        let peft = encode_peft(&adapters, Dtype::F32).unwrap();
        let kohya = encode_kohya(&adapters, Dtype::F32).unwrap();
        let file = safetensors::SafeTensors::deserialize(&kohya).unwrap();
        let name = format!("{prefix}text_model_encoder_layers_0_self_attn_q_proj.alpha");
        assert!(file.tensor(&name).is_ok());
        for bytes in [peft, kohya] {
            let contents = AdapterContents::read(&bytes, None).unwrap();
            assert_eq!(contents.adapters, adapters);
            let message = contents.denoiser().unwrap_err().to_string();
            assert!(message.contains("changes `text_encoder"), "{message}");
        }
    }
}
