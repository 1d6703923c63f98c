use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::*;
use crate::contract::{KnownInput, KnownInputs, StageError, StageOutput};
use crate::draws::Draws;
use crate::tables::pairs::{Pair, read_pairs};
use crate::tables::schema;
use crate::testing::trial::Trial;
use crate::testing::trial_tables::{Candidate, candidates, evaluation, scores};

/// Prompts with six candidates each, in a shuffled order of rows; the latent of a candidate holds its number.
fn pool(prompts: u32) -> Vec<Candidate> {
    let mut draws = Draws::new("pair test", 0, 0);
    let mut pool: Vec<Candidate> = (0..prompts * 6)
        .map(|number| Candidate {
            prompt: format!("prompt {}", number / 6),
            seed_index: number % 6,
            mi: draws.unit(),
            latent: vec![number as f32; 16],
            png: None,
        })
        .collect();
    draws.shuffle(&mut pool);
    pool
}

fn settings(more: Json) -> Json {
    let mut settings = json!({"candidates": "generate"});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    settings
}

fn run(trial: &Trial, more: Json, pool: &[Candidate]) -> Result<StageOutput, StageError> {
    let table = candidates(&trial.store, pool);
    trial.run::<PairConfig>(settings(more), &[("candidates", &[&table])])
}

fn read(trial: &Trial, output: &StageOutput) -> Vec<Pair> {
    read_pairs(&trial.store, &output.outputs["pairs"]).unwrap()
}

fn pairs(trial: &Trial, more: Json, pool: &[Candidate]) -> Vec<Pair> {
    read(trial, &run(trial, more, pool).unwrap())
}

/// The seed indices of the candidates of a prompt, best first.
fn ranking(pool: &[Candidate], prompt: &str) -> Vec<u32> {
    let mut ranked: Vec<&Candidate> = pool.iter().filter(|one| one.prompt == prompt).collect();
    ranked.sort_by(|one, other| other.mi.total_cmp(&one.mi));
    ranked.into_iter().map(|one| one.seed_index).collect()
}

/// Prompt, preferred and rejected of every pair, sorted.
fn names(pairs: &[Pair]) -> BTreeSet<(String, u32, u32)> {
    let name = |pair: &Pair| {
        (
            pair.prompt.clone(),
            pair.preferred.seed_index,
            pair.rejected.seed_index,
        )
    };
    pairs.iter().map(name).collect()
}

#[test]
fn the_best_and_the_worst_of_each_prompt_come_with_their_latents() {
    let trial = Trial::new();
    let pool = pool(5);
    let found = pairs(&trial, json!({}), &pool);
    assert_eq!(found.len(), 5);
    for pair in &found {
        let ranking = ranking(&pool, &pair.prompt);
        let members = (pair.preferred.seed_index, pair.rejected.seed_index);
        assert_eq!(members, (ranking[0], ranking[5]));
        for member in [&pair.preferred, &pair.rejected] {
            let of = |one: &&Candidate| one.prompt == pair.prompt && one.seed_index == member.seed_index;
            assert_eq!(member.latent.values, pool.iter().find(of).unwrap().latent);
            assert_eq!(member.latent.shape, [4, 2, 2]);
        }
        assert_eq!(pair.prompt_id, format!("id of {}", pair.prompt));
    }
}

#[test]
fn every_rule_pairs_by_rank_and_takes_the_largest_differences_first() {
    let trial = Trial::new();
    let pool = pool(4);
    for (kind, count, expected) in [
        ("best_worst", 9, vec![(0, 5), (1, 4), (2, 3)]),
        ("best_worst", 2, vec![(0, 5), (1, 4)]),
        ("neighbours", 9, vec![(0, 1), (2, 3), (4, 5)]),
        (
            "all",
            99,
            (0..6).flat_map(|i| (i + 1..6).map(move |j| (i, j))).collect(),
        ),
        ("all", 1, vec![(0, 5)]),
    ] {
        let more = json!({"pairing": {"kind": kind}, "pairs_per_prompt": count});
        let found = names(&pairs(&trial, more, &pool));
        let mut wanted = BTreeSet::new();
        for prompt in 0..4 {
            let prompt = format!("prompt {prompt}");
            let ranking = ranking(&pool, &prompt);
            let place = |&(i, j): &(usize, usize)| (prompt.clone(), ranking[i], ranking[j]);
            wanted.extend(expected.iter().map(place));
        }
        assert_eq!(found, wanted, "{kind} {count}");
    }
    let one = json!({"pairing": {"kind": "neighbours"}});
    for pair in pairs(&trial, one, &pool) {
        let mi = |seed_index: u32| {
            let of = |one: &&Candidate| one.prompt == pair.prompt && one.seed_index == seed_index;
            pool.iter().find(of).unwrap().mi
        };
        let ranking = ranking(&pool, &pair.prompt);
        let difference = mi(pair.preferred.seed_index) - mi(pair.rejected.seed_index);
        assert!(
            [0, 2, 4]
                .iter()
                .all(|&i| difference >= mi(ranking[i]) - mi(ranking[i + 1]))
        );
    }
}

#[test]
fn random_partners_follow_the_seed_and_not_the_order_of_rows() {
    let trial = Trial::new();
    let mut pool = pool(30);
    let more = |seed: u64| json!({"pairing": {"kind": "best_random"}, "pairs_per_prompt": 2, "seed": seed});
    let first = names(&pairs(&trial, more(0), &pool));
    assert_eq!(first.len(), 60);
    for (prompt, preferred, rejected) in &first {
        assert_eq!(*preferred, ranking(&pool, prompt)[0]);
        assert_ne!(preferred, rejected);
    }
    pool.reverse();
    assert_eq!(names(&pairs(&trial, more(0), &pool)), first);
    assert_ne!(names(&pairs(&trial, more(1), &pool)), first);
    // What is preferred at random looks at no score.
    let random = |pool: &[Candidate]| names(&pairs(&trial, json!({"by": "random"}), pool));
    let before = random(&pool);
    pool.iter_mut().for_each(|candidate| candidate.mi = -candidate.mi);
    assert_eq!(random(&pool), before);
}

#[test]
fn ties_make_no_pair_and_are_counted() {
    let trial = Trial::new();
    let mut pool = pool(3);
    for candidate in &mut pool {
        candidate.mi = match candidate.prompt.as_str() {
            "prompt 0" => 1.0,
            "prompt 1" => f64::from(candidate.seed_index) / 8.0,
            _ => f64::from(candidate.seed_index),
        };
    }
    let output = run(&trial, json!({"pairs_per_prompt": 3}), &pool).unwrap();
    assert_eq!(read(&trial, &output).len(), 6);
    assert_eq!(output.metrics["pairs"], 6);
    assert_eq!(output.metrics["ties"], 3);
    assert_eq!(output.metrics["prompts_without_pair"], 1);
    assert_eq!(output.metrics["mean_difference"], (9.0 + 9.0 / 8.0) / 6.0);
    // A difference that is just as large is not enough.
    let more = json!({"pairs_per_prompt": 3, "min_difference": 3.0});
    let output = run(&trial, more, &pool).unwrap();
    let only = BTreeSet::from([("prompt 2".to_owned(), 5, 0)]);
    assert_eq!(names(&read(&trial, &output)), only);
    assert_eq!(output.metrics["ties"], 8);
    let error = run(&trial, json!({"min_difference": 5.0}), &pool).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    let message = error.to_string();
    let said = "`mi` by more than `5`, of 3 prompts with 18 candidates";
    assert!(message.contains(said), "{message}");
}

#[test]
fn scores_of_other_tables_and_truth_are_columns_too() {
    let trial = Trial::new();
    let pool = pool(3);
    let table = candidates(&trial.store, &pool);
    let itm = scores(&trial.store, &["itm"], &pool, |candidate, _| -candidate.mi);
    let truth = evaluation(&trial.store, &pool, |candidate| candidate.seed_index == 5);
    let run = |by: &str| {
        let settings = settings(json!({"by": by, "scores": ["score"], "evaluation": "evaluate"}));
        let inputs: [(&'static str, &[&Artifact]); 3] = [
            ("candidates", &[&table]),
            ("scores", &[&itm]),
            ("evaluation", &[&truth]),
        ];
        trial.run::<PairConfig>(settings, &inputs).unwrap()
    };
    let reversed = names(&read(&trial, &run("itm")));
    let turned = |(prompt, one, other): (String, u32, u32)| (prompt, other, one);
    let expected = names(&pairs(&trial, json!({}), &pool));
    assert_eq!(reversed, expected.into_iter().map(turned).collect());
    let oracle = run("oracle");
    assert!(
        read(&trial, &oracle)
            .iter()
            .all(|pair| pair.preferred.seed_index == 5)
    );
    assert_eq!(oracle.metrics["mean_score_preferred"], 1.0);
    assert_eq!(oracle.metrics["mean_score_rejected"], 0.0);
}

#[test]
fn what_cannot_be_paired_by_is_told_before_anything_runs() {
    let trial = Trial::new();
    let input = |stage: &str, columns: SchemaRef, candidates: &str| KnownInput {
        stage: stage.to_owned(),
        columns: Some(columns),
        candidates: Some(candidates.to_owned()),
    };
    let connect = |by: &str, about: &str| {
        let settings = settings(json!({"by": by, "scores": ["score"]}));
        let mut stage = trial.stage::<PairConfig>(settings).unwrap();
        let mut inputs = KnownInputs::default();
        inputs.add("candidates", vec![input("hc", schema::candidates(), "hc")]);
        inputs.add("scores", vec![input("j1", schema::scores(&["itm"]), about)]);
        stage.connected(inputs).map(|()| stage)
    };
    let told = |by: &str, about: &str| connect(by, about).map(|_| ()).unwrap_err().to_string();
    let unknown = told("imt", "hc");
    let expected = "No score `imt` among `mi`, `mi_paper`, `mi_reference`, `itm`, `random`";
    assert!(unknown.starts_with(expected), "{unknown}");
    assert!(told("itm", "h3").contains("candidates of stage `h3`"));
    let rows = |port: &str| Some(if port == "candidates" { 16 } else { 15 });
    let few = connect("itm", "hc").unwrap().check_rows(&rows).unwrap_err();
    assert!(few.to_string().contains("`scores` has 15 rows"), "{few}");
    for by in ["mi", "random"] {
        connect(by, "hc").unwrap().check_rows(&rows).unwrap();
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let trial = Trial::new();
    for (more, words) in [
        (json!({"by": "oracle"}), "needs `evaluation`"),
        (json!({"min_difference": -1.0}), "from 0 on"),
        (json!({"pairs_per_prompt": 0}), "nonzero"),
        (json!({"pairing": {"kind": "worst"}}), "unknown variant `worst`"),
        (json!({"top_k": 2}), "unknown field `top_k`"),
    ] {
        let error = trial.stage::<PairConfig>(settings(more)).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn settings_are_keyed_and_references_are_not() {
    let mut trial = Trial::new();
    let base = settings(json!({}));
    trial.assert_keyed::<PairConfig>(
        &base,
        &[
            ("by", json!("random")),
            ("pairing", json!({"kind": "all"})),
            ("pairs_per_prompt", json!(2)),
            ("min_difference", json!(0.5)),
            ("repeated_prompts", json!("once")),
            ("seed", json!(7)),
        ],
    );
    trial.assert_not_keyed::<PairConfig>(
        &base,
        &[
            ("candidates", json!("other")),
            ("scores", json!(["score"])),
            ("evaluation", json!("evaluate")),
            ("pairing", json!({"kind": "best_worst"})),
        ],
    );
    let config = |trial: &Trial| trial.stage::<PairConfig>(base.clone()).unwrap().config().unwrap();
    let unset = config(&trial);
    trial.defaults.seed = 9;
    assert_ne!(config(&trial), unset);
}

#[test]
fn a_prompt_that_stands_twice_is_paired_as_often_as_is_asked() {
    let trial = Trial::new();
    let table = candidates(&trial.store, &pool(2));
    // Another row of the file with the text of the first.
    let batch = trial.store.artifacts().read_table_whole(&table, None).unwrap();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["prompt 0"; batch.num_rows()]));
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of("prompt").unwrap()] = text;
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let table = trial
        .store
        .artifacts()
        .put_table(&batch.schema(), [batch])
        .unwrap();
    let run = |more: Json| {
        let inputs: [(&'static str, &[&Artifact]); 1] = [("candidates", &[&table])];
        trial.run::<PairConfig>(settings(more), &inputs).unwrap()
    };
    let kept = run(json!({}));
    assert_eq!(read(&trial, &kept).len(), 2);
    let once = run(json!({"repeated_prompts": "once"}));
    assert_eq!(read(&trial, &once).len(), 1);
    assert_eq!(once.metrics["repeated_prompts_left_out"], 1);
    assert_eq!(once.metrics["prompts_without_pair"], 0);
}
