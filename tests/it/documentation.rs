//! What pages of documentation name and point to is there, and what is there is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::markdown::Page;
use crate::program::run_real;

/// How pages call the program.
const PROGRAM: [&str; 4] = [
    "mitune ",
    "target/release/mitune ",
    "./target/release/mitune ",
    "cargo run --release -- ",
];

/// The folder of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a page of the project.
pub(crate) fn page(file: &Path) -> Page {
    let file = project().join(file);
    Page::parse(&fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

/// What follows the name of the program in a command.
pub(crate) fn arguments(command: &str) -> Option<&str> {
    PROGRAM.iter().find_map(|name| command.strip_prefix(name))
}

/// The pages of docs, relative to the project.
fn docs() -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join("docs")).unwrap();
    let names = entries.map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    names
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// The pages of docs and those beside them. What the change log names may be gone by now.
fn pages() -> Vec<PathBuf> {
    let mut pages = docs();
    pages.extend(["README.md", "ARCHITECTURE.md"].map(PathBuf::from));
    pages
}

/// Reads the names of commands off what `mitune help` prints.
fn listed(help: &str) -> BTreeSet<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// All commands, each with those inside it.
fn commands() -> BTreeMap<String, BTreeSet<String>> {
    let folder = tempfile::tempdir().unwrap();
    let help = |of: &[&str]| {
        let ended = run_real(folder.path(), &[&["help"][..], of].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        listed(&ended.stdout)
    };
    let mut commands: BTreeMap<_, _> = help(&[])
        .into_iter()
        .map(|name| (name, BTreeSet::new()))
        .collect();
    assert!(commands.contains_key("run") && commands.contains_key("store"));
    for (name, inside) in &mut commands {
        if name != "help" {
            *inside = help(&[name.as_str()]);
        }
    }
    commands
}

/// The commands that a page names, each with the names behind it: `store ls|show` names two.
fn named(page: &Page) -> BTreeSet<(String, Option<String>)> {
    let code = page.code();
    let lines = page.blocks.iter().flat_map(|block| &block.lines);
    let texts = code.into_iter().chain(lines.map(|line| line.trim()));
    let mut named = BTreeSet::new();
    for mut words in texts.filter_map(arguments).map(str::split_whitespace) {
        let is_name = |word: &&str| word.starts_with(|letter: char| letter.is_ascii_lowercase());
        // `mitune 2026 item v1` is no command but what is hashed.
        let Some(command) = words.next().filter(is_name) else {
            continue;
        };
        let command = command.to_owned();
        match words.next().filter(is_name) {
            Some(inside) => {
                let inside = inside.split('|');
                named.extend(inside.map(|name| (command.clone(), Some(name.to_owned()))));
            }
            None => {
                named.insert((command, None));
            }
        }
    }
    named
}

#[test]
fn every_command_that_a_page_names_exists() {
    let commands = commands();
    for file in pages() {
        for (command, inside) in named(&page(&file)) {
            let place = file.display();
            let known = commands.get(&command);
            let known = known.unwrap_or_else(|| panic!("{place}: there is no `mitune {command}`"));
            // What follows a command with none inside is its argument.
            if let Some(inside) = inside.filter(|_| !known.is_empty()) {
                let exists = known.contains(&inside);
                assert!(exists, "{place}: there is no `mitune {command} {inside}`");
            }
        }
    }
}

#[test]
fn every_command_that_exists_is_explained() {
    let readme = named(&page(Path::new("README.md")));
    let explained = named(&page(Path::new("docs/commands.md")));
    for (command, inside) in commands() {
        for (file, names) in [("README.md", &readme), ("docs/commands.md", &explained)] {
            let found = names.iter().any(|(name, _)| *name == command);
            assert!(found, "{file} does not name `mitune {command}`");
        }
        for name in inside.into_iter().filter(|name| name != "help") {
            let found = explained.contains(&(command.clone(), Some(name.clone())));
            assert!(found, "docs/commands.md does not name `mitune {command} {name}`");
        }
    }
}

#[test]
fn every_link_of_a_page_leads_to_a_file_or_heading() {
    for file in pages().into_iter().chain([PathBuf::from("CHANGELOG.md")]) {
        let name = file.display();
        for link in page(&file).links() {
            if link.contains("://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().unwrap().join(path),
            };
            assert!(project().join(&target).exists(), "{name}: `{link}` is not there");
            if !heading.is_empty() {
                let headings = page(&target).anchors();
                assert!(
                    headings.contains(heading),
                    "{name}: `{link}` is none of {headings:?}"
                );
            }
        }
    }
}

#[test]
fn readme_leads_to_every_page_of_docs() {
    let readme = page(Path::new("README.md"));
    let links = readme.links();
    for file in docs() {
        let name = file.to_str().unwrap();
        assert!(links.contains(&name), "README.md has no link to {name}");
    }
}
