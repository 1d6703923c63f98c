//! What README tells to save and to type works, in the order it is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::documentation::{arguments, page, project};
use crate::program::run_real;

/// Beginnings of the commands that are not run, each with the reason; anything else that README has to type is run.
const NOT_RUN: [(&str, &str); 2] = [
    ("cargo test ", "runs the tests, this one among them"),
    (
        "export PATH=",
        "tells a shell where the program is, which this test knows",
    ),
];

/// Numbers of pipelines that are made smaller, each with its file. Every command is run as it is written and every stage
/// computes, but with these that takes seconds instead of two minutes.
const SMALLER: [(&str, &str, &str); 7] = [
    ("pipelines/quickstart.yaml", "{count: 64, ", "{count: 2, "),
    ("pipelines/quickstart.yaml", "{count: 60, ", "{count: 2, "),
    ("pipelines/quickstart.yaml", "steps: 120\n", "steps: 2\n"),
    (
        "first.yaml",
        "candidates_per_prompt: 16",
        "candidates_per_prompt: 8",
    ),
    ("first.yaml", "{steps: 20, ", "{steps: 4, "),
    ("first.yaml", "steps: 60\n", "steps: 2\n"),
    ("first.yaml", "{count: 30, ", "{count: 2, "),
];

/// Commands that compute on the best device there is unless told otherwise; a test wants the one that is always there.
const COMPUTING: [&str; 2] = ["run", "generate"];

/// Splits a line as a shell does, as far as README goes: words, double quotes, and a comment at the end.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            '#' if !quoted && word.is_none() => break,
            _ => {
                let plain = !"'\\$`|;&<>()*?~!".contains(letter);
                assert!(
                    plain,
                    "`{line}` has `{letter}`, which a shell obeys and this test does not"
                );
                word.get_or_insert_default().push(letter);
            }
        }
    }
    assert!(!quoted, "`{line}` has a quote without an end");
    words.extend(word);
    words
}

/// A folder with what the commands of README name, in which they are run.
struct Place {
    folder: tempfile::TempDir,
    /// Which of [`SMALLER`] found their number.
    found: BTreeSet<usize>,
}

impl Place {
    fn new() -> Self {
        let mut place = Self {
            folder: tempfile::tempdir().unwrap(),
            found: BTreeSet::new(),
        };
        place.copy(Path::new("pipelines"));
        place.copy(Path::new("models/shapes"));
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Copies a folder of the project.
    fn copy(&mut self, folder: &Path) {
        fs::create_dir_all(self.path().join(folder)).unwrap();
        for entry in fs::read_dir(project().join(folder)).unwrap() {
            let name = folder.join(entry.unwrap().file_name());
            let original = project().join(&name);
            if original.is_dir() {
                self.copy(&name);
            } else if name.extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(&original).unwrap();
                self.write(name.to_str().unwrap(), &text, false);
            } else {
                fs::copy(&original, self.path().join(&name)).unwrap();
            }
        }
    }

    /// Writes a pipeline with the numbers of [`SMALLER`], or writes on at its end.
    fn write(&mut self, file: &str, text: &str, continued: bool) {
        let path = self.path().join(file);
        let mut text = match continued {
            true => fs::read_to_string(&path).unwrap() + text,
            false => text.to_owned(),
        };
        for (position, (of, number, smaller)) in SMALLER.into_iter().enumerate() {
            if of == file && text.contains(number) {
                text = text.replace(number, smaller);
                self.found.insert(position);
            }
        }
        fs::write(path, text).unwrap();
    }

    /// Saves a block whose first line names the file, as a reader is told to.
    fn save(&mut self, lines: &[String]) {
        let name = lines.first().and_then(|line| line.strip_prefix("# "));
        let name = name.unwrap_or_else(|| panic!("a pipeline without the name of its file: {lines:?}"));
        let text = lines.join("\n") + "\n";
        match name.strip_suffix(", continued") {
            Some(file) => self.write(file, &text, true),
            None => self.write(name, &text, false),
        }
    }

    /// Runs one line of a block of commands.
    fn run(&self, line: &str) {
        if line.is_empty() || NOT_RUN.iter().any(|(beginning, _)| line.starts_with(beginning)) {
            return;
        }
        let told = arguments(line).unwrap_or_else(|| panic!("`{line}` is neither run nor known"));
        let mut words = words(told);
        let device = "--device".to_owned();
        if COMPUTING.contains(&words[0].as_str()) && !words.contains(&device) {
            words.extend([device, "cpu".to_owned()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = run_real(self.path(), &words);
        assert_eq!(ended.code, Some(0), "`{line}`: {}{}", ended.stdout, ended.stderr);
    }
}

#[test]
fn every_command_of_readme_works_in_its_order() {
    let mut place = Place::new();
    let mut saved_or_run = 0;
    for block in page(Path::new("README.md")).blocks {
        match block.language.as_str() {
            "sh" | "bash" => block.lines.iter().for_each(|line| place.run(line.trim())),
            "yaml" => place.save(&block.lines),
            // What the program answers.
            "text" => continue,
            other => panic!("a block marked `{other}` is not looked at: {:?}", block.lines),
        }
        saved_or_run += 1;
    }
    assert!(saved_or_run > 0, "README has nothing to type");
    assert_eq!(
        place.found.len(),
        SMALLER.len(),
        "a number is not where it was: {:?}",
        place.found
    );
    for report in ["quickstart.html", "first.html"] {
        assert!(place.path().join(report).is_file(), "{report} was not written");
    }
}
