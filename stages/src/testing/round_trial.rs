//! One round through the real stages on a tiny model: what one yields, the next takes.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use crate::contract::StageConfig;
use crate::evaluate::{EvaluateConfig, EvaluationReport};
use crate::finetune::FinetuneConfig;
use crate::generate::GenerateConfig;
use crate::ingest::prompts::PromptsConfig;
use crate::score::ScoreConfig;
use crate::select::SelectConfig;
use crate::testing::trial::Trial;
use crate::testing::trial_model;

fn run<C: StageConfig>(
    trial: &Trial,
    settings: Json,
    inputs: &[(&'static str, &Artifact)],
    output: &str,
) -> Artifact {
    let inputs: Vec<(&'static str, [&Artifact; 1])> =
        inputs.iter().map(|(port, one)| (*port, [*one])).collect();
    let inputs: Vec<(&'static str, &[&Artifact])> =
        inputs.iter().map(|(port, one)| (*port, one.as_slice())).collect();
    trial.run::<C>(settings, &inputs).unwrap().outputs[output].clone()
}

fn latents(trial: &Trial, candidates: &Artifact) -> Vec<f32> {
    let table = trial
        .store
        .artifacts()
        .read_table_whole(candidates, Some(&["latent"]))
        .unwrap();
    table["latent"]
        .as_list::<i32>()
        .values()
        .as_primitive::<Float32Type>()
        .values()
        .to_vec()
}

#[test]
fn a_round_runs_from_prompts_to_a_comparison_with_the_base() {
    let mut trial = Trial::new();
    let path = trial.folder.path().join("model");
    trial_model::write(&path);
    trial.defaults.model = Some(path);
    let inline = [
        "a red circle and a blue square",
        "a green cross and a red triangle",
    ];
    let prompts = run::<PromptsConfig>(&trial, json!({"source": {"inline": inline}}), &[], "prompts");
    let generate = |adapter: Option<&Artifact>| {
        let mut settings = json!({
            "prompts": "prompts", "candidates_per_prompt": 3, "sampler": {"steps": 4, "guidance": 2.0}, "images": true,
        });
        let mut inputs = vec![("prompts", &prompts)];
        if let Some(adapter) = adapter {
            settings["adapter"] = json!("finetune");
            inputs.push(("adapter", adapter));
        }
        run::<GenerateConfig>(&trial, settings, &inputs, "candidates")
    };
    let base = generate(None);
    let settings = json!({"candidates": "c", "timesteps": {"first": 400, "last": 600, "count": 2}});
    let scores = run::<ScoreConfig>(&trial, settings, &[("candidates", &base)], "scores");
    let settings = json!({"candidates": "c", "scores": ["s"], "by": "mi_signed", "top_k": 2});
    let selection = run::<SelectConfig>(
        &trial,
        settings,
        &[("candidates", &base), ("scores", &scores)],
        "selection",
    );
    assert_eq!(selection.rows, Some(4));
    let tune = |rate: f64, steps: u64| {
        let settings = json!({
            "selection": "s", "rank": 2, "batch_size": 4, "steps": steps, "learning_rate": rate, "warmup": 0,
        });
        run::<FinetuneConfig>(&trial, settings, &[("selection", &selection)], "adapter")
    };
    let distance = |tuned: &Artifact| {
        let pairs = latents(&trial, &base).into_iter().zip(latents(&trial, tuned));
        pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
    };
    // An adapter that was not moved changes nothing; one that was trained changes the images.
    let still = distance(&generate(Some(&tune(1e-30, 1))));
    assert!(still < 1e-3, "{still}");
    let tuned = generate(Some(&tune(1e-1, 4)));
    assert!(distance(&tuned) > 1e-2, "{}", distance(&tuned));
    let judge = json!({"candidates": "c", "bootstrap": {"replicates": 50}});
    let before = run::<EvaluateConfig>(&trial, judge.clone(), &[("candidates", &base)], "rows");
    let mut compare = judge;
    compare["baseline"] = json!("base");
    let summary = run::<EvaluateConfig>(
        &trial,
        compare,
        &[("candidates", &tuned), ("baseline", &before)],
        "summary",
    );
    let report: EvaluationReport = trial.store.artifacts().read_json(&summary).unwrap();
    assert_eq!((report.alignment.images, report.alignment.prompts), (6, 2));
    assert!(report.comparison.unwrap().aligned.is_some());
}
