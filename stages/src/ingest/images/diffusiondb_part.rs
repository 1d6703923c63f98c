//! The file of JSON of a part of DiffusionDB, which says which prompt each image was made from.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::error::ImagesError;

/// Most bytes of such a file; one of a thousand images has some 300,000.
pub(super) const MOST_PART_BYTES: u64 = 256 << 20;

/// An image and its prompt.
#[derive(Debug, PartialEq)]
pub(super) struct PartRow {
    /// The name of its file.
    pub(super) image: String,
    /// The prompt, if there is one.
    pub(super) prompt: Option<String>,
}

/// Reads the rows in the order of the file, which says of each image its prompt `p`, seed `se`, guidance `c`, steps `st`
/// and sampler `sa`.
///
/// # Errors
/// A file that is something else.
pub(super) fn part_rows(path: &Path, bytes: &[u8]) -> Result<Vec<PartRow>, ImagesError> {
    let rows = serde_json::from_slice::<Rows>(bytes).map_err(|source| ImagesError::Json {
        path: path.to_owned(),
        expected: "a part of DiffusionDB, such as {\"a.png\": {\"p\": \"a red car\"}}",
        source,
    })?;
    Ok(rows.0)
}

/// The members of an object in their order.
struct Rows(Vec<PartRow>);

/// What is said of an image; all but the prompt is passed over.
#[derive(serde::Deserialize)]
struct Said {
    p: Option<String>,
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Rows;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with an object for each image")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Rows, A::Error> {
        let mut rows = Vec::new();
        while let Some((image, said)) = access.next_entry::<String, Said>()? {
            rows.push(PartRow {
                image,
                prompt: said.p,
            });
        }
        Ok(Rows(rows))
    }
}
