//! Distances and diversity of sets.

use mitune_stages::set_distance::{SetMeasurement, SetMetrics};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::html::{check_nesting, outline};
use super::page;
use crate::inspect::report::fixture::{FakeStage, Fixture};

fn metrics(metric: &str, reference_images: Option<u64>, arms: &Json) -> SetMetrics {
    let metrics = json!({
        "metric": metric, "dtype": "f32", "batch_size": 16, "resamples": 200, "confidence": 0.95, "seed": 0,
        "resample_reference": true, "reference_images": reference_images, "arms": arms,
    });
    serde_json::from_value(metrics).expect("metrics of sets")
}

fn page_of(metrics: &SetMetrics) -> String {
    let mut fixture = Fixture::new("sets");
    let summary: Artifact = fixture.store.artifacts().put_json(metrics).expect("stored");
    fixture.add(FakeStage {
        outputs: vec![("summary", summary)],
        ..FakeStage::of("measured", "set_distance")
    });
    page(&fixture).expect("written")
}

fn arm(name: &str, distance: Option<f64>, estimate: Json, diversity: Json) -> Json {
    let arm = json!({
        "name": name, "images": 1024, "distance": distance, "estimate": estimate, "diversity": diversity,
    });
    serde_json::from_value::<SetMeasurement>(arm.clone()).expect("an arm");
    arm
}

#[test]
fn distances_stand_with_their_intervals_where_there_are_any() {
    let estimate = json!({
        "value": 12.5, "standard_error": 0.5, "low": 11.5, "high": 13.5, "resampled_mean": 14.0,
    });
    let arms = json!([
        arm("tuned<1>", Some(12.5), estimate, Json::Null),
        arm("base", Some(17.25), Json::Null, Json::Null),
    ]);
    let page = page_of(&metrics("fid", Some(30_000), &arms));
    check_nesting(&page);
    let outline = outline(&page);
    for line in ["section sets", "table arm | images | distance"] {
        assert!(
            outline.iter().any(|found| found == line),
            "no `{line}` in {outline:#?}"
        );
    }
    for text in [
        "<th scope=\"row\">tuned&lt;1&gt;</th>",
        "30,000 images of reference, with 95% intervals",
        "12.50",
        "[11.50, 13.50]",
        "<td class=\"number\">17.25</td>",
    ] {
        assert!(page.contains(text), "no `{text}`");
    }
}

#[test]
fn diversity_stands_with_the_number_of_prompts() {
    let estimate = |value: f64| json!({"value": value, "low": value - 0.125, "high": value + 0.125, "clusters": 8, "observations": 8});
    let diversity = json!({
        "prompts": 8, "left_out": 1, "mean_cosine_distance": estimate(0.25), "vendi_score": estimate(1.75),
    });
    let arms = json!([arm("base", None, Json::Null, diversity)]);
    let page = page_of(&metrics("diversity_clip", None, &arms));
    check_nesting(&page);
    let table = "table arm | images | prompts | mean cosine distance | Vendi score";
    assert!(
        outline(&page).iter().any(|line| line == table),
        "{:#?}",
        outline(&page)
    );
    for text in [
        "0.2500",
        "[0.1250, 0.3750]",
        "1.750",
        "<code>diversity_clip</code>",
    ] {
        assert!(page.contains(text), "no `{text}`");
    }
}
