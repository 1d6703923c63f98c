//! Any file and any number of steps: an error or finite numbers, never a panic.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// Values that a key may be given, sensible or not.
fn values() -> Vec<(&'static str, Vec<Value>)> {
    let flags = || vec![json!(true), json!(false), json!(null)];
    let numbers = || {
        let odd = [-1.0, 0.0, 1e-300, 1e-4, 0.3, 0.999, 1.0, 2.0, 50.0, 1e300];
        odd.map(|number| json!(number)).to_vec()
    };
    let texts = |names: &[&str]| names.iter().map(|name| json!(name)).collect();
    vec![
        (
            "num_train_timesteps",
            [0, 1, 2, 3, 10, 1000].map(|n| json!(n)).to_vec(),
        ),
        ("beta_start", numbers()),
        ("beta_end", numbers()),
        (
            "beta_schedule",
            texts(&["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]),
        ),
        (
            "trained_betas",
            vec![json!(null), json!([]), json!([0.5]), json!([0.1, 0.9, 0.2])],
        ),
        ("rescale_betas_zero_snr", flags()),
        ("prediction_type", texts(&["epsilon", "v_prediction", "sample"])),
        ("timestep_spacing", texts(&["leading", "trailing", "linspace"])),
        (
            "steps_offset",
            vec![json!(0), json!(1), json!(7), json!(u64::MAX)],
        ),
        ("variance_type", texts(&["fixed_small", "fixed_large"])),
        ("clip_sample", flags()),
        ("clip_sample_range", numbers()),
        ("thresholding", flags()),
        ("dynamic_thresholding_ratio", numbers()),
        ("sample_max_value", numbers()),
        ("set_alpha_to_one", flags()),
        ("skip_prk_steps", flags()),
        ("interpolation_type", texts(&["linear", "log_linear"])),
        ("use_karras_sigmas", flags()),
        ("use_exponential_sigmas", flags()),
        ("use_lu_lambdas", flags()),
        ("use_beta_sigmas", flags()),
        ("sigma_min", numbers()),
        ("sigma_max", numbers()),
        ("final_sigmas_type", texts(&["zero", "sigma_min"])),
        ("timestep_type", texts(&["discrete", "continuous"])),
        (
            "solver_order",
            vec![json!(0), json!(1), json!(2), json!(3), json!(4)],
        ),
        (
            "algorithm_type",
            texts(&["dpmsolver++", "sde-dpmsolver++", "dpmsolver"]),
        ),
        ("solver_type", texts(&["midpoint", "heun", "bh2"])),
        ("lower_order_final", flags()),
        ("euler_at_final", flags()),
        ("lambda_min_clipped", numbers()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_file_gives_finite_steps_or_an_error(
        picks in prop::collection::vec(prop::option::weighted(0.25, any::<prop::sample::Index>()), 32),
        kind in prop::sample::select(SchedulerKind::ALL.to_vec()),
        steps in prop::sample::select(vec![0_usize, 1, 2, 3, 4, 5, 14, 15, 50, 999, 1000, 1001]),
        eta in 0.0_f64..=1.0,
    ) {
        let values = values();
        prop_assert_eq!(values.len(), picks.len());
        let mut file = Map::new();
        for ((key, values), pick) in values.into_iter().zip(picks) {
            if let Some(pick) = pick {
                file.insert(key.to_owned(), pick.get(&values).clone());
            }
        }
        let config = serde_json::from_value::<SchedulerConfig>(Value::Object(file));
        let process = config.ok().and_then(|config| kind.reverse_process(&config, steps, eta).ok());
        if let Some(process) = process {
            prop_assert!(!process.steps.is_empty() && (process.start as f32).is_finite());
            let mut trajectory = Trajectory::new(vec![0.3, -1.2], process.memory);
            for step in &process.steps {
                let input = trajectory.input(step);
                prop_assert!(input.len() == 2);
                prop_assert!((step.sample as f32).is_finite() && (step.output as f32).is_finite());
                trajectory.advance(step, vec![0.1, 0.7], step.draws.then(|| vec![1.0, -0.5]));
            }
        }
    }
}

/// A noise level whose square is beyond f64 once gave steps that begin at infinity.
#[test]
fn a_start_beyond_the_range_of_latents_is_an_error() {
    for (spacing, sigma_max) in [("leading", 1e300), ("leading", 1e39), ("linspace", 1e39)] {
        let file = json!({
            "timestep_spacing": spacing, "use_karras_sigmas": true, "sigma_max": sigma_max
        });
        let config: SchedulerConfig = serde_json::from_value(file).unwrap();
        let refused = SchedulerKind::Euler.reverse_process(&config, 2, 0.0).unwrap_err();
        assert!(refused.to_string().contains("noise level"), "{refused}");
    }
}
