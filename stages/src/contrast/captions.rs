//! Hard texts that a file gives, as NegCLIP's `train_neg_clip.tsv` does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::python_list::python_list;
use crate::contract::StageError;
use crate::ingest::prompts::PromptsError;
use crate::ingest::prompts::csv_file::column_index;
use crate::ingest::prompts::csv_records::open_records;
use crate::ingest::prompts::json_row::read_row;
use crate::ingest::prompts::lines::{LineEnds, LineReader};
use crate::ingest::prompts::text_file::open_text;

/// Column of the text that an image shows; the other name is NegCLIP's.
const CAPTION: [&str; 2] = ["caption", "title"];

/// Column of the hard texts: one, or a list as Python prints it.
const NEGATIVE: &str = "neg_caption";

/// Most bytes of a line that holds a JSON object.
const MOST_LINE_BYTES: usize = 16 << 20;

/// Hard texts by the text that they are made of.
#[derive(Debug, Default)]
pub(super) struct Captions(HashMap<String, Vec<String>>);

/// Hard texts that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaptionsError {
    #[error("Captions could not be read")]
    File(#[from] PromptsError),
    #[error("Row {row} of `{}` has {problem} in `{column}`", path.display())]
    Row {
        path: PathBuf,
        row: u64,
        column: &'static str,
        problem: &'static str,
    },
    #[error("No hard text in `{}`: every `{}` is empty", path.display(), NEGATIVE)]
    Empty { path: PathBuf },
}

impl CaptionsError {
    /// Tells what the pipeline or its file should change from what only failed this time.
    pub(super) fn in_stage(self) -> StageError {
        match self {
            Self::File(PromptsError::Read { ref source, .. })
                if source.kind() != std::io::ErrorKind::NotFound =>
            {
                StageError::failed(self)
            }
            error => StageError::configuration(error),
        }
    }
}

impl Captions {
    /// Reads a file: its name says whether it is a table divided by tabs or commas, or has one JSON object on each line.
    pub(super) fn read(path: &Path) -> Result<Self, CaptionsError> {
        let mut captions = Self::default();
        match ending(path).as_str() {
            "jsonl" | "ndjson" | "json" => captions.read_objects(path)?,
            "tsv" => captions.read_table(path, '\t')?,
            _ => captions.read_table(path, ',')?,
        }
        match captions.0.values().all(Vec::is_empty) {
            true => Err(CaptionsError::Empty {
                path: path.to_owned(),
            }),
            false => Ok(captions),
        }
    }

    /// The hard texts of a prompt; none if the file does not have it.
    pub(super) fn of(&self, prompt: &str) -> &[String] {
        self.0.get(prompt).map_or(&[], Vec::as_slice)
    }

    fn read_table(&mut self, path: &Path, delimiter: char) -> Result<(), CaptionsError> {
        let mut records = open_records(path, delimiter)?;
        let header = records.byte_headers().map_err(PromptsError::csv(path))?.clone();
        let [first, second] = CAPTION;
        let caption = column_index(path, &header, first)
            .or_else(|error| column_index(path, &header, second).map_err(|_| error))?;
        let negative = column_index(path, &header, NEGATIVE)?;
        let mut record = csv::ByteRecord::new();
        for row in 1.. {
            let more = records.read_byte_record(&mut record);
            if !more.map_err(PromptsError::csv(path))? {
                break;
            }
            let text = |index: usize, column: &'static str| {
                let text = str::from_utf8(record.get(index).unwrap_or_default());
                text.map(str::trim)
                    .map_err(|_| wrong(path, row, column, "bytes that are not UTF-8"))
            };
            let (caption, negative) = (text(caption, CAPTION[0])?, text(negative, NEGATIVE)?);
            let negatives = match negative.starts_with('[') {
                true => python_list(negative).map_err(|problem| wrong(path, row, NEGATIVE, problem))?,
                false => vec![negative.to_owned()],
            };
            self.add(caption, negatives);
        }
        Ok(())
    }

    fn read_objects(&mut self, path: &Path) -> Result<(), CaptionsError> {
        let mut lines = LineReader::new(open_text(path)?, LineEnds::Lf, MOST_LINE_BYTES);
        while let Some(line) = lines.next_line().map_err(PromptsError::read(path))? {
            let row = line.number;
            if line.cut {
                return Err(wrong(path, row, NEGATIVE, "more text than a line may have"));
            }
            let text = String::from_utf8_lossy(line.bytes);
            if text.trim().is_empty() {
                continue;
            }
            let fields = [CAPTION[0], CAPTION[1], NEGATIVE];
            let found = read_row(&text, &fields, false).map_err(|source| PromptsError::Json {
                path: path.to_owned(),
                line: row,
                source,
            })?;
            let [caption, title, negative] =
                [0, 1, 2].map(|field| found.values.get(field).cloned().flatten());
            let Some(Json::String(caption)) = caption.or(title) else {
                return Err(wrong(path, row, CAPTION[0], "no text"));
            };
            let negatives = negative.and_then(texts);
            let negatives =
                negatives.ok_or_else(|| wrong(path, row, NEGATIVE, "neither a text nor a list of them"))?;
            self.add(caption.trim(), negatives);
        }
        Ok(())
    }

    /// Adds hard texts of a caption, which may stand in several rows.
    fn add(&mut self, caption: &str, negatives: Vec<String>) {
        let known = self.0.entry(caption.to_owned()).or_default();
        for negative in negatives {
            let negative = negative.trim();
            if !negative.is_empty() && negative != caption && known.iter().all(|one| one != negative) {
                known.push(negative.to_owned());
            }
        }
    }
}

/// The texts of a value: itself, or the entries of a list.
fn texts(value: Json) -> Option<Vec<String>> {
    match value {
        Json::String(text) => Some(vec![text]),
        Json::Array(values) => values
            .into_iter()
            .map(|value| match value {
                Json::String(text) => Some(text),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// What a file's name ends with, in lower case, before the ending of a packed file.
fn ending(path: &Path) -> String {
    let extension = |path: &Path| {
        let extension = path.extension().unwrap_or_default();
        extension.to_string_lossy().to_ascii_lowercase()
    };
    match extension(path).as_str() {
        "gz" | "zst" => extension(Path::new(path.file_stem().unwrap_or_default())),
        own => own.to_owned(),
    }
}

fn wrong(path: &Path, row: u64, column: &'static str, problem: &'static str) -> CaptionsError {
    CaptionsError::Row {
        path: path.to_owned(),
        row,
        column,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: &str) -> Result<Captions, CaptionsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Captions::read(&path)
    }

    #[test]
    fn every_kind_of_file_gives_the_same_texts() {
        let tab = "title\tfilepath\tneg_caption\tneg_image\n\
                   a cat on a mat\t1.jpg\t\"['a mat on a cat', \"\"a dog's mat\"\"]\"\t[3]\n";
        let comma = "caption,neg_caption\na cat on a mat,a mat on a cat\na cat on a mat,a dog's mat\n";
        let objects = r#"{"caption": "a cat on a mat", "neg_caption": ["a mat on a cat", "a dog's mat"]}"#;
        for (name, content) in [("a.tsv", tab), ("a.csv", comma), ("a.jsonl", objects)] {
            let captions = read(name, content).unwrap();
            assert_eq!(
                captions.of("a cat on a mat"),
                ["a mat on a cat", "a dog's mat"],
                "{name}"
            );
            assert!(captions.of("a cat").is_empty());
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_row() {
        let told = |name: &str, content: &str| {
            let error = read(name, content).unwrap_err();
            let source = std::error::Error::source(&error).map_or(String::new(), ToString::to_string);
            format!("{error}: {source}")
        };
        for (name, content, words) in [
            ("a.csv", "caption,neg_caption\na,b\nc,['d\n", "Row 2 of"),
            ("a.csv", "caption,neg_caption\na,\n", "No hard text in"),
            ("a.csv", "caption,negative\na,b\n", "No column `neg_caption`"),
            ("a.csv", "text,neg_caption\na,b\n", "No column `caption`"),
            (
                "a.jsonl",
                "{\"caption\": 3, \"neg_caption\": \"b\"}\n",
                "no text in `caption`",
            ),
            (
                "a.jsonl",
                "{\"caption\": \"a\", \"neg_caption\": [3]}\n",
                "neither a text",
            ),
            ("a.jsonl", "a cat\n", "Line 1 of"),
        ] {
            let message = told(name, content);
            assert!(message.contains(words), "{message}");
        }
    }
}
