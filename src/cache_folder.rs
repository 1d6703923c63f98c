//! Where things are kept that may be deleted at any time.

use std::path::PathBuf;

/// Returns the folder for what may be deleted at any time: `$XDG_CACHE_HOME/mitune`, else `~/.cache/mitune`, else one
/// in the temporary folder.
pub(crate) fn cache_folder() -> PathBuf {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("mitune")
}
