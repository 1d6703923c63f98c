//! The image of a row of Parquet: its bytes, the path of its file, or both.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

/// Where the image of a row is.
pub(crate) enum Image {
    Bytes(Vec<u8>, Option<String>),
    Path(String),
}

/// Reads the image of a row, none where there is neither.
pub(crate) fn image(column: &ArrayRef, row: usize) -> Option<Image> {
    if !column.is_valid(row) {
        return None;
    }
    if let Some(paths) = column.as_string_opt::<i32>() {
        return Some(Image::Path(paths.value(row).to_owned()));
    }
    if let Some(bytes) = column.as_binary_opt::<i32>() {
        return Some(Image::Bytes(bytes.value(row).to_vec(), None));
    }
    let image = column.as_struct_opt()?;
    let path = image
        .column_by_name("path")
        .and_then(|paths| paths.as_string_opt::<i32>());
    let path = path
        .filter(|paths| paths.is_valid(row))
        .map(|paths| paths.value(row).to_owned());
    let bytes = image
        .column_by_name("bytes")
        .and_then(|bytes| bytes.as_binary_opt::<i32>());
    match bytes.filter(|bytes| bytes.is_valid(row)) {
        Some(bytes) => Some(Image::Bytes(bytes.value(row).to_vec(), path)),
        None => path.map(Image::Path),
    }
}
