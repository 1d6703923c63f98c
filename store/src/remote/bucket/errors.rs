//! What the answers of a bucket mean.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

use super::super::RemoteError;
use super::runtime::GaveUp;

/// Explains a failed request.
pub(super) fn explain(
    place: &str,
    action: &'static str,
    object: &str,
    error: object_store::Error,
) -> RemoteError {
    let place = place.to_owned();
    let text = texts(&error);
    if text.contains("NoSuchBucket") {
        return RemoteError::NoBucket { place };
    }
    // The address of the service that gives credentials to a machine of AWS; elsewhere nobody is there.
    if text.contains("169.254.169.254") || text.contains("169.254.170.2") {
        let source = Box::new(error);
        return RemoteError::NoCredentials { place, source };
    }
    match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
            if !is_about_one_object(&text) =>
        {
            RemoteError::Denied {
                place,
                object: object.to_owned(),
                detail: code(&text).unwrap_or_default().to_owned(),
            }
        }
        error if is_transport(&error) => RemoteError::Unreachable {
            place,
            source: Box::new(error),
        },
        error => RemoteError::Failed {
            place,
            action,
            object: object.to_owned(),
            source: Box::new(error),
        },
    }
}

/// Tells whether the server says that it knows no conditional writes.
pub(super) fn is_not_implemented(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotImplemented { .. })
        || texts(error).contains("501 Not Implemented")
}

/// Tells whether the server refuses a request as one it cannot understand.
pub(super) fn is_not_understood(error: &object_store::Error) -> bool {
    let text = texts(error);
    ["400 Bad Request", "405 Method Not Allowed"]
        .iter()
        .any(|status| text.contains(status))
}

/// Tells whether the server answered with a whole file where a part was asked for.
pub(super) fn ignores_ranges(error: &object_store::Error) -> bool {
    texts(error).contains("non-partial response")
}

/// Tells whether asking again may help.
pub(super) fn is_passing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { .. })
        && !gave_up(error)
        && !texts(error).contains("169.254.")
        && !is_not_implemented(error)
        && !is_not_understood(error)
        && !ignores_ranges(error)
}

/// Tells whether it was this side that would not wait.
fn gave_up(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<GaveUp>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn is_transport(error: &(dyn Error + 'static)) -> bool {
    if gave_up(error) {
        return true;
    }
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return matches!(
                http.kind(),
                HttpErrorKind::Connect
                    | HttpErrorKind::Timeout
                    | HttpErrorKind::Request
                    | HttpErrorKind::Interrupted
            );
        }
        next = error.source();
    }
    false
}

fn texts(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&error.to_string());
        text.push('\n');
        next = error.source();
    }
    text
}

/// Tells whether a refusal is that of one object: in an archive, or under a key of its own.
fn is_about_one_object(text: &str) -> bool {
    code(text).is_some_and(|code| code == "InvalidObjectState" || code.starts_with("KMS"))
}

/// Finds the code in an answer such as `<Error><Code>SignatureDoesNotMatch</Code>`.
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    code.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        .then_some(code)
}
