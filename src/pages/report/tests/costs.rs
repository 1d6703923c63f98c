//! What the arms of comparisons took.

use mitune_diffusion::image::RgbImage;
use mitune_stages::compare::ColumnComparison;
use mitune_store::Artifact;
use serde_json::json;

use super::html::{check_nesting, outline};
use super::page;
use crate::inspect::report::fixture::{FakeCandidate, FakeStage, Fixture, candidates, judgements};

/// One candidate and what a judge said of it, which nothing else of the run has.
fn tables(fixture: &Fixture, mi: f64) -> [Artifact; 2] {
    let candidate = FakeCandidate {
        prompt_id: "a".to_owned(),
        prompt: "a cross".to_owned(),
        seed_index: 0,
        mi,
        trace: vec![1.0, mi as f32],
        image: RgbImage::new(2, 2, vec![0; 12]).expect("an image"),
        pixels: true,
    };
    let rows = [candidate];
    [
        candidates(&fixture.store, &rows),
        judgements(&fixture.store, &rows, &[]),
    ]
}

/// A base and a model that was tuned on candidates of it, whose images are compared.
fn study(trained: &[(&str, serde_json::Value)]) -> String {
    let mut fixture = Fixture::new("costs");
    let [[candidates, _], [base, base_seen], [tuned, tuned_seen]] =
        [1.0, 2.0, 3.0].map(|mi| tables(&fixture, mi));
    let adapter = fixture
        .store
        .artifacts()
        .put_json(&json!("adapter"))
        .expect("stored");
    let sampled = [
        ("candidates", json!(512)),
        ("denoiser_evaluations", json!(16_384)),
    ];
    let tested = [("candidates", json!(10)), ("denoiser_evaluations", json!(240))];
    fixture.add(FakeStage {
        outputs: vec![("candidates", candidates)],
        metrics: &sampled,
        cost_seconds: 20.0,
        ..FakeStage::of("candidates", "generate")
    });
    fixture.add(FakeStage {
        inputs: &[("selection", "candidates", "candidates")],
        outputs: vec![("adapter", adapter)],
        metrics: trained,
        cost_seconds: 40.0,
        ..FakeStage::of("adapter", "finetune")
    });
    fixture.add(FakeStage {
        outputs: vec![("candidates", base)],
        metrics: &tested,
        config: json!("base"),
        ..FakeStage::of("base_images", "generate")
    });
    fixture.add(FakeStage {
        inputs: &[("adapter", "adapter", "adapter")],
        outputs: vec![("candidates", tuned)],
        metrics: &tested,
        ..FakeStage::of("tuned_images", "generate")
    });
    fixture.add(FakeStage {
        inputs: &[("candidates", "base_images", "candidates")],
        outputs: vec![("scores", base_seen)],
        ..FakeStage::of("base_seen", "judge")
    });
    fixture.add(FakeStage {
        inputs: &[("candidates", "tuned_images", "candidates")],
        outputs: vec![("scores", tuned_seen)],
        ..FakeStage::of("tuned_seen", "judge")
    });
    let arm = |name: &str| json!({"name": name, "prompts": 1, "images": 10, "mean": null, "failures": {}, "difference": null, "groups": {}});
    let compared = json!({
        "column": "reward", "failure": null, "group_by": null, "baseline": arm("base"), "arms": [arm("tuned")],
        "bootstrap": {"replicates": 100, "confidence": 0.95, "seed": 0},
    });
    let compared: ColumnComparison = serde_json::from_value(compared).expect("a comparison");
    let summary = fixture.store.artifacts().put_json(&compared).expect("stored");
    for name in ["by_one", "by_other"] {
        fixture.add(FakeStage {
            inputs: &[
                ("tables[0]", "tuned_seen", "scores"),
                ("baseline", "base_seen", "scores"),
            ],
            outputs: vec![("summary", summary.clone())],
            config: json!(name),
            ..FakeStage::of(name, "compare")
        });
    }
    page(&fixture).expect("written")
}

#[test]
fn everything_a_model_is_made_of_counts_once() {
    let page = study(&[
        ("steps", json!(100)),
        ("denoiser_evaluations", json!(3_200)),
        ("gradient_evaluations", json!(3_200)),
    ]);
    check_nesting(&page);
    let table = "table arm | samples | updates | evaluations | with gradients | time | evaluations per image";
    let tables = outline(&page).iter().filter(|line| *line == table).count();
    assert_eq!(tables, 1, "both comparisons are of the same arms");
    let row = |name: &str| {
        let costs = page.find("id=\"costs\"").expect("a section of costs");
        let row = page[costs..]
            .find(&format!("<th scope=\"row\">{name}</th>"))
            .expect("a row");
        let row = &page[costs + row..];
        row[..row.find("</tr>").expect("its end")].to_owned()
    };
    for (name, numbers) in [
        ("base", ["0", "0", "0", "0", "0 s", "24"]),
        ("tuned", ["512", "100", "19,584", "3,200", "1 min 00 s", "24"]),
    ] {
        let row = row(name);
        let found: Vec<&str> = row.split("<td class=\"number\">").skip(1).collect();
        let found: Vec<&str> = found.iter().map(|cell| cell.trim_end_matches("</td>")).collect();
        assert_eq!(found, numbers, "{name}");
    }
}

#[test]
fn what_a_stage_does_not_tell_is_not_made_up() {
    let page = study(&[("steps", json!(100))]);
    assert!(page.contains("<td class=\"number\">not told</td>"));
}
