use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{Schema, SchemaRef};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::*;
use crate::draws::Draws;
use crate::testing::trial::Trial;
use crate::testing::trial_tables::{Candidate, candidates, evaluation, latents, scores};

/// Prompts with eight candidates each, in a shuffled order of rows.
fn pool(prompts: u32) -> Vec<Candidate> {
    let mut draws = Draws::new("select test", 0, 0);
    let mut pool: Vec<Candidate> = (0..prompts * 8)
        .map(|number| Candidate {
            prompt: format!("prompt {}", number / 8),
            seed_index: number % 8,
            mi: draws.unit(),
            latent: vec![number as f32, 0.5],
            png: None,
        })
        .collect();
    draws.shuffle(&mut pool);
    pool
}

/// What a selection holds: prompt, seed index, score, rank, first number of the latent.
fn read(trial: &Trial, selection: &Artifact) -> Vec<(String, u32, f64, u32, f32)> {
    let table = trial.store.artifacts().read_table_whole(selection, None).unwrap();
    assert_eq!(table.schema().fields(), schema::selection().fields());
    (0..table.num_rows())
        .map(|row| {
            let latent = table["latent"].as_list::<i32>().value(row);
            (
                table["prompt"].as_string::<i32>().value(row).to_owned(),
                table["seed_index"].as_primitive::<UInt32Type>().value(row),
                table["score"].as_primitive::<Float64Type>().value(row),
                table["rank"].as_primitive::<UInt32Type>().value(row),
                latent.as_primitive::<Float32Type>().value(0),
            )
        })
        .collect()
}

fn settings(more: Json) -> Json {
    let mut settings = json!({"candidates": "generate"});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    settings
}

fn select(trial: &Trial, more: Json, pool: &[Candidate]) -> Vec<(String, u32, f64, u32, f32)> {
    let table = candidates(&trial.store, pool);
    let output = trial
        .run::<SelectConfig>(settings(more), &[("candidates", &[&table])])
        .unwrap();
    read(trial, &output.outputs["selection"])
}

#[test]
fn the_best_of_each_prompt_come_with_their_latents_in_the_order_of_the_candidates() {
    let trial = Trial::new();
    let pool = pool(5);
    for (order, sign) in [("top", 1.0), ("bottom", -1.0)] {
        let found = select(&trial, json!({"top_k": 3, "order": order}), &pool);
        let mut expected: Vec<(String, u32, f64, u32, f32)> = Vec::new();
        for candidate in &pool {
            let others = pool.iter().filter(|other| other.prompt == candidate.prompt);
            let better = others
                .clone()
                .filter(|other| sign * other.mi > sign * candidate.mi)
                .count();
            let rank = others.filter(|other| other.mi > candidate.mi).count() as u32;
            if better < 3 {
                let latent = candidate.latent[0];
                expected.push((
                    candidate.prompt.clone(),
                    candidate.seed_index,
                    candidate.mi,
                    rank,
                    latent,
                ));
            }
        }
        assert_eq!(found, expected, "{order}");
    }
    let all = select(&trial, json!({"top_k": 100}), &pool);
    assert_eq!(all.len(), 40);
}

#[test]
fn equal_scores_prefer_no_seed_index_and_no_order_of_rows() {
    let trial = Trial::new();
    let mut pool = pool(200);
    pool.iter_mut().for_each(|candidate| candidate.mi = 1.0);
    let chosen = |found: Vec<(String, u32, f64, u32, f32)>| -> BTreeSet<(String, u32)> {
        found.into_iter().map(|row| (row.0, row.1)).collect()
    };
    let first = select(&trial, json!({}), &pool);
    let mut counts = [0_u32; 8];
    first.iter().for_each(|row| counts[row.1 as usize] += 1);
    // Chi-square with 7 degrees of freedom stays below 24.3 with probability 0.999.
    let chi_square: f64 = counts
        .iter()
        .map(|&count| (f64::from(count) - 25.0).powi(2) / 25.0)
        .sum();
    assert!(chi_square < 24.3, "{counts:?}");
    pool.reverse();
    assert_eq!(chosen(select(&trial, json!({}), &pool)), chosen(first.clone()));
    assert_ne!(chosen(select(&trial, json!({"seed": 1}), &pool)), chosen(first));
}

#[test]
fn random_choices_look_at_no_score() {
    let trial = Trial::new();
    let mut pool = pool(20);
    let places = |pool: &[Candidate]| -> Vec<(String, u32, f64)> {
        let found = select(&trial, json!({"by": "random", "top_k": 2}), pool);
        found.into_iter().map(|row| (row.0, row.1, row.2)).collect()
    };
    let first = places(&pool);
    assert_eq!(first.len(), 40);
    pool.iter_mut().for_each(|candidate| candidate.mi = -candidate.mi);
    assert_eq!(places(&pool), first);
}

#[test]
fn scores_of_other_tables_and_truth_are_columns_too() {
    let trial = Trial::new();
    let pool = pool(4);
    let table = candidates(&trial.store, &pool);
    let mut shuffled = pool.clone();
    shuffled.reverse();
    let itm = scores(&trial.store, &["itm"], &shuffled, |candidate, _| -candidate.mi);
    let truth = evaluation(&trial.store, &shuffled, |candidate| candidate.seed_index == 5);
    let run = |by: &str, inputs: &[(&'static str, &[&Artifact])]| {
        let references = json!({"by": by, "scores": ["score"], "evaluation": "evaluate"});
        let output = trial.run::<SelectConfig>(settings(references), inputs).unwrap();
        (read(&trial, &output.outputs["selection"]), output.metrics)
    };
    let inputs: [(&'static str, &[&Artifact]); 3] = [
        ("candidates", &[&table]),
        ("scores", &[&itm]),
        ("evaluation", &[&truth]),
    ];
    let (lowest_mi, _) = run("itm", &inputs);
    let bottom = select(&trial, json!({"order": "bottom"}), &pool);
    let places = |rows: &[(String, u32, f64, u32, f32)]| -> Vec<(String, u32)> {
        rows.iter().map(|row| (row.0.clone(), row.1)).collect()
    };
    assert_eq!(places(&lowest_mi), places(&bottom));
    let (aligned, metrics) = run("oracle", &inputs);
    assert!(
        aligned.iter().all(|row| row.1 == 5 && row.2 == 1.0 && row.3 == 0),
        "{aligned:?}"
    );
    assert_eq!(metrics["mean_score_selected"], 1.0);
    assert_eq!(metrics["mean_score_all"], 0.125);
    assert_eq!(metrics["selected"], 4);
}

#[test]
fn a_least_score_leaves_candidates_out() {
    let trial = Trial::new();
    let mut pool = pool(3);
    for candidate in &mut pool {
        candidate.mi =
            f64::from(candidate.seed_index) - if candidate.prompt == "prompt 2" { 8.0 } else { 0.0 };
    }
    let table = candidates(&trial.store, &pool);
    let run = |more: Json| trial.run::<SelectConfig>(settings(more), &[("candidates", &[&table])]);
    let output = run(json!({"top_k": 8, "min_score": 6.0})).unwrap();
    assert_eq!(read(&trial, &output.outputs["selection"]).len(), 4);
    assert_eq!(output.metrics["prompts_without_selection"], 1);
    let lowest = read(
        &trial,
        &run(json!({"order": "bottom", "min_score": 6.0})).unwrap().outputs["selection"],
    );
    assert!(lowest.iter().all(|row| row.1 == 6 && row.3 == 1), "{lowest:?}");
    let message = run(json!({"min_score": 9.0})).unwrap_err().to_string();
    assert!(
        message.contains("`mi`") && message.contains("`9`") && message.contains("`7`"),
        "{message}"
    );
}

#[test]
fn what_cannot_be_selected_by_is_told_with_what_could() {
    let trial = Trial::new();
    let pool = pool(2);
    let table = candidates(&trial.store, &pool);
    let failure = |more: Json, scores: &[&Artifact]| {
        let mut more = more;
        more["scores"] = json!(["score"]);
        trial
            .run::<SelectConfig>(settings(more), &[("candidates", &[&table]), ("scores", scores)])
            .unwrap_err()
    };
    let both = scores(&trial.store, &["mi_signed", "itm"], &pool, |candidate, _| {
        candidate.mi
    });
    let unknown = failure(json!({"by": "mi_singed"}), &[&both]);
    assert!(matches!(unknown, StageError::Configuration(_)));
    assert_eq!(
        unknown.to_string(),
        "No score `mi_singed` among `mi`, `mi_paper`, `mi_reference`, `mi_signed`, `itm`, `random`; did you mean `mi_signed`?"
    );
    let ambiguous = failure(json!({"by": "itm"}), &[&both, &both]);
    assert!(
        ambiguous.to_string().contains("2 of the connected tables"),
        "{ambiguous}"
    );
    let short = scores(&trial.store, &["itm"], &pool[1..], |candidate, _| candidate.mi);
    let missing = failure(json!({"by": "itm"}), &[&short]).to_string();
    let seed_index = format!("Candidate `{}`", pool[0].seed_index);
    assert!(
        missing.starts_with(&seed_index) && missing.ends_with("has no `itm`"),
        "{missing}"
    );
    let broken = scores(&trial.store, &["itm"], &pool, |_, row| {
        if row == 3 { f64::NAN } else { 0.0 }
    });
    let broken = failure(json!({"by": "itm"}), &[&broken]).to_string();
    let seed_index = format!("candidate `{}`", pool[3].seed_index);
    assert!(
        broken.contains(&seed_index) && broken.contains("`NaN`"),
        "{broken}"
    );
}

#[test]
fn scores_of_other_candidates_are_told_with_their_table_and_what_to_do() {
    let trial = Trial::new();
    let pool = pool(2);
    let table = candidates(&trial.store, &pool);
    let told = |scored: &[Candidate]| {
        let scored = scores(&trial.store, &["itm"], scored, |candidate, _| candidate.mi);
        let settings = settings(json!({"by": "itm", "scores": ["score"]}));
        let inputs: [(&'static str, &[&Artifact]); 2] = [("candidates", &[&table]), ("scores", &[&scored])];
        let error = trial.run::<SelectConfig>(settings, &inputs).unwrap_err();
        assert!(matches!(error, StageError::Failed(_)), "{error}");
        let hint = crate::failure_hint::hint(&error).unwrap_or_default();
        assert!(hint.contains("the `candidates` of this stage"), "{hint}");
        std::error::Error::source(&error).unwrap().to_string()
    };
    let mut others = pool.clone();
    for other in &mut others {
        other.prompt = format!("another {}", other.prompt);
    }
    assert_eq!(
        told(&others),
        "`scores[0]` is about other candidates: it has no row of any of these 16"
    );
    assert_eq!(
        told(&pool[1..]),
        "`scores[0]` has no row of it, only of 15 of the 16 candidates"
    );
}

#[test]
fn what_cannot_be_selected_by_is_told_before_anything_runs() {
    let trial = Trial::new();
    let input = |columns: SchemaRef| KnownInput {
        stage: "made".to_owned(),
        columns: Some(columns),
        candidates: None,
    };
    let connect = |by: &str| {
        let settings = settings(json!({"by": by, "scores": ["score"]}));
        let mut stage = trial.stage::<SelectConfig>(settings).unwrap();
        let mut inputs = KnownInputs::default();
        inputs.add("candidates", vec![input(schema::candidates())]);
        inputs.add("scores", vec![input(schema::scores(&["itm"]))]);
        let connected = stage.connected(inputs);
        connected.map(|()| stage)
    };
    let unknown = connect("imt").map(|_| ()).unwrap_err();
    assert!(matches!(unknown, StageError::Configuration(_)), "{unknown}");
    let message = unknown.to_string();
    let expected = "No score `imt` among `mi`, `mi_paper`, `mi_reference`, `itm`, `random`";
    assert!(message.starts_with(expected), "{message}");
    let rows = |port: &str| Some(if port == "candidates" { 16 } else { 15 });
    let few = connect("itm").unwrap().check_rows(&rows).unwrap_err();
    assert!(matches!(few, StageError::Configuration(_)), "{few}");
    assert_eq!(
        few.to_string(),
        "`scores` has 15 rows, too few for the candidates, which need 16"
    );
    for by in ["mi", "random"] {
        connect(by).unwrap().check_rows(&rows).unwrap();
    }
}

#[test]
fn a_score_of_two_tables_and_scores_of_other_candidates_are_told_before_anything_runs() {
    let trial = Trial::new();
    let input = |stage: &str, columns: SchemaRef, candidates: &str| KnownInput {
        stage: stage.to_owned(),
        columns: Some(columns),
        candidates: Some(candidates.to_owned()),
    };
    let told = |by: &str, scores: Vec<KnownInput>| {
        let settings = settings(json!({"by": by, "scores": ["score"]}));
        let mut stage = trial.stage::<SelectConfig>(settings).unwrap();
        let mut inputs = KnownInputs::default();
        inputs.add("candidates", vec![input("hc", schema::candidates(), "hc")]);
        inputs.add("scores", scores);
        match stage.connected(inputs) {
            Ok(()) => String::new(),
            Err(error) => {
                assert!(matches!(error, StageError::Configuration(_)), "{error}");
                error.to_string()
            }
        }
    };
    let own = || input("j1", schema::scores(&["itm"]), "hc");
    assert_eq!(told("itm", vec![own()]), "");
    assert_eq!(told("mi", vec![own(), own()]), "");
    assert_eq!(
        told("itm", vec![own(), own()]),
        "Score `itm` is in 2 of the connected tables, expected one"
    );
    // Only this table's columns are unknown, and two others have the score.
    let unknown = KnownInput {
        columns: None,
        ..own()
    };
    assert_eq!(told("other", vec![own(), unknown.clone()]), "");
    assert!(told("itm", vec![own(), unknown, own()]).contains("2 of the connected tables"));
    assert_eq!(
        told("itm", vec![own(), input("j3", schema::scores(&["x"]), "h3")]),
        "`scores[1]` (stage `j3`) is about the candidates of stage `h3`, but `candidates` are those of stage `hc`"
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let trial = Trial::new();
    for (more, words) in [
        (json!({"by": "oracle"}), "needs `evaluation`"),
        (json!({"by": "random", "min_score": 0.1}), "`by: random`"),
        (json!({"top_k": 0}), "nonzero"),
        (json!({"top": 2}), "unknown field `top`"),
    ] {
        let error = trial
            .stage::<SelectConfig>(settings(more))
            .map(|_| ())
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let twice = [pool(1), pool(1)].concat();
    let table = candidates(&trial.store, &twice);
    let error = trial
        .run::<SelectConfig>(settings(json!({})), &[("candidates", &[&table])])
        .unwrap_err();
    assert!(error.to_string().contains("occurs twice"), "{error}");
}

#[test]
fn settings_are_keyed_and_references_are_not() {
    let mut trial = Trial::new();
    let base = settings(json!({}));
    trial.assert_keyed::<SelectConfig>(
        &base,
        &[
            ("by", json!("random")),
            ("order", json!("bottom")),
            ("top_k", json!(2)),
            ("min_score", json!(0.5)),
            ("seed", json!(7)),
        ],
    );
    let spelled_out = json!({
        "candidates": "other:candidates", "scores": ["score/a"], "evaluation": "previous.evaluate",
        "by": "mi", "order": "top", "top_k": 1, "seed": 0, "min_score": null,
    });
    let config = |settings: &Json| {
        trial
            .stage::<SelectConfig>(settings.clone())
            .unwrap()
            .config()
            .unwrap()
    };
    assert_eq!(config(&spelled_out), config(&base));
    let unset = config(&base);
    trial.defaults.seed = 9;
    assert_ne!(
        trial.stage::<SelectConfig>(base).unwrap().config().unwrap(),
        unset
    );
}

#[test]
fn chosen_ranks_are_those_of_a_study_of_best_middle_and_last() {
    let trial = Trial::new();
    let pool = pool(3);
    let found = select(&trial, json!({"ranks": [1, 4, 8]}), &pool);
    assert_eq!(found.len(), 9);
    for prompt in 0..3 {
        let of_prompt = |row: &&(String, u32, f64, u32, f32)| row.0 == format!("prompt {prompt}");
        let ranks: BTreeSet<u32> = found.iter().filter(of_prompt).map(|row| row.3).collect();
        assert_eq!(ranks, BTreeSet::from([0, 3, 7]));
        for (_, seed_index, score, rank, _) in found.iter().filter(of_prompt) {
            let others = pool.iter().filter(|one| one.prompt == format!("prompt {prompt}"));
            assert_eq!(others.clone().filter(|one| one.mi > *score).count() as u32, *rank);
            assert!(
                others
                    .clone()
                    .any(|one| one.seed_index == *seed_index && one.mi == *score)
            );
        }
    }
    let table = candidates(&trial.store, &pool);
    for (more, said) in [
        (
            json!({"ranks": [9]}),
            "asks for rank `9`, and prompt `id of prompt ",
        ),
        (json!({"ranks": [2, 2]}), "has `2` twice"),
        (
            json!({"ranks": [2], "top_k": 1}),
            "`top_k` has no meaning with `ranks`",
        ),
        (
            json!({"ranks": [2], "order": "top"}),
            "`order` has no meaning with `ranks`",
        ),
        (
            json!({"ranks": [2], "min_score": 0.1}),
            "`min_score` has no meaning with `ranks`",
        ),
    ] {
        let refused = trial.run::<SelectConfig>(settings(more.clone()), &[("candidates", &[&table])]);
        let error = refused.unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{more}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// Settings that were there before keep their key, because their choice is the same.
#[test]
fn settings_of_before_keep_their_canonical_form() {
    let built = |more: Json| {
        let config: SelectConfig = serde_json::from_value(settings(more)).unwrap();
        let stage = config.build(&Trial::new().defaults).unwrap();
        serde_json::to_value(stage.config().unwrap()).unwrap()
    };
    let before = json!({"by": "mi", "order": "top", "top_k": 1, "min_score": null, "seed": 0});
    assert_eq!(built(json!({})), before);
    assert_eq!(built(json!({"repeated_prompts": "keep"})), before);
    assert_eq!(built(json!({"within": "prompt"})), before);
    assert_eq!(built(json!({"within": "all"}))["within"], "all");
    assert_eq!(
        built(json!({"repeated_prompts": "once"}))["repeated_prompts"],
        "once"
    );
}

/// Replaces or takes out columns of a stored table.
fn changed(trial: &Trial, table: &Artifact, column: &str, values: Option<ArrayRef>) -> Artifact {
    let batch = trial.store.artifacts().read_table_whole(table, None).unwrap();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        match (field.name() == column, &values) {
            (true, None) => continue,
            (true, Some(values)) => columns.push(values.clone()),
            (false, _) => columns.push(array.clone()),
        }
        fields.push(field.clone());
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    trial.store.artifacts().put_table(&schema, [batch]).unwrap()
}

#[test]
fn a_prompt_that_stands_twice_is_chosen_from_as_often_as_is_asked() {
    let trial = Trial::new();
    let mut pool = pool(2);
    pool.sort_by(|one, other| (&one.prompt, one.seed_index).cmp(&(&other.prompt, other.seed_index)));
    let table = candidates(&trial.store, &pool);
    // The second half of the rows is another row of the file with the text of the first.
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(pool.iter().map(|_| "prompt 0")));
    let table = changed(&trial, &table, "prompt", Some(text));
    let run = |more: Json| {
        trial
            .run::<SelectConfig>(settings(more), &[("candidates", &[&table])])
            .unwrap()
    };
    let kept = run(json!({}));
    assert_eq!(read(&trial, &kept.outputs["selection"]).len(), 2);
    let once = run(json!({"repeated_prompts": "once"}));
    assert_eq!(
        read(&trial, &once.outputs["selection"]),
        read(&trial, &kept.outputs["selection"])[..1]
    );
    assert_eq!(once.metrics["repeated_prompts_left_out"], 1);
    assert_eq!(once.metrics["prompts_without_selection"], 0);
}

#[test]
fn the_best_of_all_are_chosen_whatever_their_prompts() {
    let trial = Trial::new();
    let pool = pool(5);
    for (order, sign) in [("top", 1.0), ("bottom", -1.0)] {
        let found = select(
            &trial,
            json!({"top_k": 7, "order": order, "within": "all"}),
            &pool,
        );
        let better = |mi: f64| pool.iter().filter(|other| sign * other.mi > sign * mi).count();
        let expected = pool.iter().filter(|candidate| better(candidate.mi) < 7);
        let rank = |candidate: &Candidate| {
            let others = pool.iter().filter(|other| other.prompt == candidate.prompt);
            others.filter(|other| other.mi > candidate.mi).count() as u32
        };
        let expected = expected.map(|candidate| {
            let prompt = candidate.prompt.clone();
            (
                prompt,
                candidate.seed_index,
                candidate.mi,
                rank(candidate),
                candidate.latent[0],
            )
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{order}");
    }
    let all = select(&trial, json!({"top_k": 100, "within": "all"}), &pool);
    assert_eq!(all.len(), 40);
    let good = select(
        &trial,
        json!({"top_k": 100, "within": "all", "min_score": 0.5}),
        &pool,
    );
    assert_eq!(
        good.len(),
        pool.iter().filter(|candidate| candidate.mi >= 0.5).count()
    );
    let ranks = trial.stage::<SelectConfig>(settings(json!({"ranks": [1], "within": "all"})));
    let refused = ranks.map(drop).unwrap_err().to_string();
    assert!(
        refused.starts_with("Setting `within` has no meaning with `ranks`"),
        "{refused}"
    );
}

#[test]
fn equal_scores_among_all_prefer_no_prompt_and_no_order_of_rows() {
    let trial = Trial::new();
    let mut pool = pool(10);
    pool.iter_mut().for_each(|candidate| candidate.mi = 1.0);
    let chosen = |more: Json, pool: &[Candidate]| -> BTreeSet<(String, u32)> {
        let found = select(&trial, more, pool);
        found.into_iter().map(|row| (row.0, row.1)).collect()
    };
    let settings = json!({"top_k": 20, "within": "all"});
    let first = chosen(settings.clone(), &pool);
    assert_eq!(first.len(), 20);
    let prompts: BTreeSet<&str> = first.iter().map(|(prompt, _)| prompt.as_str()).collect();
    assert!(prompts.len() > 5, "{prompts:?}");
    pool.reverse();
    assert_eq!(chosen(settings, &pool), first);
    assert_ne!(
        chosen(json!({"top_k": 20, "within": "all", "seed": 1}), &pool),
        first
    );
}

#[test]
fn given_images_are_chosen_by_scores_made_of_them() {
    let trial = Trial::new();
    let pool = pool(5);
    let table = latents(&trial.store, &pool);
    let scored = scores(&trial.store, &["mi_signed"], &pool, |candidate, _| candidate.mi);
    let run = |by: &str| {
        let settings = settings(json!({"by": by, "scores": ["score"], "top_k": 7, "within": "all"}));
        trial.run::<SelectConfig>(settings, &[("candidates", &[&table]), ("scores", &[&scored])])
    };
    let found = read(&trial, &run("mi_signed").unwrap().outputs["selection"]);
    assert_eq!(found, select(&trial, json!({"top_k": 7, "within": "all"}), &pool));
    let error = run("mi_paper").unwrap_err().to_string();
    assert!(
        error.starts_with("No score `mi_paper` among `mi_signed`, `random`"),
        "{error}"
    );
    let mut stage = trial
        .stage::<SelectConfig>(settings(json!({"scores": ["score"]})))
        .unwrap();
    let input = |columns: SchemaRef| KnownInput {
        stage: "made".to_owned(),
        columns: Some(columns),
        candidates: Some("real".to_owned()),
    };
    let mut inputs = KnownInputs::default();
    inputs.add("candidates", vec![input(schema::latents())]);
    inputs.add("scores", vec![input(schema::scores(&["mi_signed"]))]);
    let error = stage.connected(inputs).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    assert!(
        error.to_string().starts_with("Given images have no `mi`"),
        "{error}"
    );
}

/// Candidates of earlier versions have no columns of modes: everything else about them can be selected by.
#[test]
fn candidates_of_earlier_versions_can_be_selected_from() {
    let trial = Trial::new();
    let pool = pool(2);
    let mut table = candidates(&trial.store, &pool);
    for column in ["mi_paper", "mi_reference", "mi_weights"] {
        table = changed(&trial, &table, column, None);
    }
    let run = |by: &str| trial.run::<SelectConfig>(settings(json!({"by": by})), &[("candidates", &[&table])]);
    let found = read(&trial, &run("mi").unwrap().outputs["selection"]);
    assert_eq!(found, select(&trial, json!({}), &pool));
    let error = run("mi_reference").unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)));
    assert_eq!(
        error.to_string(),
        "No score `mi_reference` among `mi`: an earlier version generated these candidates; generate them again"
    );
}
