//! Where the user's own settings are kept.

use std::path::PathBuf;

/// Returns the folder of the user's settings: `$XDG_CONFIG_HOME/mitune`, else `~/.config/mitune`.
pub(crate) fn config_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(base.join("mitune"))
}
