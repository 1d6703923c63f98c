//! Arms compared by any column.

use std::collections::BTreeMap;

use mitune_stages::compare::{Arm, ArmDifference, ColumnComparison};
use mitune_stages::statistics::bootstrap::{BootstrapSettings, Estimate};
use serde_json::json;

use super::html::{check_nesting, outline};
use super::page;
use crate::inspect::report::fixture::{FakeStage, Fixture};

fn estimate(low: f64, value: f64, high: f64) -> Option<Estimate> {
    Some(Estimate {
        value,
        low,
        high,
        clusters: 8,
        observations: 24,
    })
}

fn arm(name: &str, difference: Option<ArmDifference>) -> Arm {
    Arm {
        name: name.to_owned(),
        prompts: 8,
        images: 1024,
        mean: estimate(11.5, 12.25, 13.0),
        failures: BTreeMap::new(),
        difference,
        groups: BTreeMap::new(),
    }
}

fn run_with(baseline: Option<Arm>, arms: Vec<Arm>) -> String {
    let mut fixture = Fixture::new("comparison");
    let compared = ColumnComparison {
        column: "<b>reward</b>".to_owned(),
        failure: None,
        group_by: None,
        bootstrap: BootstrapSettings::default(),
        baseline,
        arms,
    };
    let summary = fixture.store.artifacts().put_json(&compared).expect("stored");
    fixture.add(FakeStage {
        outputs: vec![("summary", summary)],
        ..FakeStage::of("compared", "compare")
    });
    page(&fixture).expect("written")
}

#[test]
fn every_arm_has_a_row_with_its_difference_and_win_rate() {
    let change = ArmDifference {
        mean: estimate(0.5, 0.75, 1.0),
        higher: estimate(0.6, 0.625, 0.65),
        lower: None,
        wins: None,
        failures: BTreeMap::new(),
    };
    let page = run_with(
        Some(arm("baseline", None)),
        vec![arm("tuned<1>", Some(change)), arm("unpaired", None)],
    );
    check_nesting(&page);
    let table = "table arm | images | mean | difference to baseline | interval | win rate";
    let outline = outline(&page);
    for line in ["section comparisons", "h2 Arms compared by a column", table] {
        assert!(
            outline.iter().any(|found| found == line),
            "no `{line}` in {outline:#?}"
        );
    }
    for text in [
        "&lt;b&gt;reward&lt;/b&gt;",
        "<th scope=\"row\">baseline</th>",
        "<th scope=\"row\">tuned&lt;1&gt;</th>",
        "<td class=\"number\">1,024</td>",
        "12.25",
        "[11.50, 13.00]",
        "+0.7500",
        "[+0.5000, +1.000]",
        "62.5%",
        "above 0",
        "95% intervals",
    ] {
        assert!(page.contains(text), "no `{text}`");
    }
}

#[test]
fn arms_alone_have_no_columns_of_differences() {
    let page = run_with(None, vec![arm("one", None)]);
    check_nesting(&page);
    assert!(
        outline(&page)
            .iter()
            .any(|line| line == "table arm | images | mean")
    );
    assert!(!page.contains("win rate</th>"));
}

#[test]
fn results_of_versions_that_named_no_arms_are_left_out() {
    let mut fixture = Fixture::new("comparison");
    let summary = json!({"column": "reward", "arms": [{"prompts": 1, "images": 1}]});
    let summary = fixture.store.artifacts().put_json(&summary).expect("stored");
    fixture.add(FakeStage {
        outputs: vec![("summary", summary)],
        ..FakeStage::of("compared", "compare")
    });
    let page = page(&fixture).expect("written");
    assert!(!page.contains("id=\"comparisons\""));
}
