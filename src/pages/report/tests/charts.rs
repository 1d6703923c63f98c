//! The numbers that the script of a page draws.

use serde_json::Value;

use super::super::SCRIPT;
use super::html::values;
use super::{SMALL, page, quick};
use crate::inspect::report::collect;
use crate::inspect::report::fixture::study;

fn charts(page: &str) -> Vec<Value> {
    let read = |text: &str| {
        let json = text.replace("&quot;", "\"").replace("&amp;", "&");
        serde_json::from_str(&json).expect("the numbers of a chart")
    };
    values(page, "data-chart").into_iter().map(read).collect()
}

#[test]
fn a_chart_has_all_its_numbers_within_its_axes() {
    let page = page(&study(SMALL)).expect("written");
    let charts = charts(&page);
    let of = |name: &'static str| {
        let named = move |chart: &&Value| chart["y"]["name"].as_str().is_some_and(|y| y.starts_with(name));
        charts.iter().filter(named).count()
    };
    for name in [
        "aligned images, %",
        "percentage points",
        "AUC within a prompt",
        "MI of the step",
        "loss",
    ] {
        assert!(of(name) > 0, "{name}");
    }
    for chart in &charts {
        let ends = |axis: &str| {
            let [one, other]: [f64; 2] =
                serde_json::from_value(chart[axis]["ends"].clone()).expect("two ends");
            [one.min(other), one.max(other)]
        };
        let ([left, right], [bottom, top]) = (ends("x"), ends("y"));
        assert!(right > left && top > bottom, "{chart}");
        for series in chart["series"].as_array().expect("lines") {
            let points: Vec<[f64; 4]> = serde_json::from_value(series["points"].clone()).expect("points");
            assert!(!points.is_empty(), "{chart}");
            for [place, _, low, high] in points {
                assert!((left..=right).contains(&place), "{chart}");
                assert!(
                    (bottom..=high).contains(&low) && (low..=top).contains(&high),
                    "{chart}"
                );
            }
        }
    }
    // What no other table holds stands in one of its own.
    let folded = page.matches("Numbers of the chart").count();
    assert_eq!(folded, of("MI of the step") + of("loss"));
}

/// The tests of whole pages take every `<` for the beginning of a tag, as readers of HTML may.
#[test]
fn the_script_is_not_taken_for_markup() {
    assert!(!SCRIPT.contains('<'));
}

#[test]
fn what_a_report_says_is_plain_json() {
    let fixture = study(SMALL);
    let run = fixture.finish(mitune_store::RunStatus::Succeeded);
    let report = collect(&fixture.store, &run, quick()).expect("collected");
    let json = serde_json::to_value(&report).expect("plain");
    for section in [
        "alignment",
        "failures",
        "scores",
        "gallery",
        "extremes",
        "traces",
        "losses",
        "stages",
    ] {
        let section = &json[section];
        assert!(section.is_object() || section.as_array().is_some_and(|list| !list.is_empty()));
    }
    let difference = &json["headline"]["models"][0]["to_base"];
    assert!(
        difference["value"].is_number() && difference["side"].is_string(),
        "{difference}"
    );
    let text = json.to_string();
    assert!(
        !text.contains("&quot;") && !text.contains("</"),
        "markup in a value"
    );
}
