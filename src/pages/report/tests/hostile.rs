//! Prompts that try to become markup.

use mitune_stages::image::RgbImage;
use serde_json::json;

use super::html::{check_nesting, tags};
use super::page;
use crate::inspect::report::fixture::{FakeCandidate, FakeStage, Fixture, candidates, prompts, scores};

fn prompts_to_fear() -> Vec<String> {
    vec![
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>".to_owned(),
        "' onmouseover='alert(1)' </title></style><!--".to_owned(),
        "&lt;b&gt; &amp; &#60;".to_owned(),
        "\u{202e}\u{5d0}\u{5d1}\u{5d2} \u{627}\u{644}".to_owned(),
        "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f466} \u{0}\u{7}\u{ffff}".to_owned(),
        "<b>".repeat(3334),
        String::new(),
    ]
}

fn run_with(texts: &[String]) -> Fixture {
    let mut fixture = Fixture::new("</title><script>alert(2)</script>");
    let named: Vec<(String, String)> = texts
        .iter()
        .enumerate()
        .map(|(id, text)| (format!("<id{id}>"), text.clone()))
        .collect();
    let image = RgbImage::new(2, 2, vec![9; 12]).expect("fits");
    let rows: Vec<FakeCandidate> = named
        .iter()
        .flat_map(|(prompt_id, prompt)| {
            let image = &image;
            (0..3).map(move |seed_index| FakeCandidate {
                prompt_id: prompt_id.clone(),
                prompt: prompt.clone(),
                seed_index,
                mi: if seed_index == 1 { f64::NAN } else { -1e-9 },
                trace: vec![f32::NAN, 1.0],
                image: image.clone(),
                pixels: true,
            })
        })
        .collect();
    let table = prompts(&fixture.store, &named);
    fixture.add(FakeStage {
        config: json!({"inline": texts}),
        outputs: vec![("prompts", table)],
        metrics: &[("<metric>", json!("<value>"))],
        ..FakeStage::of("prompts", "ingest")
    });
    let table = candidates(&fixture.store, &rows);
    fixture.add(FakeStage {
        inputs: &[("prompts", "prompts", "prompts")],
        outputs: vec![("candidates", table)],
        ..FakeStage::of("<generate>", "generate")
    });
    let values = rows.iter().map(|row| f64::from(row.seed_index)).collect();
    let table = scores(&fixture.store, &rows, &[("<score>", values)]);
    fixture.add(FakeStage {
        inputs: &[("candidates", "<generate>", "candidates")],
        outputs: vec![("scores", table)],
        ..FakeStage::of("score", "score")
    });
    let text = json!("<img src=y>");
    fixture.event("message", &[("stage", json!("score")), ("text", text)]);
    fixture
}

#[test]
fn no_text_becomes_markup() {
    let texts = prompts_to_fear();
    let page = page(&run_with(&texts)).expect("written");
    check_nesting(&page);
    let known = [
        "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "header", "p", "h1", "h2", "h3", "bdi",
        "code", "span", "div", "dl", "dt", "dd", "nav", "ul", "ol", "li", "a", "main", "aside", "section",
        "label", "select", "option", "img", "table", "thead", "tbody", "tr", "th", "td", "details",
        "summary", "pre", "script",
    ];
    for tag in tags(&page) {
        assert!(known.contains(&tag.name), "<{}>", tag.name);
        assert!(!tag.attributes.contains("onerror=\"") && !tag.attributes.contains("onmouseover=\""));
    }
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("&amp;lt;b&amp;gt; &amp;amp; &amp;#60;"));
    assert!(!page.contains(['\u{0}', '\u{7}', '\u{ffff}']));
    let isolated = "<bdi dir=\"auto\" class=\"prompt\">\u{202e}\u{5d0}";
    assert!(page.contains(isolated));
}

#[test]
fn a_long_prompt_does_not_fill_the_page() {
    let long = "\u{1f600}".repeat(10_000);
    let page = page(&run_with(&[long])).expect("written");
    assert!(page.contains("(9,760 more characters)"));
    // Heading, table head, and three images in the grid and two per score in the extremes; settings are bounded too.
    assert!(page.matches('\u{1f600}').count() < 20_000 + 3_000);
}
