//! How far columns agree.

use std::collections::BTreeMap;

use mitune_stages::agree::{AgreementReport, BestOfNCurve, BestOfNPoint, ColumnAgreement, RandomChoice};
use mitune_stages::compare::{Arm, ArmDifference, ArmGroup, ColumnComparison};
use mitune_stages::statistics::bootstrap::{BootstrapSettings, Estimate};
use serde_json::json;

use super::html::{check_nesting, outline, values};
use super::page;
use crate::inspect::report::fixture::{FakeStage, Fixture};

fn estimate(low: f64, value: f64, high: f64) -> Estimate {
    Estimate {
        value,
        low,
        high,
        clusters: 8,
        observations: 8,
    }
}

fn report(tau_b: Option<Estimate>) -> AgreementReport {
    let curve = |chooser: &str, judge: &str| BestOfNCurve {
        chooser: chooser.to_owned(),
        judge: judge.to_owned(),
        points: [(1, 0.0), (2, 0.25), (3, 0.5)]
            .map(|(n, gain)| BestOfNPoint {
                n,
                value: estimate(gain, gain + 0.1, gain + 0.2),
                gain: estimate(gain - 0.1, gain, gain + 0.1),
            })
            .to_vec(),
    };
    let random = |judge: &str| RandomChoice {
        judge: judge.to_owned(),
        value: Some(estimate(0.0, 0.1, 0.2)),
    };
    AgreementReport {
        columns: vec!["mi".to_owned(), "<i>judge".to_owned()],
        lower_is_better: Vec::new(),
        ranks: vec![1, 25, 50],
        bootstrap: BootstrapSettings::default(),
        prompts: 8,
        candidates: 24,
        agreements: vec![ColumnAgreement {
            first: "mi".to_owned(),
            second: "<i>judge".to_owned(),
            tau_a: Some(estimate(0.5, 0.625, 0.75)),
            tau_b,
            overall_tau_a: Some(0.25),
            overall_tau_b: Some(0.375),
            same_best: Some(estimate(0.5, 0.75, 0.875)),
            same_best_by_chance: Some(1.0 / 3.0),
        }],
        random: vec![random("mi"), random("<i>judge")],
        curves: vec![curve("mi", "<i>judge"), curve("<i>judge", "mi")],
    }
}

fn run_with(report: &AgreementReport) -> String {
    let mut fixture = Fixture::new("agreement");
    let summary = fixture.store.artifacts().put_json(report).expect("stored");
    fixture.add(FakeStage {
        outputs: vec![("summary", summary)],
        ..FakeStage::of("agreed", "agree")
    });
    page(&fixture).expect("written")
}

#[test]
fn every_pair_has_a_row_and_every_judge_a_chart() {
    let page = run_with(&report(Some(estimate(0.55, 0.6875, 0.8))));
    check_nesting(&page);
    let outline = outline(&page);
    for line in [
        "section agreement",
        "h2 Agreement of judges",
        "table first | second | tau-a | tau-b | tau-b over all | same best",
        "table judge | chosen by | of | random choice | value | gain | interval",
    ] {
        assert!(
            outline.iter().any(|found| found == line),
            "no `{line}` in {outline:#?}"
        );
    }
    assert_eq!(values(&page, "data-chart").len(), 2);
    for text in [
        "&lt;i&gt;judge",
        "Of every prompt the candidates of rank 1, 25, 50 by ",
        "0.625",
        "[0.550, 0.800]",
        "0.375",
        "75.0%",
        "at random",
        "+0.5000",
        "above 0",
        "95% intervals",
    ] {
        assert!(page.contains(text), "no `{text}`");
    }
}

#[test]
fn what_has_no_number_is_a_dash() {
    let mut without = report(None);
    without.curves.clear();
    without.agreements[0].overall_tau_b = None;
    let page = run_with(&without);
    check_nesting(&page);
    assert!(page.contains("&ndash;") && values(&page, "data-chart").is_empty());
    assert!(!page.contains("chosen by"));
}

/// A column that something was selected by, compared over two groups of prompts.
#[test]
fn comparisons_say_what_was_selected_by_and_have_a_column_for_each_group() {
    let group = |value: f64| ArmGroup {
        prompts: 4,
        images: 12,
        mean: Some(estimate(value - 0.1, value, value + 0.1)),
        difference: Some(estimate(-0.2, -0.125, -0.1)),
        wins: Some(estimate(0.2, 0.25, 0.3)),
    };
    let arm = Arm {
        name: "tuned".to_owned(),
        prompts: 8,
        images: 24,
        mean: Some(estimate(0.1, 0.2, 0.3)),
        failures: BTreeMap::new(),
        difference: Some(ArmDifference {
            mean: None,
            higher: Some(estimate(0.5, 0.5, 0.5)),
            lower: None,
            wins: Some(estimate(0.5, 0.55, 0.6)),
            failures: BTreeMap::new(),
        }),
        groups: BTreeMap::from([
            ("<color>".to_owned(), group(0.5)),
            ("shape".to_owned(), group(0.75)),
        ]),
    };
    let compared = ColumnComparison {
        column: "hps_v2".to_owned(),
        failure: None,
        group_by: Some("category".to_owned()),
        bootstrap: BootstrapSettings::default(),
        baseline: Some(Arm {
            name: "baseline".to_owned(),
            difference: None,
            groups: BTreeMap::new(),
            ..arm.clone()
        }),
        arms: vec![arm],
    };
    let write = |kind: &str, setting: &str, by: &str| {
        let mut fixture = Fixture::new("comparison");
        fixture.add(FakeStage {
            config: json!({setting: by}),
            ..FakeStage::of("selection@1/hps", kind)
        });
        let summary = fixture.store.artifacts().put_json(&compared).expect("stored");
        fixture.add(FakeStage {
            outputs: vec![("summary", summary)],
            ..FakeStage::of("compared", "compare")
        });
        page(&fixture).expect("written")
    };
    let selected = write("select", "by", "hps_v2");
    check_nesting(&selected);
    let line = "table arm | &lt;color&gt; | shape";
    let outline = outline(&selected);
    assert!(
        outline.iter().any(|found| found == line),
        "no `{line}` in {outline:#?}"
    );
    for text in [
        "55.0%",
        "\u{2212}0.1250",
        "25.0%",
        "`selection@1/hps` selected by too",
    ] {
        assert!(selected.contains(text), "no `{text}`");
    }
    assert!(!write("select", "by", "mi").contains("selected by too"));
    for (kind, setting) in [("pair", "by"), ("weigh", "by"), ("policy_gradient", "reward")] {
        let page = write(kind, setting, "hps_v2");
        assert!(page.contains("`selection@1/hps` selected by too"), "{kind}");
    }
}
