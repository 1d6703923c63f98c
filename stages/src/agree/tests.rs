use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::{AgreeConfig, AgreementReport, BestOfNCurve, ColumnAgreement};
use crate::contract::{KnownInput, KnownInputs, StageError};
use crate::tables::schema;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_tables::{Candidate, candidates, evaluation, scores};

/// Prompts with so many candidates each, `mi` rising with the seed index.
fn pool(sizes: &[u32]) -> Vec<Candidate> {
    let prompts = (0..).zip(sizes);
    prompts
        .flat_map(|(prompt, &size): (u32, &u32)| {
            (0..size).map(move |seed_index| Candidate {
                prompt: format!("prompt {prompt}"),
                seed_index,
                mi: f64::from(seed_index),
                latent: vec![0.0; 4],
                png: None,
            })
        })
        .collect()
}

fn settings(columns: &[&str]) -> Json {
    json!({
        "candidates": "c", "scores": ["s"], "columns": columns, "bootstrap": {"replicates": 100},
    })
}

fn agree(
    trial: &Trial,
    settings: Json,
    candidates: &Artifact,
    scores: &[&Artifact],
) -> Result<AgreementReport, StageError> {
    let candidates = [candidates];
    let inputs: [(&'static str, &[&Artifact]); 2] = [("candidates", &candidates), ("scores", scores)];
    let output = trial.run::<AgreeConfig>(settings, &inputs)?;
    assert!(output.metrics["headline"].as_str().unwrap().starts_with('`'));
    assert!(output.metrics["tau_b"].is_object());
    Ok(trial
        .store
        .artifacts()
        .read_json(&output.outputs["summary"])
        .unwrap())
}

fn value(of: Option<crate::statistics::bootstrap::Estimate>) -> f64 {
    of.unwrap().value
}

fn curve<'a>(report: &'a AgreementReport, chooser: &str, judge: &str) -> &'a BestOfNCurve {
    let found = report
        .curves
        .iter()
        .find(|curve| curve.chooser == chooser && curve.judge == judge);
    found.unwrap()
}

#[test]
fn columns_are_compared_within_each_prompt_and_over_all() {
    let trial = Trial::new();
    let rows = pool(&[3, 3]);
    let table = candidates(&trial.store, &rows);
    // The first prompt exchanges the last two candidates, the second keeps the order, far below.
    let numbers = [1.0, 3.0, 2.0, -9.0, -8.0, -7.0];
    let judged = scores(&trial.store, &["judge"], &rows, |_, row| numbers[row]);
    let report = agree(&trial, settings(&["mi", "judge"]), &table, &[&judged]).unwrap();
    assert_eq!((report.prompts, report.candidates), (2, 6));
    let [ColumnAgreement { first, second, .. }] = &report.agreements[..] else {
        panic!("{report:?}");
    };
    assert_eq!((first.as_str(), second.as_str()), ("mi", "judge"));
    let pair = report.agreements[0].clone();
    // (1/3 + 1) / 2
    assert!((value(pair.tau_a) - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(pair.tau_a, pair.tau_b);
    assert_eq!(pair.tau_a.unwrap().clusters, 2);
    // Of 15 pairs 3 are tied in `mi` and 8 concordant; one is discordant within the first prompt, 3 are between prompts.
    assert!((pair.overall_tau_a.unwrap() - 4.0 / 15.0).abs() < 1e-12);
    assert!((pair.overall_tau_b.unwrap() - 4.0 / (12.0_f64 * 15.0).sqrt()).abs() < 1e-12);
    assert_eq!(
        (value(pair.same_best), pair.same_best_by_chance),
        (0.5, Some(1.0 / 3.0))
    );
    let by_mi = curve(&report, "mi", "judge");
    let sizes: Vec<u64> = by_mi.points.iter().map(|point| point.n).collect();
    assert_eq!(sizes, [1, 2, 3]);
    let expected = [
        (2.0 - 8.0) / 2.0,
        (7.0 / 3.0 - 22.0 / 3.0) / 2.0,
        (2.0 - 7.0) / 2.0,
    ];
    for (point, expected) in by_mi.points.iter().zip(expected) {
        assert!((point.value.value - expected).abs() < 1e-12, "{point:?}");
        assert!((point.gain.value - (expected + 3.0)).abs() < 1e-12, "{point:?}");
    }
    assert_eq!(value(report.random[1].value), -3.0);
    assert_eq!(report.random[1].judge, "judge");
}

#[test]
fn lower_numbers_may_be_the_better_ones() {
    let trial = Trial::new();
    let rows = pool(&[4, 4]);
    let table = candidates(&trial.store, &rows);
    let distance = scores(&trial.store, &["distance"], &rows, |one, _| 10.0 - one.mi);
    let plain = settings(&["mi", "distance"]);
    let turned = with(&plain, "lower_is_better", &json!(["distance"]));
    let against = agree(&trial, plain, &table, &[&distance]).unwrap();
    let along = agree(&trial, turned, &table, &[&distance]).unwrap();
    assert_eq!(value(against.agreements[0].tau_b), -1.0);
    assert_eq!(
        (
            value(along.agreements[0].tau_b),
            value(along.agreements[0].same_best)
        ),
        (1.0, 1.0)
    );
    // A judge speaks in its own numbers.
    let last = |report: &AgreementReport| curve(report, "mi", "distance").points[2].value.value;
    assert_eq!((last(&along), last(&against)), (7.0, 7.0));
    let chosen = |report: &AgreementReport| curve(report, "distance", "mi").points[2].value.value;
    assert_eq!((chosen(&along), chosen(&against)), (3.0, 0.0));
}

#[test]
fn ties_and_constant_columns_are_shared_out() {
    let trial = Trial::new();
    let rows = pool(&[4]);
    let table = candidates(&trial.store, &rows);
    let constant = scores(&trial.store, &["constant"], &rows, |_, _| 0.25);
    let halves = scores(&trial.store, &["half"], &rows, |one, _| match one.mi > 1.5 {
        true => 1.0,
        false => 0.0,
    });
    let columns = settings(&["mi", "constant", "half"]);
    let report = agree(&trial, columns, &table, &[&constant, &halves]).unwrap();
    let pair = |second: &str| {
        let found = report
            .agreements
            .iter()
            .find(|pair| pair.first == "mi" && pair.second == second);
        found.unwrap().clone()
    };
    let constant = pair("constant");
    assert_eq!(
        (value(constant.tau_a), constant.tau_b, constant.overall_tau_b),
        (0.0, None, None)
    );
    // The constant column takes each of four as often.
    assert_eq!(
        (value(constant.same_best), constant.same_best_by_chance),
        (0.25, Some(0.25))
    );
    assert_eq!(value(pair("half").same_best), 0.5);
    assert!((value(pair("half").tau_b) - 4.0 / 24.0_f64.sqrt()).abs() < 1e-12);
    for point in &curve(&report, "constant", "mi").points {
        let gain = point.gain;
        assert_eq!((gain.value, gain.low, gain.high), (0.0, 0.0, 0.0));
    }
    // Of the two that `half` likes best, 2 and 3, either is taken as often.
    assert_eq!(curve(&report, "half", "mi").points[2].value.value, 2.5);
    assert_eq!(value(report.random[0].value), 1.5);
}

#[test]
fn prompts_of_one_candidate_have_nothing_to_agree_on() {
    let trial = Trial::new();
    let rows = pool(&[1, 1]);
    let table = candidates(&trial.store, &rows);
    let judged = scores(&trial.store, &["judge"], &rows, |_, row| row as f64);
    let report = agree(&trial, settings(&["mi", "judge"]), &table, &[&judged]).unwrap();
    let pair = &report.agreements[0];
    assert_eq!((pair.tau_a, pair.tau_b, pair.same_best), (None, None, None));
    assert_eq!(pair.same_best_by_chance, None);
    // `mi` is the same of both, so that nothing follows over all either.
    assert_eq!((pair.overall_tau_a, pair.overall_tau_b), (Some(0.0), None));
    let points = &curve(&report, "mi", "judge").points;
    assert_eq!((points.len(), points[0].n, points[0].value.value), (1, 1, 0.5));
}

#[test]
fn a_point_is_over_the_prompts_with_so_many_candidates() {
    let trial = Trial::new();
    let rows = pool(&[1, 2, 4]);
    let table = candidates(&trial.store, &rows);
    let judged = scores(&trial.store, &["judge"], &rows, |one, _| one.mi);
    let report = agree(&trial, settings(&["mi", "judge"]), &table, &[&judged]).unwrap();
    let points = &curve(&report, "mi", "judge").points;
    let prompts: Vec<(u64, u64)> = points
        .iter()
        .map(|point| (point.n, point.value.clusters))
        .collect();
    assert_eq!(prompts, [(1, 3), (2, 2), (4, 1)]);
    assert_eq!(points[2].value.value, 3.0);
    assert_eq!(report.agreements[0].tau_b.unwrap().clusters, 2);
}

#[test]
fn ranks_by_the_first_column_can_be_looked_at_alone() {
    let trial = Trial::new();
    let rows = pool(&[5, 5]);
    let table = candidates(&trial.store, &rows);
    // Of the best, the middle and the last, the judge exchanges the first two; the others do not matter.
    let numbers = [1.0, 99.0, 3.0, -99.0, 2.0];
    let judged = scores(&trial.store, &["judge"], &rows, |one, _| {
        numbers[one.seed_index as usize]
    });
    let ranked = with(&settings(&["mi", "judge"]), "ranks", &json!([1, 3, 5]));
    let report = agree(&trial, ranked.clone(), &table, &[&judged]).unwrap();
    assert_eq!((report.candidates, report.ranks.clone()), (6, vec![1, 3, 5]));
    assert!((value(report.agreements[0].tau_b) - 1.0 / 3.0).abs() < 1e-12);
    let far = with(&ranked, "ranks", &json!([1, 6]));
    let error = agree(&trial, far, &table, &[&judged]).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "Setting `ranks` asks for rank `6`, and prompt `id of prompt 0` has 5 candidates"
    );
}

#[test]
fn what_an_evaluation_read_off_is_a_column() {
    let trial = Trial::new();
    let rows = pool(&[3, 3]);
    let table = candidates(&trial.store, &rows);
    let seen = evaluation(&trial.store, &rows, |one| one.seed_index == 2);
    let settings = json!({
        "candidates": "c", "evaluation": "e", "columns": ["mi", "oracle"], "bootstrap": {"replicates": 50},
    });
    let inputs: [(&'static str, &[&Artifact]); 2] = [("candidates", &[&table]), ("evaluation", &[&seen])];
    let output = trial.run::<AgreeConfig>(settings, &inputs).unwrap();
    let report: AgreementReport = trial
        .store
        .artifacts()
        .read_json(&output.outputs["summary"])
        .unwrap();
    assert_eq!(value(report.agreements[0].same_best), 1.0);
    assert_eq!(curve(&report, "mi", "oracle").points[2].value.value, 1.0);
}

#[test]
fn every_candidate_needs_a_number_in_every_column() {
    let trial = Trial::new();
    let rows = pool(&[3, 3]);
    let table = candidates(&trial.store, &rows);
    let fewer = scores(&trial.store, &["judge"], &rows[..5], |_, _| 1.0);
    let error = agree(&trial, settings(&["mi", "judge"]), &table, &[&fewer]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Candidate `2` of prompt `id of prompt 1` has no `judge`"
    );
    let StageError::Failed(inner) = &error else {
        panic!("{error:?}");
    };
    let lack = inner.source().unwrap().to_string();
    assert_eq!(
        lack,
        "`scores[0]` has no row of it, only of 5 of the 6 candidates"
    );
    // More than the candidates is fine.
    let more = scores(&trial.store, &["judge"], &rows, |_, row| row as f64);
    let part = candidates(&trial.store, &rows[..3]);
    let report = agree(&trial, settings(&["mi", "judge"]), &part, &[&more]).unwrap();
    assert_eq!(report.candidates, 3);
    let error = agree(&trial, settings(&["mi", "judgee"]), &table, &[&more]).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    assert!(error.to_string().ends_with("did you mean `judge`?"), "{error}");
}

#[test]
fn settings_that_no_run_can_use_are_told_before_anything_runs() {
    let trial = Trial::new();
    let told = |settings: Json| {
        let mut stage = trial.stage::<AgreeConfig>(settings).unwrap();
        let mut inputs = KnownInputs::default();
        let known = |columns| KnownInput {
            stage: "s".to_owned(),
            columns: Some(columns),
            candidates: None,
        };
        inputs.add("candidates", vec![known(schema::candidates())]);
        inputs.add("scores", vec![known(schema::scores(&["judge"]))]);
        stage.connected(inputs).map_err(|error| error.to_string())
    };
    let plain = settings(&["mi", "judge"]);
    assert_eq!(told(plain.clone()), Ok(()));
    let many: Vec<String> = (0..17).map(|number| format!("c{number}")).collect();
    for (name, wrong, message) in [
        (
            "columns",
            json!(["mi"]),
            "Setting `columns` has 1 name, expected 2 to 16",
        ),
        (
            "columns",
            json!(many),
            "Setting `columns` has 17 names, expected 2 to 16",
        ),
        ("columns", json!(["mi", "mi"]), "Setting `columns` has `mi` twice"),
        (
            "lower_is_better",
            json!(["x"]),
            "Setting `lower_is_better` has `x`, which is none of `columns`",
        ),
        ("ranks", json!([2, 1, 2]), "Setting `ranks` has `2` twice"),
    ] {
        assert_eq!(told(with(&plain, name, &wrong)), Err(message.to_owned()));
    }
    let unknown = told(settings(&["mi", "judgee"])).unwrap_err();
    assert!(unknown.starts_with("No score `judgee` among `mi`"), "{unknown}");
    assert!(
        trial
            .stage::<AgreeConfig>(with(&plain, "bootstrap", &json!({"replicates": 0})))
            .is_err()
    );
}
