//! Why a Parquet file cannot be read.

use std::error::Error;
use std::io;

/// What is wrong with a Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParquetProblem {
    /// It is something else.
    #[error("it does not begin and end as Parquet files do")]
    NotParquet,
    /// It begins as Parquet does and ends as nothing does.
    #[error("its end is missing; the file is cut short")]
    Cut,
    /// It cannot be read without a key.
    #[error("it is encrypted")]
    Encrypted,
    /// It is written in a way that is not read.
    #[error("it needs what is not built in: {0}")]
    Unsupported(String),
    /// A column of texts has something else in it.
    #[error("a text in it is not UTF-8")]
    NotUtf8,
    /// Anything else.
    #[error("its parts contradict each other; the file is damaged")]
    Damaged,
}

impl ParquetProblem {
    /// What the reader of Parquet means.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let message = error.to_string();
        let after = |words: &str| message.split_once(words).map(|(_, rest)| rest.to_owned());
        let unsupported = after("NYI: ").or_else(|| after("Disabled feature at compile time: "));
        match unsupported {
            _ if message.contains("ncrypt") => Self::Encrypted,
            Some(what) => Self::Unsupported(what),
            None if message.to_ascii_lowercase().contains("utf-8") => Self::NotUtf8,
            None => Self::Damaged,
        }
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::NotParquet => "Look into the file: it may be text, CSV or JSON lines under another name",
            Self::Encrypted => "Write the file anew without encryption",
            Self::Unsupported(_) => "Write the file anew, packed with zstd or snappy",
            Self::Cut | Self::NotUtf8 | Self::Damaged => {
                "Write the file anew, or download it again if it came from elsewhere"
            }
        }
    }
}

/// What the operating system said, if it is the cause of an error.
pub(super) fn system_error(error: &(dyn Error + 'static)) -> Option<io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let code = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error);
        if let Some(code) = code {
            return Some(io::Error::from_raw_os_error(code));
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use parquet::errors::ParquetError;

    use super::*;

    #[test]
    fn the_readers_words_become_ours() {
        let of = |error: ParquetError| ParquetProblem::of(&error);
        let general = |text: &str| of(ParquetError::General(text.to_owned()));
        assert_eq!(
            general("Encrypted footer, but no keys"),
            ParquetProblem::Encrypted
        );
        assert_eq!(general("encountered non UTF-8 data"), ParquetProblem::NotUtf8);
        assert_eq!(general("anything"), ParquetProblem::Damaged);
        let codec = of(ParquetError::NYI(
            "The codec type LZO is not supported yet".to_owned(),
        ));
        assert_eq!(
            codec.to_string(),
            "it needs what is not built in: The codec type LZO is not supported yet"
        );
    }

    #[test]
    fn a_failing_disk_is_no_damaged_file() {
        let error = ParquetError::External(Box::new(io::Error::from_raw_os_error(5)));
        let found = system_error(&error).and_then(|error| error.raw_os_error());
        assert_eq!(found, Some(5));
        assert!(system_error(&ParquetError::General("x".to_owned())).is_none());
    }
}
