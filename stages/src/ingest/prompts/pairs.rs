//! Image-prompt pairs to be scored, from CSV or Parquet.

pub(crate) mod image_column;

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::DataType;

use mitune_bounded_file::read;

use self::image_column::{Image, image};
use super::clean::clean;
use super::csv_file::column_index;
use super::csv_records::{Records, open_records};
use super::error::PromptsError;
use super::pair_error::PairError;
use super::parquet_file::{Batches, ParquetFile, column_type};
use super::text_file::{open_input, start};

/// An image and the prompt it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The row of the file of pairs, from 1, without a header.
    pub row: u64,
    /// The path of the image as the file of pairs has it, if it has one.
    pub path: Option<String>,
    /// The encoded image: the bytes of a PNG file, for example.
    pub image: Vec<u8>,
    /// The trimmed prompt; it may be empty, which is the unconditional prompt.
    pub prompt: String,
}

/// The pairs of a file, a few images in memory at a time.
pub struct Pairs {
    path: PathBuf,
    row: u64,
    rows: Rows,
    /// The prompt read last, as it stands in the file.
    written: String,
    /// What a further column holds in the row read last.
    beside: Option<Vec<u8>>,
}

enum Rows {
    Csv {
        records: Box<Records>,
        image: usize,
        prompt: usize,
        beside: Option<usize>,
    },
    Parquet {
        batches: Box<Batches>,
        batch: Option<(RecordBatch, usize)>,
        beside: Option<&'static str>,
    },
}

/// Most bytes of an encoded image; one of a hundred million pixels seldom has as many.
pub(crate) const MOST_IMAGE_BYTES: u64 = 512 << 20;

const IMAGE: &str = "image";
const PROMPT: &str = "prompt";

impl Pairs {
    /// Opens a file with the columns `image` and `prompt`: Parquet where its name or its beginning says so, else CSV.
    ///
    /// The image is a path relative to the directory of the file; in Parquet it may also be the image feature of
    /// Hugging Face (a struct of `bytes` and `path`) or plain bytes.
    ///
    /// # Errors
    /// A file that cannot be read, lacks one of the columns or has another type in it.
    pub fn open(path: &Path) -> Result<Self, PromptsError> {
        Self::open_rows(path, None)
    }

    /// Opens such a file with a further column of texts, if the file has it, for [`Self::beside`].
    ///
    /// # Errors
    /// Those of [`Self::open`], and a column of another type.
    pub(crate) fn open_with(path: &Path, column: &'static str) -> Result<Self, PromptsError> {
        Self::open_rows(path, Some(column))
    }

    /// Goes on to the next row without reading its image, and returns the image's file, if the image is not in the row
    /// itself; nothing at the end.
    ///
    /// # Errors
    /// A row that cannot be read.
    pub(crate) fn next_file(&mut self) -> Result<Option<Option<PathBuf>>, PromptsError> {
        self.row += 1;
        let row = self.next_row().map_err(PromptsError::of_pairs)?;
        Ok(row.map(|(image, _)| match image {
            Image::Bytes(..) => None,
            Image::Path(path) => Some(self.file_of(&path)),
        }))
    }

    /// The file that a path of the table stands for.
    fn file_of(&self, image: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(image)
    }

    /// The prompt of the pair that came last as it stands in the file, with the white space around it.
    pub(crate) fn written_prompt(&self) -> &str {
        &self.written
    }

    /// What the further column holds in the row of the pair that came last; nothing where it is null or empty.
    pub(crate) fn beside(&self) -> Option<&[u8]> {
        self.beside
            .as_deref()
            .filter(|text| !text.trim_ascii().is_empty())
    }

    fn open_rows(path: &Path, beside: Option<&'static str>) -> Result<Self, PromptsError> {
        let rows = open_rows(path, beside).map_err(PromptsError::of_pairs)?;
        Ok(Self {
            path: path.to_owned(),
            row: 0,
            rows,
            written: String::new(),
            beside: None,
        })
    }

    fn next_pair(&mut self) -> Result<Option<Pair>, PromptsError> {
        self.row += 1;
        let Some((image, written)) = self.next_row()? else {
            return Ok(None);
        };
        let prompt = clean(&written).map_err(|problem| PairError::InvalidPrompt {
            path: self.path.clone(),
            row: self.row,
            problem,
        })?;
        // Nothing is replaced: what is trimmed is UTF-8, and only ASCII and white space are around it.
        self.written = String::from_utf8_lossy(&written).into_owned();
        let (image, path) = match image {
            Image::Bytes(bytes, path) => (bytes, path),
            Image::Path(path) => (self.read_image(&path)?, Some(path)),
        };
        Ok(Some(Pair {
            row: self.row,
            path,
            image,
            prompt: prompt.to_owned(),
        }))
    }

    fn next_row(&mut self) -> Result<Option<(Image, Vec<u8>)>, PromptsError> {
        match &mut self.rows {
            Rows::Csv {
                records,
                image,
                prompt,
                beside,
            } => {
                let mut record = csv::ByteRecord::new();
                if !records
                    .read_byte_record(&mut record)
                    .map_err(PromptsError::csv(&self.path))?
                {
                    return Ok(None);
                }
                let field = |index: usize| record.get(index).unwrap_or_default();
                let image = String::from_utf8_lossy(field(*image).trim_ascii()).into_owned();
                self.beside = beside.map(|beside| field(beside).to_vec());
                Ok(Some((Image::Path(image), field(*prompt).to_vec())))
            }
            Rows::Parquet {
                batches,
                batch,
                beside,
            } => loop {
                if let Some((rows, next)) = batch
                    && *next < rows.num_rows()
                {
                    let row = *next;
                    *next += 1;
                    // A pair without a prompt is one with the empty prompt, in every kind of file.
                    let prompts = batches.text(rows, PROMPT)?;
                    let prompt = prompts.bytes(row).unwrap_or_default().to_vec();
                    self.beside = match *beside {
                        Some(column) => batches.text(rows, column)?.bytes(row).map(<[u8]>::to_vec),
                        None => None,
                    };
                    let column = rows.column_by_name(IMAGE);
                    let image =
                        column
                            .and_then(|column| image(column, row))
                            .ok_or_else(|| PairError::NoImage {
                                path: self.path.clone(),
                                row: self.row,
                                problem: "neither bytes nor a path",
                            })?;
                    return Ok(Some((image, prompt)));
                }
                match batches.next_batch()? {
                    None => return Ok(None),
                    Some(rows) => *batch = Some((rows, 0)),
                }
            },
        }
    }

    fn read_image(&self, image: &str) -> Result<Vec<u8>, PromptsError> {
        if image.is_empty() {
            let problem = "the path is empty";
            return Err(PromptsError::Pair(PairError::NoImage {
                path: self.path.clone(),
                row: self.row,
                problem,
            }));
        }
        let image = self.file_of(image);
        read(&image, MOST_IMAGE_BYTES).map_err(|source| {
            PromptsError::Pair(PairError::ReadImage {
                path: self.path.clone(),
                row: self.row,
                image,
                source: source.into(),
            })
        })
    }
}

impl Iterator for Pairs {
    type Item = Result<Pair, PromptsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_pair().map_err(PromptsError::of_pairs).transpose()
    }
}

fn open_rows(path: &Path, beside: Option<&'static str>) -> Result<Rows, PromptsError> {
    let begins = start(&mut open_input(path)?).map_err(PromptsError::read(path))?;
    let named = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
    match named || begins.starts_with(b"PAR1") {
        true => open_parquet(path, beside),
        false => open_csv(path, beside),
    }
}

fn open_csv(path: &Path, beside: Option<&'static str>) -> Result<Rows, PromptsError> {
    let mut records = open_records(path, ',')?;
    let header = records.byte_headers().map_err(PromptsError::csv(path))?;
    let (image, prompt) = (
        column_index(path, header, IMAGE)?,
        column_index(path, header, PROMPT)?,
    );
    let beside = beside.and_then(|column| column_index(path, header, column).ok());
    Ok(Rows::Csv {
        records: Box::new(records),
        image,
        prompt,
        beside,
    })
}

fn open_parquet(path: &Path, beside: Option<&'static str>) -> Result<Rows, PromptsError> {
    let file = ParquetFile::open(path)?;
    file.check_text(PROMPT)?;
    let beside = beside.filter(|column| file.has(column));
    if let Some(column) = beside {
        file.check_text(column)?;
    }
    let found = file.column_type(IMAGE)?;
    let accepted = match found {
        DataType::Utf8 | DataType::Binary | DataType::Null => true,
        DataType::Struct(fields) => {
            // A field that is null in every row has no type of its own; pandas writes `path` so.
            let has = |name, kind| {
                fields
                    .find(name)
                    .is_none_or(|(_, field)| [&kind, &DataType::Null].contains(&field.data_type()))
            };
            (fields.find("bytes").is_some() || fields.find("path").is_some())
                && has("bytes", DataType::Binary)
                && has("path", DataType::Utf8)
        }
        _ => false,
    };
    if !accepted {
        return Err(column_type(
            path,
            IMAGE,
            "an image: a struct of bytes and path, bytes or a path",
            found,
        ));
    }
    // Few rows at a time: a batch of large images would fill the memory.
    let columns: Vec<&str> = [IMAGE, PROMPT].into_iter().chain(beside).collect();
    let batches = file.with_batch_rows(16).read(&columns, None)?;
    Ok(Rows::Parquet {
        batches: Box::new(batches),
        batch: None,
        beside,
    })
}

#[cfg(test)]
mod tests;
