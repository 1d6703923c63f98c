//! Numbers of a page against counts made another way.

use arrow_array::cast::AsArray;

use super::{SMALL, page};
use crate::inspect::report::fixture::{Fixture, study};

/// Counts aligned images without the code under test.
fn aligned(fixture: &Fixture, stage: &str) -> Vec<bool> {
    let artifact = &fixture.record(stage).outputs["rows"];
    let table = fixture
        .store
        .artifacts()
        .read_table_whole(artifact, Some(&["aligned"]))
        .expect("readable");
    let column = table["aligned"].as_boolean();
    (0..column.len()).map(|row| column.value(row)).collect()
}

fn share(flags: &[bool]) -> f64 {
    flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64
}

#[test]
fn shares_and_differences_are_those_of_the_tables() {
    let fixture = study(SMALL);
    let page = page(&fixture).expect("written");
    let base = aligned(&fixture, "test_evaluation");
    let headline = page
        .split("class=\"headline\"")
        .nth(1)
        .expect("there")
        .split("</dl>")
        .next()
        .expect("there");
    for arm in ["mi_signed", "random"] {
        let tuned = aligned(&fixture, &format!("test_evaluation@2/{arm}"));
        assert!(headline.contains(&format!("round 2, {arm}")));
        let percent = format!(">{:.1}%<", share(&tuned) * 100.0);
        assert!(headline.contains(&percent), "{percent} {headline}");
        let points = (share(&tuned) - share(&base)) * 100.0;
        let points = format!("{points:+.1} points").replace('-', "\u{2212}");
        assert!(headline.contains(&points), "{points} {headline}");
    }
    assert!(headline.contains(&format!(">{:.1}%<", share(&base) * 100.0)));
}

#[test]
fn every_stage_is_there_with_key_and_digests() {
    let fixture = study(SMALL);
    let page = page(&fixture).expect("written");
    for stage in [
        "train_prompts",
        "pool@1/mi_signed",
        "finetune@2/random",
        "test_evaluation",
    ] {
        let record = fixture.record(stage);
        assert!(
            page.contains(&format!("<code class=\"whole\">{}</code>", record.key)),
            "{stage}"
        );
        for artifact in record.outputs.values() {
            assert!(
                page.contains(&format!("<code class=\"whole\">{}</code>", artifact.content)),
                "{stage}"
            );
        }
    }
    // Arms share the pool of the first round.
    assert!(page.contains("<code>pool@1/mi_signed</code>, <code>pool@1/random</code>"));
    assert!(page.contains("2 of 24 prompts are longer than the text encoder reads"));
}
