//! Where a remote is.

use std::path::PathBuf;

use super::RemoteError;

/// Where a remote is, as its URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this host.
    Folder(PathBuf),
    /// A bucket and a prefix in it, which may be empty.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The prefix without slashes around it.
        prefix: String,
        /// The server, if the URL names one.
        endpoint: Option<String>,
        /// The region, if the URL names one.
        region: Option<String>,
    },
}

impl Place {
    /// Reads a path, `file:///path` or `s3://bucket/prefix?endpoint=...&region=...`.
    ///
    /// # Errors
    /// [`RemoteError::Url`]; secrets in a URL are refused, because it is stored and shown.
    pub fn parse(url: &str) -> Result<Self, RemoteError> {
        // The part before a `?` alone, so that a mistyped secret is not repeated.
        let shown = url.split('?').next().unwrap_or_default();
        let shown = match shown.rsplit_once('@') {
            Some((_, rest)) if shown.contains("://") => rest,
            _ => shown,
        };
        let wrong = |reason: &str| RemoteError::Url {
            url: shown.to_owned(),
            reason: reason.to_owned(),
        };
        if let Some(path) = url.strip_prefix("file://") {
            return match path.starts_with('/') {
                true => Ok(Self::Folder(path.into())),
                false => Err(wrong(
                    "`file://` takes an absolute path, as in `file:///data/store`",
                )),
            };
        }
        let Some(rest) = url.strip_prefix("s3://") else {
            return match url.split_once("://") {
                Some(_) => Err(wrong("use a path, `file:///path` or `s3://bucket/prefix`")),
                None if url.is_empty() => Err(wrong("it is empty")),
                None => Ok(Self::Folder(url.into())),
            };
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.contains('@') || bucket.contains(':') {
            return Err(wrong(
                "no user, secret or port belongs here; name a server with `?endpoint=http://host:port`",
            ));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(plain) {
            return Err(wrong("a bucket has 3 to 63 of `a-z`, `0-9`, `-` and `.`"));
        }
        let prefix = prefix.trim_matches('/').to_owned();
        if prefix
            .split('/')
            .any(|part| part == "." || part == ".." || part.is_empty())
            && !prefix.is_empty()
        {
            return Err(wrong("the prefix has an empty part or one of dots"));
        }
        if prefix
            .chars()
            .any(|c| !c.is_ascii_graphic() || "\\^`{}[]<>#%\"~|*".contains(c))
        {
            return Err(wrong("the prefix has a character that URLs spell differently"));
        }
        let (mut endpoint, mut region) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("endpoint", value)) => endpoint = Some(check_endpoint(value).map_err(wrong)?),
                Some(("region", value)) => region = Some(value.to_owned()),
                _ => return Err(wrong("only `endpoint` and `region` may follow the `?`")),
            }
        }
        Ok(Self::Bucket {
            bucket: bucket.to_owned(),
            prefix,
            endpoint,
            region,
        })
    }

    /// Tells whether it is a folder.
    pub fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }
}

/// Checks the address of a server.
pub(crate) fn check_endpoint(text: &str) -> Result<String, &'static str> {
    let text = text
        .replace("%3A", ":")
        .replace("%2F", "/")
        .replace("%3a", ":")
        .replace("%2f", "/");
    let host = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if host.contains('@') => Err("an endpoint holds no user or secret"),
        Some(host) if !host.trim_end_matches('/').is_empty() => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("an endpoint begins with `http://` or `https://`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Credentials;

    #[test]
    fn places_are_read_and_secrets_are_refused() {
        assert_eq!(
            Place::parse("/data/store").unwrap(),
            Place::Folder("/data/store".into())
        );
        assert_eq!(
            Place::parse("file:///data").unwrap(),
            Place::Folder("/data".into())
        );
        let place =
            Place::parse("s3://lab-store/a/b/?endpoint=http://127.0.0.1:9000/&region=eu-west-1").unwrap();
        let expected = Place::Bucket {
            bucket: "lab-store".into(),
            prefix: "a/b".into(),
            endpoint: Some("http://127.0.0.1:9000".into()),
            region: Some("eu-west-1".into()),
        };
        assert_eq!(place, expected);
        for url in [
            "",
            "file://x",
            "http://host/x",
            "s3://AB/x",
            "s3://bucket/a/../b",
            "s3://bucket/a b",
            "s3://key:secret-of-mine@bucket/x",
            "s3://bucket/x?secret_access_key=secret-of-mine",
            "s3://bucket/x?endpoint=http://key:secret-of-mine@host",
        ] {
            let error = Place::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret-of-mine"), "{error}");
        }
        let credentials = Credentials {
            variables: vec![("AWS_SECRET_ACCESS_KEY".into(), "secret-of-mine".into())],
        };
        assert_eq!(format!("{credentials:?}"), "[\"AWS_SECRET_ACCESS_KEY\"]");
    }
}
