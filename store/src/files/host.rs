//! Which host this is, and which start of it.

/// Returns the first digits of what tells this start of the host from others; empty where nothing does.
pub(crate) fn boot_id() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot.chars().filter(char::is_ascii_hexdigit).take(12).collect()
}

/// Returns the host name with everything but letters, digits and `-` replaced, so that it can be part of a file name.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    };
    name.chars().take(64).map(safe).collect()
}
