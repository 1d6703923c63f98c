//! Parts of DiffusionDB: archives as they are published, or folders that they were unpacked to.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use mitune_bounded_file::open_regular;

use super::diffusiondb_part::{MOST_PART_BYTES, PartRow, part_rows};
use super::error::ImagesError;
use super::place::ImagePlace;
use super::rows::{Caption, GivenImage, RowImages, RowPlace, SourceRow};
use super::source::Visitor;
use super::zip_archive::{ZipEntry, ZipProblem, entries, read_entry};

/// Reads a part: `part-000001.zip`, or `part-000001.json` beside its images or beside a folder of its name with them.
pub(super) fn read(
    file: usize,
    path: &Path,
    visitor: &mut Visitor<'_>,
) -> Result<ControlFlow<()>, ImagesError> {
    let is_archive = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    match is_archive {
        true => archive(file, path, visitor),
        false => folder(file, path, visitor),
    }
}

fn folder(file: usize, path: &Path, visitor: &mut Visitor<'_>) -> Result<ControlFlow<()>, ImagesError> {
    let rows = part_rows(path, &mitune_bounded_file::read(path, MOST_PART_BYTES)?)?;
    let beside = path.with_extension("");
    let images = match beside.is_dir() {
        true => beside,
        false => path.parent().unwrap_or(Path::new("")).to_owned(),
    };
    visit(file, rows, visitor, |name| ImagePlace::File(images.join(name)))
}

fn archive(file: usize, path: &Path, visitor: &mut Visitor<'_>) -> Result<ControlFlow<()>, ImagesError> {
    let problem = |source: ZipProblem| ImagesError::Zip {
        path: path.to_owned(),
        source,
    };
    let (mut opened, _) = open_regular(path)?;
    let entries = entries(&mut opened).map_err(problem)?;
    let mut parts = entries.iter().filter(|(name, _)| is_part(name));
    let Some((first, part)) = parts.next() else {
        return Err(ImagesError::NoPart {
            path: path.to_owned(),
        });
    };
    if let Some((second, _)) = parts.next() {
        return Err(ImagesError::Parts {
            path: path.to_owned(),
            first: first.clone(),
            second: second.clone(),
        });
    }
    let part = read_entry(&mut opened, part, MOST_PART_BYTES).map_err(problem)?;
    let rows = part_rows(path, &part)?;
    let images: HashMap<&str, &ZipEntry> = entries
        .iter()
        .map(|(name, entry)| (last_component(name), entry))
        .collect();
    visit(file, rows, visitor, |name| match images.get(name) {
        Some(entry) => ImagePlace::Zip {
            file,
            entry: (*entry).clone(),
        },
        None => ImagePlace::Nowhere,
    })
}

/// Hands over the rows of a part, each with the place of its image.
fn visit(
    file: usize,
    rows: Vec<PartRow>,
    visitor: &mut Visitor<'_>,
    place: impl Fn(&str) -> ImagePlace,
) -> Result<ControlFlow<()>, ImagesError> {
    for (row, part) in (1..).zip(rows) {
        let flow = visitor(SourceRow {
            at: RowPlace { file, row },
            caption: part
                .prompt
                .map_or(Caption::Null, |text| Caption::Bytes(text.into_bytes())),
            images: RowImages::One(GivenImage::at(place(&part.image))),
            weight: None,
        })?;
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether an entry is the file of JSON of a part; those of macOS that begin with `._` are about another file.
fn is_part(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        && !last_component(name).starts_with("._")
}

fn last_component(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
