use super::*;

#[test]
fn forward_gradients_and_merge_agree_with_peft() {
    for method in ["lora", "dora"] {
        let device = Device::flex().autodiff();
        let tensors = golden(&format!("adapter_{method}.safetensors"));
        let mut block = golden_block(&tensors, &device);
        let bytes = std::fs::read(golden_path(&format!("diffusers_{method}.safetensors"))).unwrap();
        SavedAdapter::from_bytes(&bytes, "unet")
            .unwrap()
            .attach(&mut block)
            .unwrap();
        let mut block = train_only(block, |name| name.contains(".adapter."));

        let x = tensor::<3>(&tensors, "x", &device).require_grad();
        let y = block.forward(x.clone());
        assert_close(&host(y.clone()), &floats(&tensors, "y"), 1e-5, "output");

        let gradients = (y * tensor(&tensors, "weighting", &device)).sum().backward();
        assert_close(
            &host(x.grad(&gradients).unwrap()),
            &floats(&tensors, "x.grad"),
            1e-5,
            "input",
        );
        block.linears_mut(&mut |name, linear| {
            let Some(adapter) = &linear.adapter else {
                return;
            };
            let expected = |part| floats(&tensors, &format!("gradient.{name}.{part}"));
            let a = host(adapter.lora_a.val().grad(&gradients).unwrap());
            assert_close(&a, &expected("lora_A.weight"), 1e-5, name);
            let b = host(adapter.lora_b.val().grad(&gradients).unwrap());
            assert_close(&b, &expected("lora_B.weight"), 1e-5, name);
            if let Some(magnitude) = &adapter.magnitude {
                let magnitude = host(magnitude.val().grad(&gradients).unwrap());
                assert_close(&magnitude, &expected("lora_magnitude_vector"), 1e-5, name);
            }
        });

        merge(&mut block);
        for (name, linear) in [("to_q", &block.attn1.to_q), ("to_out.0", &block.attn1.to_out[0])] {
            let expected = floats(&tensors, &format!("merged.attn1.{name}.weight"));
            assert_close(&host(linear.weight.val()), &expected, 1e-6, name);
        }
    }
}

#[test]
fn settings_of_a_diffusers_file_are_read() {
    for (name, method) in [("lora", AdapterMethod::Lora), ("dora", AdapterMethod::Dora)] {
        let bytes = std::fs::read(golden_path(&format!("diffusers_{name}.safetensors"))).unwrap();
        let saved = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
        assert_eq!(
            (saved.method, saved.rank(), saved.alpha()),
            (method, Some(3), Some(4.5))
        );
        assert_eq!(
            saved.layers.keys().collect::<Vec<_>>(),
            ["attn1.to_out.0", "attn1.to_q"]
        );
    }
}

/// `export_training.py check` loads this file with diffusers and compares outputs.
#[test]
fn the_layout_of_written_files_does_not_change() {
    let bytes = std::fs::read(golden_path("diffusers_dora.safetensors")).unwrap();
    let saved = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
    let written = saved.to_bytes("unet", Dtype::F32).unwrap();
    let path = golden_path("written_dora.safetensors");
    assert!(written == std::fs::read(path).unwrap());
}
