//! What is known of the length of a blob before it is read.

/// Bytes up to which a blob is hashed although its length is wrong.
///
/// Good bytes show that whoever told the length was wrong, but a hole has any length and takes no room on the disk.
const READ_LIMIT: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Any,
    Exactly(u64),
    AtMost(u64),
}

impl Length {
    /// Says why a blob of this many bytes cannot be the one that is meant.
    pub(crate) fn contradicts(self, found: u64) -> Option<String> {
        match self {
            Self::Exactly(size) if size != found => Some(format!("it has {found} bytes instead of {size}")),
            Self::AtMost(limit) if found > limit => {
                Some(format!("it has {found} bytes, at most {limit} can be"))
            }
            _ => None,
        }
    }

    /// Tells whether a blob of a wrong length is hashed all the same.
    pub(crate) fn is_worth_reading(found: u64) -> bool {
        found <= READ_LIMIT
    }

    /// Returns the length where it is certain.
    pub(crate) fn exact(self) -> Option<u64> {
        match self {
            Self::Exactly(size) => Some(size),
            Self::Any | Self::AtMost(_) => None,
        }
    }
}

impl From<Option<u64>> for Length {
    fn from(size: Option<u64>) -> Self {
        size.map_or(Self::Any, Self::Exactly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_contradicted() {
        assert_eq!(Length::Any.contradicts(u64::MAX), None);
        assert_eq!(Length::Exactly(4).contradicts(4), None);
        assert_eq!(Length::AtMost(4).contradicts(0), None);
        for (length, found) in [
            (Length::Exactly(4), 3),
            (Length::Exactly(4), 5),
            (Length::AtMost(4), 5),
        ] {
            assert!(length.contradicts(found).is_some(), "{length:?} {found}");
        }
        assert!(Length::is_worth_reading(0) && !Length::is_worth_reading(1 << 40));
    }
}
