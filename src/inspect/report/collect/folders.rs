//! Taking the folders of the machine out of what a page says.

/// Characters after which a path may begin.
const BEFORE: &str = "\"'`=([{<,;:|";

/// Characters that end a path that no quote encloses.
const AFTER: &str = "\"'`)]}>,;|";

/// Replaces absolute paths by their last component, so that a page can be passed on and does not depend on the machine.
///
/// Addresses such as `scheme://host/path` and single slashes stay.
pub(super) fn without_folders(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(first) = rest.chars().next() {
        let length = match before.is_none_or(|before| before.is_whitespace() || BEFORE.contains(before)) {
            true => path_length(rest, before),
            false => None,
        };
        let (part, shown) = match length {
            Some(length) => (&rest[..length], last_component(&rest[..length])),
            None => (&rest[..first.len_utf8()], &rest[..first.len_utf8()]),
        };
        kept.push_str(shown);
        before = part.chars().next_back();
        rest = &rest[part.len()..];
    }
    kept
}

/// Returns how many bytes of the text are an absolute path, if it begins with one of at least two components.
fn path_length(text: &str, before: Option<char>) -> Option<usize> {
    let mut letters = text.chars();
    let root = match (letters.next()?, letters.next()?, letters.next()) {
        ('/', second, _) if second != '/' => 1,
        ('~', '/', _) => 2,
        (drive, ':', Some('\\' | '/')) if drive.is_ascii_alphabetic() && !text[2..].starts_with("//") => 3,
        _ => return None,
    };
    let quote = before.filter(|before| "\"'`".contains(*before));
    let enclosed = quote.and_then(|quote| text.find(quote));
    let bare = |letter: char| letter.is_whitespace() || AFTER.contains(letter);
    let length = enclosed.unwrap_or_else(|| text.find(bare).unwrap_or(text.len()));
    let components = text.get(root..length)?.trim_end_matches(['/', '\\']);
    (root > 1 || components.contains('/')).then_some(length)
}

fn last_component(path: &str) -> &str {
    let path = path.trim_end_matches(['/', '\\']);
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::without_folders;

    #[test]
    fn absolute_paths_lose_their_folders() {
        for (text, expected) in [
            ("/home/me/study.yaml", "study.yaml"),
            (
                "Cannot read `/home/me and you/a.txt`: no",
                "Cannot read `a.txt`: no",
            ),
            ("model=/data/models/sd/", "model=sd"),
            ("see (~/runs/a.html), C:\\Users\\me\\b.txt", "see (a.html), b.txt"),
            ("/a/b/c,/d/e", "c,e"),
        ] {
            assert_eq!(without_folders(text), expected, "{text}");
        }
    }

    #[test]
    fn other_slashes_stay() {
        for text in [
            "",
            "/",
            "and/or",
            "a / b",
            "pipelines/study.yaml",
            "../models/shapes",
            "scheme://host/path/file",
            "\"/open quote/ends here",
            "3 images/s, \u{e9}/\u{e8}/\u{1f600}",
        ] {
            assert_eq!(without_folders(text), text);
        }
    }
}
