//! What a page consists of.

use std::collections::BTreeSet;

use mitune_store::RunStatus;

use super::html::{check_nesting, outline, tags, values};
use super::{ReportOptions, SMALL, page, quick, write_report};
use crate::inspect::report::fixture::{FakeStage, Fixture, one_adapter, prompts, study};

#[test]
fn a_study_has_every_section_in_order() {
    let page = page(&study(SMALL)).expect("written");
    check_nesting(&page);
    let estimates =
        "table model | aligned | difference to base | interval | difference to random | interval | stage";
    let attributes = "table model | objects | colours | shapes | binding";
    let expected = [
        "h1 ",
        "section alignment",
        "h2 Alignment",
        estimates,
        attributes,
        "section failures",
        "h2 How images fail",
        "section compared",
        "h2 Base and tuned on the same seeds",
        "table model | 0 | 1 | 2",
        "section power",
        "h2 How well scores find aligned images",
        "table score | AUC | top-1 aligned | worst-1 aligned | gain | Kendall tau-b | stage",
        "table timestep | weight | size | AUC alone | AUC down to it",
        "section candidates",
        "h2 Candidates by score",
        "section extremes",
        "h2 Best and worst by each score",
        "section trace",
        "h2 Mutual information over timesteps",
        "section loss",
        "h2 Loss of each training",
        "section provenance",
        "h2 Provenance",
        "table stage | kind | result | this run | cost | key",
    ];
    let outline = outline(&page);
    let mut rest = outline.iter();
    for line in expected {
        assert!(
            rest.any(|found| found == line),
            "no `{line}` in its place in {outline:#?}"
        );
    }
    let contents = values(&page, "href")
        .into_iter()
        .filter(|link| !link.starts_with("#stage-"))
        .count();
    assert_eq!(contents, 9);
}

#[test]
fn the_page_needs_nothing_else() {
    let page = page(&study(SMALL)).expect("written");
    for outside in [
        "http:", "https:", "url(", "@import", "<link", "<iframe", "<object", "srcset",
    ] {
        let found = page
            .find(outside)
            .map(|start| &page[start.saturating_sub(40)..start + 40]);
        assert_eq!(found, None);
    }
    let sources = values(&page, "src");
    assert!(sources.len() > 20);
    assert!(
        sources
            .iter()
            .all(|source| source.starts_with("data:image/png;base64,"))
    );
    let ids: Vec<&str> = values(&page, "id");
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "an id is used twice");
    for link in values(&page, "href") {
        let target = link.strip_prefix('#').expect("links stay within the page");
        assert!(distinct.contains(target), "`{link}` leads nowhere");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn images_and_tables_say_what_they_are() {
    let page = page(&study(SMALL)).expect("written");
    let images = tags(&page).iter().filter(|tag| tag.name == "img").count();
    let texts = values(&page, "alt");
    assert_eq!(images, texts.len());
    assert!(
        texts
            .iter()
            .all(|text| text.contains(" of ") || text.contains(" by "))
    );
    assert!(
        texts.iter().any(|text| text.ends_with("; aligned"))
            && texts.iter().any(|text| text.ends_with("not aligned"))
    );
    let heads = tags(&page)
        .iter()
        .filter(|tag| tag.name == "th" && !tag.closes)
        .count();
    assert_eq!(heads, values(&page, "scope").len());
    let drawings = tags(&page)
        .iter()
        .filter(|tag| tag.name == "svg" && !tag.closes)
        .all(|tag| {
            tag.attributes.contains("aria-hidden=\"true\"") || tag.attributes.contains("aria-label=\"")
        });
    assert!(drawings);
}

#[test]
fn a_page_is_a_function_of_run_and_options() {
    let fixture = study(SMALL);
    let run = fixture.finish(RunStatus::Succeeded);
    let page = || write_report(&fixture.store, &run, quick()).expect("written");
    assert_eq!(page(), page());
}

#[test]
fn what_a_run_lacks_is_left_out() {
    let mut fixture = Fixture::new("prompts only");
    let table = prompts(&fixture.store, &[("1".to_owned(), "a dog".to_owned())]);
    fixture.add(FakeStage {
        outputs: vec![("prompts", table)],
        ..FakeStage::of("prompts", "ingest")
    });
    let page = page(&fixture).expect("written");
    check_nesting(&page);
    assert_eq!(
        outline(&page)
            .iter()
            .filter(|line| line.starts_with("section"))
            .collect::<Vec<_>>(),
        ["section provenance"]
    );
    assert!(!page.contains("class=\"headline\"") && !page.contains("<aside"));
}

#[test]
fn a_run_without_rounds_compares_before_and_after() {
    let page = page(&one_adapter(SMALL)).expect("written");
    check_nesting(&page);
    assert!(page.contains("<dt>tuned by finetune</dt>"));
    assert!(page.contains("<th scope=\"row\" class=\"model\">tuned by finetune</th>"));
    assert!(page.contains("<span class=\"chosen\">chosen</span>"));
    // Without rounds there is nothing to draw over them.
    assert!(!page.contains("round (0 is the base)"));
    let candidates = page.split("id=\"candidates\"").nth(1).expect("there");
    assert!(
        candidates
            .split("</section>")
            .next()
            .is_some_and(|part| part.contains("<code>pool</code>"))
    );
}

/// Arms that differ in one value alone are taken together where the caller says which it is, and stand by themselves in a
/// part that is folded.
#[test]
fn repetitions_of_an_arm_are_taken_together() {
    let fixture = study(SMALL);
    let run = fixture.finish(RunStatus::Succeeded);
    let write = |repetition| {
        let options = ReportOptions {
            repetition,
            ..quick()
        };
        write_report(&fixture.store, &run, options).expect("written")
    };
    let (together, apart) = (write(Some(0)), write(None));
    check_nesting(&together);
    let heading = "table arm | round | aligned | difference to base | by seed";
    let tables = |page: &str| outline(page).iter().filter(|line| *line == heading).count();
    assert!(tables(&together) > 0 && tables(&apart) == 0);
    assert!(together.contains("Every arm with every seed by itself"));
    assert!(!apart.contains("Every arm with every seed by itself"));
    // The only value of an arm of this study is its name, so the seeds are the arms, in both rounds.
    let seeds = together.matches("<td>mi_signed: ").count();
    assert!(seeds >= 2, "{seeds}");
    // With a place that arms do not have there is nothing to take together.
    assert_eq!(tables(&write(Some(7))), 0);
}
