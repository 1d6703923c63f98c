//! Blobs on their way into a bucket.

use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::Ordering;

use object_store::{Error, MultipartUpload, ObjectStoreExt as _, PutMode};

use super::errors::{is_not_implemented, is_passing};
use super::{ATTEMPTS, Bucket, Object, PIECE, Remote as _, RemoteError, SINGLE};
use crate::files::AtPath;

impl Bucket {
    /// Uploads in one request.
    pub(super) fn upload_whole(&self, object: &Object, path: &Path, size: u64) -> Result<(), RemoteError> {
        let bytes = mitune_bounded_file::read(path, size).at("read", path)?;
        let mut attempt = 1;
        loop {
            let mode = match self.conditional.load(Ordering::Relaxed) {
                true => PutMode::Create,
                false => PutMode::Overwrite,
            };
            match self.put(object, &bytes, mode) {
                Ok(()) => return Ok(()),
                Err(error) if is_not_implemented(&error) => self.conditional.store(false, Ordering::Relaxed),
                // The name says what the bytes are, so the size tells a whole file from a broken one.
                Err(Error::AlreadyExists { .. }) => match self.size(object)? {
                    Some(there) if there == size => return Ok(()),
                    Some(_) => return self.overwrite(object, &bytes),
                    None if attempt < ATTEMPTS => self.rest(attempt),
                    None => return self.overwrite(object, &bytes),
                },
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => self.rest(attempt),
                Err(error) => return Err(self.failed("upload", object, error)),
            }
            attempt += 1;
        }
    }

    /// Uploads in the place of a blob that was found damaged.
    pub(super) fn upload_again(&self, object: &Object, path: &Path, size: u64) -> Result<(), RemoteError> {
        match size > SINGLE {
            true => self.upload_parts(object, path, size),
            false => self.overwrite(object, &mitune_bounded_file::read(path, size).at("read", path)?),
        }
    }

    /// Uploads in parts; nothing has the name before the last step.
    pub(super) fn upload_parts(&self, object: &Object, path: &Path, size: u64) -> Result<(), RemoteError> {
        let key = self.key(&object.to_string());
        let failed = |error| self.failed("upload", object, error);
        let begin = key.clone();
        let mut upload = self
            .ask(move |client| {
                let key = begin.clone();
                async move { client.put_multipart(&key).await }
            })
            .map_err(failed)?;
        let sent = self.send_parts(&mut upload, object, path);
        let (mut upload, result) = match sent {
            Ok(()) => {
                let finished = self.once(|_| async move {
                    let done = upload.complete().await.map(drop);
                    Ok((upload, done))
                });
                finished.map_err(failed)?
            }
            Err(error) => {
                // Parts that stay behind cost money until a rule of the bucket removes them.
                let _ = self.once(|_| async move { upload.abort().await });
                return Err(error);
            }
        };
        if let Err(error) = result {
            // The answer may have been lost after the parts were joined.
            if self.size(object)? != Some(size) {
                let _ = self.once(|_| async move { upload.abort().await });
                return Err(self.failed("upload", object, error));
            }
        }
        Ok(())
    }

    fn send_parts(
        &self,
        upload: &mut Box<dyn MultipartUpload>,
        object: &Object,
        path: &Path,
    ) -> Result<(), RemoteError> {
        let mut file = std::fs::File::open(path).at("read", path)?;
        loop {
            let mut part = Vec::new();
            (&mut file).take(PIECE).read_to_end(&mut part).at("read", path)?;
            if part.is_empty() {
                return Ok(());
            }
            let sending = upload.put_part(part.into());
            self.once(|_| sending)
                .map_err(|error| self.failed("upload", object, error))?;
        }
    }
}
