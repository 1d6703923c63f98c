//! What other people's data may hold, and a terminal would obey, is spelled out by every command.

use std::fs;

use crate::program::{Ended, run_real};
use crate::small_pipeline::Place;

/// Sets the title, clears the screen, writes to the clipboard, in the forms of seven and of eight bits, and turns text.
const HOSTILE: &str = "\u{1b}]0;OWNED\u{7}\u{1b}[2J\u{9b}31m\u{9d}52;c;cm0K\u{9c}\u{202e}";

fn assert_obeys_nothing(ended: &Ended, what: &str) {
    for text in [&ended.stdout, &ended.stderr] {
        let obeyed = |character: char| {
            character.is_control() && !matches!(character, '\n' | '\t')
                || matches!(character, '\u{202a}'..='\u{202e}')
        };
        assert!(!text.contains(obeyed), "{what}: {text:?}");
    }
}

#[test]
fn no_command_passes_on_what_a_terminal_obeys() {
    let place = Place::new();
    let prompts = format!("{HOSTILE} a red circle {}\na green cross\n", "very ".repeat(100));
    fs::write(place.path().join("prompts.txt"), prompts).unwrap();
    let hostile_file = format!("no{HOSTILE}file.txt");
    fs::write(place.path().join(&hostile_file), "a red circle\n").unwrap();
    let source = |file: &str| {
        format!(
            "stages.prompts.source={{text: {{paths: [\"{}\"]}}}}",
            file.escape_default()
        )
    };
    let prompts = "stages.prompts.source={text: {paths: [prompts.txt]}}".to_owned();
    let negative = format!("stages.candidates.negative_prompt='{HOSTILE}'");
    let name = format!("name='{HOSTILE}'");
    let key = format!("{HOSTILE}=1");
    let hostile_yaml = format!("no{HOSTILE}file.yaml");
    let run = ["run", "small.yaml", "--device", "cpu"];
    let plan = ["plan", "small.yaml"];
    let with = |command: &[&str], set: &str| -> Vec<String> {
        command
            .iter()
            .copied()
            .chain(["--set", set])
            .map(str::to_owned)
            .collect()
    };
    let own =
        |command: &[&str]| -> Vec<String> { command.iter().map(|&argument| argument.to_owned()).collect() };
    let commands = [
        with(&run, &prompts),
        with(&run, &negative),
        with(&plan, "stages.candidates.negative_prompt=other"),
        with(&plan, &source(&hostile_file)),
        with(&plan, &source(&format!("{hostile_file}.none"))),
        with(&plan, &source("*\u{1b}[2J*")),
        with(&[&plan[..], &["--explain"]].concat(), &negative),
        with(&plan, &name),
        with(&plan, &key),
        own(&["plan", &hostile_yaml]),
        own(&["status"]),
        own(&["status", "--json"]),
        own(&["store", "ls"]),
        own(&["store", "ls", "--json"]),
        own(&["store", "ls", "--stage", HOSTILE]),
        own(&["lineage", HOSTILE]),
        own(&["diff", HOSTILE, "latest"]),
        own(&[HOSTILE]),
        own(&[
            "generate",
            "--scheduler",
            HOSTILE,
            "--model",
            HOSTILE,
            "--prompt",
            HOSTILE,
            "--out",
            HOSTILE,
        ]),
        own(&["score", "--model", HOSTILE, "--pairs", HOSTILE, "--out", HOSTILE]),
        own(&["adapter", "info", HOSTILE]),
        own(&["remote", "add", "r", HOSTILE]),
        own(&["remote", "ls"]),
        own(&["init", HOSTILE]),
        own(&["report", &hostile_yaml]),
    ];
    for command in commands {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let ended = run_real(place.path(), &arguments);
        assert_obeys_nothing(&ended, &command.join(" ").escape_default().to_string());
        assert!(matches!(ended.code, Some(0..=2)), "{ended:?}");
        if command.iter().any(|argument| argument == "--json") && ended.code == Some(0) {
            serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap();
        }
    }
}
