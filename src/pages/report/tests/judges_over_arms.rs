//! What judges say before and after, and what was forgotten.

use std::collections::BTreeMap;

use mitune_stages::compare::{Arm, ArmDifference, ArmGroup, ColumnComparison};
use mitune_stages::set_distance::SetMetrics;
use mitune_stages::statistics::bootstrap::{BootstrapSettings, Estimate};
use serde_json::json;

use super::html::{check_nesting, outline, values};
use super::judges::{numbers, rows};
use super::page;
use crate::inspect::report::fixture::{
    FakeCandidate, FakeColumn, FakeStage, Fixture, candidates, judgements, prompts_of, selection,
};

fn estimate(value: f64) -> Estimate {
    Estimate {
        value,
        low: value - 0.125,
        high: value + 0.125,
        clusters: 8,
        observations: 8,
    }
}

fn arm(name: &str, difference: Option<[f64; 2]>) -> Arm {
    let group = |place: usize| ArmGroup {
        prompts: 1,
        images: 3,
        mean: Some(estimate(10.0 + place as f64)),
        difference: difference.map(|changes| estimate(changes[place])),
        wins: None,
    };
    let groups = [("color", 0), ("shape", 1)].map(|(name, place)| (name.to_owned(), group(place)));
    Arm {
        name: name.to_owned(),
        prompts: 2,
        images: 6,
        mean: Some(estimate(10.5)),
        failures: BTreeMap::new(),
        difference: difference.map(|_| ArmDifference {
            mean: Some(estimate(0.5)),
            higher: None,
            lower: None,
            wins: None,
            failures: BTreeMap::new(),
        }),
        groups: BTreeMap::from(groups),
    }
}

fn add_prompts(fixture: &mut Fixture, name: &str, prompts: &[(&str, &str)]) {
    let texts: Vec<(String, String)> = prompts
        .iter()
        .map(|(id, _)| ((*id).to_owned(), format!("prompt <{id}>")))
        .collect();
    let categories: Vec<Option<&str>> = prompts.iter().map(|(_, category)| Some(*category)).collect();
    let table = prompts_of(&fixture.store, &texts, &categories);
    fixture.add(FakeStage {
        config: json!({"source": name}),
        outputs: vec![("prompts", table)],
        ..FakeStage::of(name, "ingest")
    });
}

/// Adds images and what a judge says of them.
fn add_judged(
    fixture: &mut Fixture,
    [images, judged]: [&str; 2],
    inputs: &[(&str, &str, &str)],
    rows: &[FakeCandidate],
) {
    let table = candidates(&fixture.store, rows);
    fixture.add(FakeStage {
        inputs,
        outputs: vec![("candidates", table)],
        ..FakeStage::of(images, "generate")
    });
    let clip = FakeColumn {
        name: "clip",
        meaning: "a cosine",
        kind: "higher_is_better",
        said: numbers(rows, |row| row.mi),
    };
    let table = judgements(&fixture.store, rows, &[clip]);
    fixture.add(FakeStage {
        inputs: &[("candidates", images, "candidates")],
        outputs: vec![("scores", table)],
        ..FakeStage::of(judged, "judge")
    });
}

/// A base, and an adapter that was tuned on prompts of one category.
fn tuned_on_one_category(train: &[(&str, &str)]) -> Fixture {
    let mut fixture = Fixture::new("forgetting");
    add_prompts(&mut fixture, "test_prompts", &[("1", "color"), ("2", "shape")]);
    add_prompts(&mut fixture, "train_prompts", train);
    let from_test = ("prompts", "test_prompts", "prompts");
    add_judged(&mut fixture, ["base_images", "base"], &[from_test], &rows(3, 0.0));
    let pool = rows(3, 5.0);
    let table = candidates(&fixture.store, &pool);
    fixture.add(FakeStage {
        inputs: &[("prompts", "train_prompts", "prompts")],
        outputs: vec![("candidates", table)],
        ..FakeStage::of("pool", "generate")
    });
    let table = selection(&fixture.store, &[&pool[0], &pool[3]]);
    fixture.add(FakeStage {
        inputs: &[("candidates", "pool", "candidates")],
        outputs: vec![("selection", table)],
        ..FakeStage::of("best", "select")
    });
    let adapter = fixture.store.artifacts().put_json("adapter").expect("stored");
    fixture.add(FakeStage {
        inputs: &[("selection", "best", "selection")],
        outputs: vec![("adapter", adapter)],
        ..FakeStage::of("adapter", "finetune")
    });
    let inputs = [from_test, ("adapter", "adapter", "adapter")];
    add_judged(&mut fixture, ["tuned_images", "tuned"], &inputs, &rows(3, 8.0));
    let compared = ColumnComparison {
        column: "clip".to_owned(),
        failure: None,
        group_by: Some("category".to_owned()),
        bootstrap: BootstrapSettings::default(),
        baseline: Some(arm("baseline", None)),
        arms: vec![arm("tuned<1>", Some([2.5, -1.25]))],
    };
    let summary = fixture.store.artifacts().put_json(&compared).expect("stored");
    fixture.add(FakeStage {
        inputs: &[("tables[0]", "tuned", "scores"), ("baseline", "base", "scores")],
        outputs: vec![("summary", summary)],
        ..FakeStage::of("compared", "compare")
    });
    fixture
}

fn add_diversity(fixture: &mut Fixture) {
    let of = |value: f64| {
        let estimate = json!({"value": value, "low": value, "high": value, "clusters": 8, "observations": 8});
        json!({"prompts": 8, "left_out": 0, "mean_cosine_distance": estimate, "vendi_score": estimate})
    };
    let arm = |name: &str, value: f64| json!({"name": name, "images": 6, "distance": null, "estimate": null, "diversity": of(value)});
    let metrics = json!({
        "metric": "diversity_clip", "dtype": "f32", "batch_size": 16, "resamples": 200, "confidence": 0.95,
        "seed": 0, "resample_reference": true, "reference_images": null,
        "arms": [arm("before", 0.4375), arm("after", 0.1875)],
    });
    let metrics: SetMetrics = serde_json::from_value(metrics).expect("metrics of sets");
    let summary = fixture.store.artifacts().put_json(&metrics).expect("stored");
    fixture.add(FakeStage {
        inputs: &[
            ("images[0]", "base_images", "candidates"),
            ("images[1]", "tuned_images", "candidates"),
        ],
        outputs: vec![("summary", summary)],
        ..FakeStage::of("diversity", "set_distance")
    });
}

fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\"")).expect("there");
    let section = &page[start..];
    &section[..section.find("</section>").expect("ends")]
}

#[test]
fn arms_of_a_comparison_stand_side_by_side_and_by_category() {
    let page = page(&tuned_on_one_category(&[("1", "color"), ("2", "color")])).expect("written");
    check_nesting(&page);
    let section = section(&page, "distributions");
    for table in [
        "table arm | model | images | mean | median | middle half | lowest to highest",
        "table category | arm | images | mean | median | middle half | lowest to highest",
    ] {
        assert!(outline(&page).iter().any(|line| line == table), "no `{table}`");
    }
    for text in [
        "<summary>By category</summary>",
        "baseline <a href=\"#stage-",
        "tuned&lt;1&gt; <a href=\"#stage-",
        "<td>base</td>",
        "<td>tuned by adapter</td>",
        "<th scope=\"row\">color</th>",
        "<th scope=\"row\">shape</th>",
        "a cosine.",
    ] {
        assert!(section.contains(text), "no `{text}` in {section}");
    }
    // Two arms, and both again in each category.
    assert_eq!(values(section, "data-strip").len(), 6);
}

#[test]
fn the_category_that_an_arm_was_tuned_on_is_marked() {
    let mut fixture = tuned_on_one_category(&[("1", "color"), ("2", "color")]);
    add_diversity(&mut fixture);
    let page = page(&fixture).expect("written");
    check_nesting(&page);
    let table = "table arm | tuned on | color | shape | mean cosine distance";
    assert!(
        outline(&page).iter().any(|line| line == table),
        "{:#?}",
        outline(&page)
    );
    let section = section(&page, "forgetting");
    let own = "<td>color</td><td class=\"number own\"><span class=\"tested above\"><span class=\"value\">+2.500</span>";
    let other =
        "<td class=\"number\"><span class=\"tested below\"><span class=\"value\">\u{2212}1.250</span>";
    for text in [
        own,
        other,
        "<code>clip</code>",
        "10.00",
        "11.00",
        "0.4375",
        "0.1875",
    ] {
        assert!(section.contains(text), "no `{text}` in {section}");
    }
}

#[test]
fn arms_of_all_categories_have_nothing_to_forget() {
    let page = page(&tuned_on_one_category(&[("1", "color"), ("2", "shape")])).expect("written");
    assert!(!page.contains("id=\"forgetting\""));
    assert!(page.contains("id=\"distributions\""));
}
