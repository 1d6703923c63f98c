use super::super::fixture::{Files, message, rows};
use super::super::{InvalidPrompts, PromptSource, PromptsConfig, ingest};
use super::*;

fn source(paths: Vec<PathBuf>) -> PromptSource {
    PromptSource::Jsonl(JsonLinesSource {
        paths,
        field: "caption".to_owned(),
        category_field: Some("kind".to_owned()),
        split_field: None,
    })
}

#[test]
fn fields_are_read_and_blank_lines_are_not() {
    let files = Files::new();
    let content =
        "\u{feff}{\"caption\": \"a caf\\u00e9\", \"kind\": null}\r\n\r\n{\"kind\":\"x\",\"caption\":\"b\"}";
    let ingested = files
        .ingest(source(files.write("a.jsonl", content)))
        .expect("prompts");
    let name = "a.jsonl".to_owned();
    assert_eq!(
        rows(&ingested),
        [
            ("a caf\u{e9}".to_owned(), None, None, name.clone(), 1),
            ("b".to_owned(), Some("x".to_owned()), None, name, 3)
        ]
    );
    assert_eq!(ingested.report.rejected["empty"], 1);
}

#[test]
fn null_and_nothing_are_left_out_and_counted() {
    let files = Files::new();
    let content =
        "{\"caption\": null}\n{\"caption\": \"b\", \"x\": NaN}\n{\"kind\": \"x\"}\n{\"caption\": NaN}\n";
    let ingested = files
        .ingest(source(files.write("a.jsonl", content)))
        .expect("prompts");
    assert_eq!(rows(&ingested).len(), 1);
    assert_eq!(ingested.report.rejected["null"], 3);
}

#[test]
fn other_json_is_told_from_rows() {
    let files = Files::new();
    for (content, words) in [
        (
            "[{\"caption\": \"a\"}]",
            "is a JSON list, not one JSON object on each line; convert it with `jq -c '.[]'`",
        ),
        ("[\n", "is a JSON list"),
        (
            "\u{feff}{\n  \"caption\": \"a\"\n}\n",
            "is an object over several lines",
        ),
        ("\"a\"\n", "Line 1 of `"),
        ("// header\n{\"caption\": \"a\"}\n", "Line 1 of `"),
        (
            "{\"meta\": {\"caption\": \"a\"}, \"n\": 1}\n",
            "has the field `caption`; the first has `meta`, `n`",
        ),
    ] {
        let found = message(files.ingest(source(files.write("a.jsonl", content))));
        assert!(found.contains(words) && found.contains("a.jsonl`"), "{found}");
    }
}

#[test]
fn invalid_rows_are_left_out_where_the_settings_say_so() {
    let files = Files::new();
    let lines = [
        &b"{\"caption\": \"fine\"}"[..],
        b"{\"caption\": 3}",
        b"{\"caption\": [\"a\"]}",
        b"// header",
        b"{\"caption\": \"\xff\"}",
        b"{\"caption\": \"a\\u0000b\"}",
        b"{\"caption\": null}",
        b"",
    ];
    let mut config = PromptsConfig::new(source(files.write("a.jsonl", lines.join(&b'\n'))));
    config.invalid_prompts = InvalidPrompts::Skip;
    let report = ingest(&config, files.path()).expect("prompts").report;
    let rejected: Vec<(&str, u64)> = report
        .rejected
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count))
        .collect();
    assert_eq!(
        rejected,
        [
            ("null", 1),
            ("not_json", 1),
            ("not_text", 2),
            ("not_utf8", 1),
            ("nul_character", 1)
        ]
        .into_iter()
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(report.damaged[0], "`a.jsonl:2` is a number, not a text");
    assert_eq!(report.kept, 1);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let files = Files::new();
    let cases = [
        ("{\"caption\": 3}", "is a number, not a text"),
        ("{\"caption\": {}}", "is an object, not a text"),
        (
            "{\"caption\": \"a\", \"kind\": []}",
            "must be a string, found a list",
        ),
        ("[\"a\"]", "is not a JSON object: invalid type: sequence"),
        ("{\"caption\": \"a\"", "is not a JSON object: EOF"),
        ("{\"caption\": \"a\\u0000b\"}", "holds a NUL character"),
    ];
    for (line, problem) in cases {
        let paths = files.write("a.jsonl", format!("{{\"caption\": \"fine\"}}\n{line}\n"));
        let found = message(files.ingest(source(paths)));
        assert!(
            found.contains("ine 2 of `") || found.contains("at `a.jsonl:2`"),
            "{found}"
        );
        assert!(found.contains("a.jsonl") && found.contains(problem), "{found}");
    }
    let bytes = message(files.ingest(source(files.write("b.jsonl", b"{\"caption\": \"\xff\"}"))));
    assert!(
        bytes.starts_with("The prompt at `b.jsonl:1` is not UTF-8"),
        "{bytes}"
    );
    let long = format!("{{\"caption\": \"{}\"}}", "x".repeat(MAX_LINE_BYTES));
    let long = message(files.ingest(source(files.write("c.jsonl", long))));
    assert!(
        long.contains("Line 1 of `") && long.ends_with("is longer than 16777216 bytes"),
        "{long}"
    );
}
