//! What judges say of the candidates of a page.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray};
use mitune_stages::image::RgbImage;
use mitune_store::RunStatus;
use serde_json::Value;

use super::html::{check_nesting, outline, values};
use super::{page, quick};
use crate::inspect::report::collect;
use crate::inspect::report::fixture::{
    FakeCandidate, FakeColumn, FakeStage, Fixture, candidates, judgements, prompts,
};

/// Candidates of two prompts; the higher their seed index, the higher their MI.
pub(super) fn rows(seeds: u32, mi: f64) -> Vec<FakeCandidate> {
    let image = RgbImage::new(2, 2, vec![9; 12]).expect("fits");
    let one = |prompt_id: &str, seed_index: u32| FakeCandidate {
        prompt_id: prompt_id.to_owned(),
        prompt: format!("prompt <{prompt_id}>"),
        seed_index,
        mi: mi + f64::from(seed_index),
        trace: vec![1.0, 2.0],
        image: image.clone(),
        pixels: true,
    };
    let of_prompt = |id: &'static str| (0..seeds).map(move |seed_index| (id, seed_index));
    let all = of_prompt("1").chain(of_prompt("2"));
    all.map(|(id, seed_index)| one(id, seed_index)).collect()
}

pub(super) fn numbers(rows: &[FakeCandidate], of: impl Fn(&FakeCandidate) -> f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(rows.iter().map(of)))
}

/// Two judges that order candidates the other way round, and one that says a word of some.
fn columns(rows: &[FakeCandidate]) -> Vec<FakeColumn<'static>> {
    let words = rows
        .iter()
        .map(|row| (row.seed_index > 0).then_some("<i>two</i>"));
    vec![
        FakeColumn {
            name: "<b>clip",
            meaning: "cosine of \"image\" & <prompt>",
            kind: "higher_is_better",
            said: numbers(rows, |row| f64::from(row.seed_index)),
        },
        FakeColumn {
            name: "defects",
            meaning: "how many defects",
            kind: "lower_is_better",
            said: numbers(rows, |row| 2.0 * f64::from(row.seed_index)),
        },
        FakeColumn {
            name: "shown",
            meaning: "what is shown",
            kind: "word",
            said: Arc::new(StringArray::from_iter(words)),
        },
    ]
}

fn judged(seeds: u32) -> Fixture {
    let mut fixture = Fixture::new("judged");
    let rows = rows(seeds, 0.0);
    let texts = ["1", "2"].map(|id| (id.to_owned(), format!("prompt <{id}>")));
    let table = prompts(&fixture.store, &texts);
    fixture.add(FakeStage {
        outputs: vec![("prompts", table)],
        ..FakeStage::of("prompts", "ingest")
    });
    let table = candidates(&fixture.store, &rows);
    fixture.add(FakeStage {
        inputs: &[("prompts", "prompts", "prompts")],
        outputs: vec![("candidates", table)],
        ..FakeStage::of("images", "generate")
    });
    let table = judgements(&fixture.store, &rows, &columns(&rows));
    fixture.add(FakeStage {
        inputs: &[("candidates", "images", "candidates")],
        outputs: vec![("scores", table)],
        ..FakeStage::of("judged", "judge")
    });
    fixture
}

#[test]
fn every_candidate_has_what_judges_say_of_it() {
    let page = page(&judged(4)).expect("written");
    check_nesting(&page);
    let clip = "<span title=\"cosine of &quot;image&quot; &amp; &lt;prompt&gt;\"><code>&lt;b&gt;clip</code> 3.000</span>";
    // In the gallery, among the extremes and where judges disagree, of both prompts.
    assert_eq!(page.matches(clip).count(), 6);
    let word = "<code>shown</code> &lt;i&gt;two&lt;/i&gt;</span>";
    assert!(page.contains(word));
    assert!(page.contains("<code>shown</code> &ndash;</span>"));
    assert!(!page.contains("<b>clip") && !page.contains("<i>two"));
}

#[test]
fn candidates_that_judges_rank_most_differently_come_first() {
    let page = page(&judged(4)).expect("written");
    let outline = outline(&page);
    for line in [
        "section disagreements",
        "h2 Images that judges disagree on",
        "table prompt | candidate | one column | the other | all judges",
    ] {
        assert!(
            outline.iter().any(|found| found == line),
            "no `{line}` in {outline:#?}"
        );
    }
    let section = page.split("id=\"disagreements\"").nth(1).expect("there");
    let section = section.split("</section>").next().expect("there");
    let alternatives = values(section, "alt");
    let expected = [(0, 1), (3, 1), (0, 2), (3, 2), (1, 1), (2, 1), (1, 2), (2, 2)];
    let expected = expected.map(|(seed, id)| format!("Candidate {seed} of prompt &lt;{id}&gt;"));
    assert_eq!(alternatives, expected);
    for side in [
        "<code>&lt;b&gt;clip</code> <span class=\"value\">0</span><span class=\"change\">rank 4 of 4</span>",
        "<code>defects</code> <span class=\"value\">0</span><span class=\"change\">rank 1 of 4</span>",
        "<code>&lt;b&gt;clip</code> <span class=\"value\">3.000</span><span class=\"change\">rank 1 of 4</span>",
        "<code>defects</code> <span class=\"value\">6.000</span><span class=\"change\">rank 4 of 4</span>",
    ] {
        assert!(section.contains(side), "no `{side}`");
    }
}

#[test]
fn numbers_of_judges_are_drawn_from_quantiles() {
    let page = page(&judged(4)).expect("written");
    let table = "table arm | model | images | mean | median | middle half | lowest to highest";
    // Words have no quantiles.
    assert_eq!(outline(&page).iter().filter(|line| *line == table).count(), 2);
    assert!(page.contains("how many defects; lower is better."));
    let strips = values(&page, "data-strip");
    let strip: Value = serde_json::from_str(&strips[0].replace("&quot;", "\"")).expect("numbers");
    assert_eq!(strip["ends"], serde_json::json!([0.0, 3.0]));
    let quantiles: [f64; 7] = serde_json::from_value(strip["values"].clone()).expect("quantiles");
    assert_eq!(
        [
            quantiles[0],
            quantiles[2],
            quantiles[3],
            quantiles[4],
            quantiles[6]
        ],
        [0.0, 0.75, 1.5, 2.25, 3.0]
    );
    for text in ["0.7500 to 2.250", "<td class=\"number\">1.500</td>"] {
        assert!(page.contains(text), "no `{text}`");
    }
}

#[test]
fn many_candidates_make_no_larger_page() {
    let length = |seeds| {
        let page = page(&judged(seeds)).expect("written");
        assert_eq!(values(&page, "data-strip").len(), 2);
        page.len()
    };
    let (few, many) = (length(100), length(2000));
    assert!(many < few + few / 20, "{few} {many}");
}

/// Tables of versions that did not tell what columns mean, and columns that a table does not have.
#[test]
fn tables_that_do_not_tell_of_judges_add_nothing() {
    let mut fixture = Fixture::new("untold");
    let rows = rows(3, 0.0);
    let table = candidates(&fixture.store, &rows);
    fixture.add(FakeStage {
        outputs: vec![("candidates", table)],
        ..FakeStage::of("images", "generate")
    });
    let table = judgements(&fixture.store, &rows, &[]);
    fixture.add(FakeStage {
        inputs: &[("candidates", "images", "candidates")],
        outputs: vec![("scores", table)],
        ..FakeStage::of("judged", "judge")
    });
    let run = fixture.finish(RunStatus::Succeeded);
    let report = collect(&fixture.store, &run, quick()).expect("collected");
    assert!(
        report.distributions.is_empty() && report.disagreements.is_none() && report.forgetting.is_empty()
    );
}
