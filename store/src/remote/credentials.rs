//! What opens a bucket.

use std::fmt;

/// Secrets and settings of S3 by their names in the environment, such as `AWS_ACCESS_KEY_ID`; never stored or shown.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Names and values.
    pub variables: Vec<(String, String)>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.variables.iter().map(|(name, _)| name))
            .finish()
    }
}
