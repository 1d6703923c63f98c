use super::*;

#[test]
fn formula_holds_in_double_precision() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let block = disturbed(method, &device);
        let layer = &block.attn1.to_out[0];
        let adapter = layer.adapter.as_ref().unwrap();
        let x: Tensor<2> = Tensor::from_data(TensorData::new(values("rows", 28), [4, 7]), &device);
        let found = host(layer.forward(x.clone()));
        let double = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        let (w, a, b) = (
            double(host(layer.weight.val())),
            double(host(adapter.lora_a.val())),
            double(host(adapter.lora_b.val())),
        );
        let bias = double(host(layer.bias.as_ref().unwrap().val()));
        let m = adapter.magnitude.as_ref().map(|m| double(host(m.val())));
        let x = double(host(x));
        for row in 0..4 {
            for out in 0..6 {
                let adapted = |i: usize| {
                    w[out * 7 + i] + 1.5 * (0..3).map(|r| b[out * 3 + r] * a[r * 7 + i]).sum::<f64>()
                };
                let norm = (0..7).map(|i| adapted(i).powi(2)).sum::<f64>().sqrt();
                let gain = m.as_ref().map_or(1.0, |m| m[out] / norm);
                let product: f64 = (0..7).map(|i| adapted(i) * x[row * 7 + i]).sum();
                let expected = gain * product + bias[out];
                assert!((f64::from(found[row * 6 + out]) - expected).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn a_fresh_adapter_changes_nothing() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let mut block = Block::new(&device);
        let before = host(block.forward(input(&device)));
        attach(&mut block, &config(method)).unwrap();
        assert_close(&host(block.forward(input(&device))), &before, 1e-6, "start");
        let adapter = block.attn1.to_q.adapter.as_ref().unwrap();
        assert!(host(adapter.lora_a.val()).iter().all(|value| *value != 0.0));
    }
}

#[test]
fn initial_values_have_deviation_one_over_rank_and_follow_the_seed() {
    let device = Device::flex();
    let factors = |seed, layer: &str| {
        let mut linear = Linear::new(400, 8, Bias::Absent, &device);
        let config = AdapterConfig {
            rank: 16,
            seed,
            ..AdapterConfig::default()
        };
        struct One<'a>(&'a str, &'a mut Linear);
        impl AdaptTarget for One<'_> {
            fn layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
                visit(self.0, AdaptableLayer::Linear(self.1));
            }
        }
        attach(&mut One(layer, &mut linear), &config).unwrap();
        host(linear.adapter.unwrap().lora_a.val())
    };
    let a = factors(1, "a.to_q");
    let variance = a.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / a.len() as f64;
    // Relative standard error of a variance from 6400 values: sqrt(2 / 6400) = 0.018.
    assert!((variance * 256.0 - 1.0).abs() < 0.09, "{variance}");
    assert_eq!(a, factors(1, "a.to_q"));
    assert_ne!(a, factors(2, "a.to_q"));
    assert_ne!(a, factors(1, "b.to_q"));
}

#[test]
fn only_adapters_are_trainable_and_receive_gradients() {
    let device = Device::flex().autodiff();
    let block = disturbed(AdapterMethod::Dora, &device);
    let block = train_only(block, |name| name.contains(".adapter."));
    let names: Vec<String> = trainable_parameters(&block).into_iter().map(|p| p.name).collect();
    let expected: Vec<String> = ["attn1.to_q", "attn1.to_out.0"]
        .iter()
        .flat_map(|layer| ["lora_a", "lora_b", "magnitude"].map(|part| format!("{layer}.adapter.{part}")))
        .collect();
    assert_eq!(names, expected);
    let gradients = block.forward(input(&device)).square().mean().backward();
    for linear in [&block.attn1.to_q, &block.attn1.to_out[0], &block.proj_in] {
        assert!(linear.weight.val().grad(&gradients).is_none());
        assert!(!linear.weight.val().is_tracked());
    }
    let adapter = block.attn1.to_q.adapter.as_ref().unwrap();
    for gradient in [
        adapter.lora_a.val().grad(&gradients),
        adapter.lora_b.val().grad(&gradients),
    ] {
        assert!(host(gradient.unwrap()).iter().any(|value| *value != 0.0));
    }
}

#[test]
fn dora_with_the_current_length_as_magnitude_is_lora() {
    let device = Device::flex();
    let mut block = disturbed(AdapterMethod::Dora, &device);
    block.linears_mut(&mut |_, linear| {
        if let Some(adapter) = &mut linear.adapter {
            let norms = adapter.row_norms(&linear.weight.val());
            adapter.magnitude = Some(Param::from_tensor(norms));
        }
    });
    let dora = host(block.forward(input(&device)));
    block.linears_mut(&mut |_, linear| {
        if let Some(adapter) = &mut linear.adapter {
            adapter.magnitude = None;
        }
    });
    assert_close(&dora, &host(block.forward(input(&device))), 1e-6, "lora");
}

#[test]
fn targets_choose_the_layers() {
    let device = Device::flex();
    let mut block = Block::new(&device);
    let layers = attach(&mut block, &config(AdapterMethod::Lora)).unwrap();
    assert_eq!(layers, ["attn1.to_q", "attn1.to_out.0"]);
    assert!(block.proj_in.adapter.is_none());
    assert!(matches!(
        attach(&mut block, &config(AdapterMethod::Lora)),
        Err(AdapterError::AlreadyAdapted { .. })
    ));
    detach(&mut block);
    assert!(block.attn1.to_q.adapter.is_none());
    let none = AdapterConfig {
        targets: AdapterTargets {
            attention: false,
            feed_forward: true,
            modules: Vec::new(),
        },
        ..AdapterConfig::default()
    };
    assert!(matches!(attach(&mut block, &none), Err(AdapterError::NoLayer)));
    let mut named = none;
    named.targets.modules = vec!["proj_in".to_owned()];
    assert_eq!(attach(&mut block, &named).unwrap(), ["proj_in"]);
}

#[test]
fn merging_keeps_the_output() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let mut block = disturbed(method, &device);
        let before = host(block.forward(input(&device)));
        merge(&mut block);
        assert!(block.attn1.to_q.adapter.is_none());
        assert_close(&host(block.forward(input(&device))), &before, 1e-5, "merged");
    }
}

#[test]
fn scaling_by_zero_leaves_lora_without_effect() {
    let device = Device::flex();
    let mut block = disturbed(AdapterMethod::Lora, &device);
    let adapted = host(block.forward(input(&device)));
    multiply_scale(&mut block, 0.0);
    let scaled = host(block.forward(input(&device)));
    detach(&mut block);
    let base = host(block.forward(input(&device)));
    assert_close(&scaled, &base, 1e-6, "scaled");
    assert_ne!(adapted, base);
}
