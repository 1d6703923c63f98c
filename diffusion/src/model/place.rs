//! Where a model lies: what people name in place of its folder.

use std::path::{Path, PathBuf};

use super::place_error::{FileKind, FolderKind, PlaceError};
use crate::input_file::{Contents, InputFileError, is_there, open_file, read_file};

const INDEX: &str = "model_index.json";

/// The folder with the model that a name stands for.
///
/// # Errors
/// When there is none, with what is there instead.
pub(super) fn locate(path: &Path) -> Result<PathBuf, PlaceError> {
    if !is_there(path) {
        return Err(PlaceError::Missing {
            path: path.to_owned(),
        });
    }
    if is_there(&path.join(INDEX)) {
        return Ok(path.to_owned());
    }
    if !path.is_dir() {
        // Also tells links that lead nowhere, and what is neither file nor folder.
        open_file(path)?;
        return Err(PlaceError::File {
            path: path.to_owned(),
            kind: FileKind::of(path),
        });
    }
    match FolderKind::of(path)? {
        FolderKind::Snapshots(names) if names.len() == 1 => locate(&path.join("snapshots").join(&names[0])),
        kind => Err(PlaceError::Folder {
            path: path.to_owned(),
            kind,
        }),
    }
}

impl FileKind {
    fn of(path: &Path) -> Self {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let found = first_bytes(path).and_then(|bytes| Contents::of(&bytes));
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        match found {
            _ if name == INDEX => Self::Index,
            Some(Contents::Safetensors) => Self::SingleFile,
            Some(Contents::ZipArchive | Contents::Pickle) => Self::Pickle,
            Some(other) => Self::Other(other),
            None if ends(&[".ckpt", ".pt", ".pth", ".bin"]) => Self::Pickle,
            None if ends(&[".safetensors"]) => Self::SingleFile,
            None => Self::Unknown,
        }
    }
}

fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let (file, _) = open_file(path).ok()?;
    let mut bytes = Vec::new();
    file.take(512).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

impl FolderKind {
    fn of(folder: &Path) -> Result<Self, PlaceError> {
        let names = names_in(folder)?;
        let has = |name: &str| names.iter().any(|found| found == name);
        let ends = |end: &str| names.iter().find(|name| name.ends_with(end)).cloned();
        let models: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with("models--"))
            .cloned()
            .collect();
        if names.is_empty() {
            return Ok(Self::Empty);
        }
        if has("snapshots") && folder.join("snapshots").is_dir() {
            let snapshots = folder.join("snapshots");
            let mut states = names_in(&snapshots)?;
            states.retain(|name| snapshots.join(name).is_dir());
            // The state that the hub calls by the name of its main branch is the one that libraries take.
            let main = read_file(&folder.join("refs/main"), 1024).unwrap_or_default();
            let main = String::from_utf8_lossy(main.trim_ascii()).into_owned();
            if states.contains(&main) {
                states = vec![main];
            }
            return Ok(Self::Snapshots(states));
        }
        if !models.is_empty() {
            return Ok(Self::Cache(models));
        }
        if has("adapter_config.json") || names.iter().any(|name| name.starts_with("pytorch_lora_weights")) {
            return Ok(Self::Adapter);
        }
        let above = folder
            .canonicalize()
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned));
        if let Some(above) = above.filter(|above| is_there(&above.join(INDEX))) {
            return Ok(Self::Component(above));
        }
        let mut inside = names
            .iter()
            .map(|name| folder.join(name))
            .filter(|path| is_there(&path.join(INDEX)));
        if let (Some(model), None) = (inside.next(), inside.next()) {
            return Ok(Self::Around(model));
        }
        Ok(ends(".safetensors")
            .or_else(|| ends(".ckpt"))
            .map_or(Self::Unknown, Self::SingleFile))
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>, PlaceError> {
    let entries = std::fs::read_dir(folder).map_err(|source| InputFileError::Read {
        path: folder.to_owned(),
        source,
    })?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    Ok(names)
}
