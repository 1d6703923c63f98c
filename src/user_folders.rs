//! Where the user's own settings are kept.

use std::path::PathBuf;

/// Returns the folder of the user's settings: `$XDG_CONFIG_HOME/mitune`, else `~/.config/mitune`.
pub(crate) fn config_folder() -> Option<PathBuf> {
    let base = absolute("XDG_CONFIG_HOME").or_else(|| home_folder().map(|home| home.join(".config")))?;
    Some(base.join("mitune"))
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
