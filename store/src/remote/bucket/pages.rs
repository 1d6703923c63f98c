//! Listing a bucket page by page.
//!
//! The client refuses a whole page for one name that it cannot spell, such as one with an empty part or a control
//! character. Such a page is asked for again in ever smaller parts until the name is alone, and then passed over.

use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore as _};
use object_store::path;
use object_store::{Error, ObjectMeta};

use super::errors::explain;
use super::{Bucket, Listing, RemoteError};

/// Names to a page, the most that S3 gives.
const PAGE: usize = 1000;

impl Bucket {
    /// Lists what is in a folder or, without a delimiter, all below it.
    pub(super) fn list_pages(
        &self,
        folder: &str,
        delimiter: Option<&'static str>,
    ) -> Result<Listing, RemoteError> {
        let prefix = format!("{}/", self.key(folder));
        let mut listing = Listing::default();
        let (mut after, mut token, mut size): (Option<String>, Option<String>, usize) = (None, None, PAGE);
        loop {
            match self.page(&prefix, delimiter, after.clone(), token.clone(), size) {
                Ok(page) => {
                    take(&mut listing, &prefix, &page);
                    match page.page_token {
                        Some(next) => (token, size) = (Some(next), (size * 2).min(PAGE)),
                        None => return Ok(listing),
                    }
                }
                Err(Error::InvalidPath { .. }) if size > 1 => size /= 2,
                Err(Error::InvalidPath { source }) => {
                    let (Some(name), text) = (spelling(&source), source.to_string()) else {
                        let error = Error::InvalidPath { source };
                        return Err(explain(&self.place, "list", folder, error));
                    };
                    listing.odd.push(format!("{}: {text}", self.place));
                    let next = beyond(name);
                    // A server that begins before the name again would never come to an end.
                    if after.as_ref().is_some_and(|after| *after >= next) {
                        return Ok(listing);
                    }
                    (after, token, size) = (Some(next), None, PAGE);
                }
                Err(error) => return Err(explain(&self.place, "list", folder, error)),
            }
        }
    }

    fn page(
        &self,
        prefix: &str,
        delimiter: Option<&'static str>,
        after: Option<String>,
        token: Option<String>,
        size: usize,
    ) -> Result<PaginatedListResult, Error> {
        self.ask(|client| {
            let prefix = prefix.to_owned();
            let options = PaginatedListOptions {
                offset: after.clone(),
                delimiter: delimiter.map(Into::into),
                max_keys: Some(size),
                page_token: token.clone(),
                ..PaginatedListOptions::default()
            };
            async move { client.list_paginated(Some(&prefix), options).await }
        })
    }
}

/// Takes the names of a page, as seen from the folder.
fn take(listing: &mut Listing, prefix: &str, page: &PaginatedListResult) {
    let within = |path: &object_store::path::Path| Some(path.as_ref().strip_prefix(prefix)?.to_owned());
    let folders = page.result.common_prefixes.iter().filter_map(within);
    listing.folders.extend(folders);
    let files = page.result.objects.iter();
    listing
        .files
        .extend(files.filter_map(|meta: &ObjectMeta| within(&meta.location)));
}

/// Returns the name that the client cannot spell.
fn spelling(error: &path::Error) -> Option<&str> {
    match error {
        path::Error::EmptySegment { path } | path::Error::BadSegment { path, .. } => Some(path),
        _ => None,
    }
}

/// Returns what to begin after so as to pass over a name, or over all names of a folder.
fn beyond(name: &str) -> String {
    match name.strip_suffix('/') {
        // `0` follows on `/`.
        Some(folder) => format!("{folder}0"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_folder_are_passed_over() {
        assert_eq!(beyond("x/actions/aa//b"), "x/actions/aa//b");
        assert_eq!(beyond("x/actions/aa//"), "x/actions/aa/0");
        assert!(*"x/actions/aa//anything" < *beyond("x/actions/aa//"));
    }
}
