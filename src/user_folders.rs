//! The user's own folders: for settings, and for what may be deleted at any time.

use std::path::PathBuf;

/// Returns the folder of the user's settings: `$XDG_CONFIG_HOME/mitune`, else `~/.config/mitune`.
pub(crate) fn config_folder() -> Option<PathBuf> {
    let base = absolute("XDG_CONFIG_HOME").or_else(|| home_folder().map(|home| home.join(".config")))?;
    Some(base.join("mitune"))
}

/// Returns the folder for what may be deleted at any time: `$XDG_CACHE_HOME/mitune`, else `~/.cache/mitune`, else one
/// in the temporary folder.
pub(crate) fn cache_folder() -> PathBuf {
    absolute("XDG_CACHE_HOME")
        .or_else(|| home_folder().map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("mitune")
}

/// Returns the user's home folder, which `~` stands for.
pub(crate) fn home_folder() -> Option<PathBuf> {
    absolute("HOME")
}

fn absolute(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}
