//! The files that the paths of a source stand for: themselves, what a pattern matches, or what a folder holds.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::error::PromptsError;

/// Most files of a source.
const MOST_FILES: usize = 100_000;

/// Deepest folder below one that is given.
const DEEPEST: usize = 32;

/// `*` and `?` match no `/`, and no hidden file unless the pattern has its dot.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Where paths start, and which files of a folder count.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilePaths<'a> {
    /// Where relative paths start.
    pub base: &'a Path,
    /// What `~` stands for.
    pub home: Option<&'a Path>,
    /// How the names of files end that a folder is searched for.
    pub endings: &'a [&'a str],
}

impl FilePaths<'_> {
    /// The files of all paths: each path's own in the order of their names, whatever the order of the file system.
    ///
    /// A path that is there is taken as it is, whatever characters it has. One that is not there and has no `*`, `?` or
    /// `[` stays as it is, so that whoever opens it says that it is missing.
    ///
    /// # Errors
    /// A pattern that matches nothing or is none, a folder without files of the kind, a folder that cannot be read, or
    /// `~` without a home folder.
    pub(super) fn expand(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, PromptsError> {
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            self.expand_one(path, &mut files)?;
            if files.len() > MOST_FILES {
                return Err(self.setting(path, format!("stands for more than {MOST_FILES} files")));
            }
        }
        Ok(files)
    }

    /// A path with the home folder in place of `~`.
    pub(super) fn at_home(&self, path: &Path) -> Result<PathBuf, PromptsError> {
        let mut components = path.components();
        match (components.next(), self.home) {
            (Some(Component::Normal(first)), Some(home)) if first == "~" => {
                Ok(home.join(components.as_path()))
            }
            (Some(Component::Normal(first)), None) if first == "~" => Err(self.setting(
                path,
                "begins with `~`, and no home folder is known; set HOME".to_owned(),
            )),
            _ => Ok(path.to_owned()),
        }
    }

    fn expand_one(&self, given: &Path, files: &mut Vec<PathBuf>) -> Result<(), PromptsError> {
        let path = self.at_home(given)?;
        let full = self.base.join(&path);
        let text = path.to_string_lossy();
        if full.is_dir() {
            return self.folder(given, &path, files);
        }
        if full.symlink_metadata().is_ok() || !text.contains(['*', '?', '[']) {
            files.push(path);
            return Ok(());
        }
        let mut matched = self.matches(given, &path)?;
        matched.sort();
        let before = files.len();
        for path in matched {
            match self.base.join(&path).is_dir() {
                // What is beside the files of a pattern may be anything.
                true => drop(self.folder(given, &path, files)),
                false => files.push(path),
            }
        }
        match files.len() > before {
            true => Ok(()),
            false => Err(self.setting(given, "matches no file".to_owned())),
        }
    }

    /// What a pattern matches, relative to the base where the pattern is.
    fn matches(&self, given: &Path, pattern: &Path) -> Result<Vec<PathBuf>, PromptsError> {
        let pattern = pattern.to_string_lossy();
        let absolute = Path::new(&*pattern).is_absolute();
        let base = self.base.to_str().filter(|base| !absolute && !base.is_empty());
        let whole = match base {
            None => pattern.into_owned(),
            Some(base) => format!("{}/{pattern}", Pattern::escape(base)),
        };
        let found = glob::glob_with(&whole, OPTIONS)
            .map_err(|error| self.setting(given, format!("is no pattern: {error}")))?;
        let mut paths = Vec::new();
        for path in found.take(MOST_FILES + 1) {
            let path = path.map_err(|error| PromptsError::Read {
                path: error.path().to_owned(),
                source: error.into(),
            })?;
            let relative = base.and_then(|base| path.strip_prefix(base).ok());
            paths.push(relative.unwrap_or(&path).to_owned());
        }
        Ok(paths)
    }

    /// The files of a folder and of the folders in it, but for those that begin with a dot or a line, as everybody who
    /// writes tables into folders leaves them out.
    fn folder(&self, given: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), PromptsError> {
        let mut found = Vec::new();
        let mut open = vec![(folder.to_owned(), 0)];
        while let Some((folder, depth)) = open.pop() {
            let full = self.base.join(&folder);
            let entries = std::fs::read_dir(&full).map_err(PromptsError::read(&full))?;
            for entry in entries {
                let entry = entry.map_err(PromptsError::read(&full))?;
                let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
                let hidden = name.to_string_lossy().starts_with(['.', '_']);
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if hidden {
                    continue;
                }
                if is_folder && depth < DEEPEST {
                    open.push((path, depth + 1));
                } else if !is_folder && self.fits(&name) {
                    found.push(path);
                }
            }
            if found.len() > MOST_FILES {
                break;
            }
        }
        if found.is_empty() {
            let endings = self.endings.join("`, `");
            return Err(self.setting(
                given,
                format!("is a folder without files that end in `{endings}`"),
            ));
        }
        found.sort();
        files.append(&mut found);
        Ok(())
    }

    fn fits(&self, name: &OsStr) -> bool {
        let name = name.to_string_lossy().to_ascii_lowercase();
        let plain = [".gz", ".zst"]
            .iter()
            .find_map(|packed| name.strip_suffix(packed));
        let name = plain.unwrap_or(&name);
        self.endings.iter().any(|ending| name.ends_with(ending))
    }

    fn setting(&self, path: &Path, problem: String) -> PromptsError {
        PromptsError::Path {
            path: path.to_owned(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::fixture::{Files, message};
    use super::*;

    fn names(files: &Files, paths: &[&str]) -> Result<Vec<String>, PromptsError> {
        let home = files.path().join("home");
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        let expander = FilePaths {
            base: files.path(),
            home: Some(&home),
            endings: &[".txt"],
        };
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Ok(expander.expand(&paths)?.into_iter().map(text).collect())
    }

    fn filled() -> Files {
        let files = Files::new();
        for name in [
            "b.txt",
            "a.txt",
            "c.csv",
            "d[1].txt",
            "data/z.txt",
            "data/sub/y.txt.gz",
            "data/sub/x.TXT",
            "data/.hidden.txt",
            "data/_metadata.txt",
            "data/note.md",
            ".secret.txt",
            "home/h.txt",
            "empty/note.md",
        ] {
            files.write(name, "a red car\n");
        }
        files
    }

    #[test]
    fn patterns_and_folders_stand_for_their_files_in_order() {
        let files = filled();
        let found = |paths: &[&str]| names(&files, paths).expect("files");
        assert_eq!(found(&["b.txt", "a.txt"]), ["b.txt", "a.txt"]);
        assert_eq!(found(&["*.txt"]), ["a.txt", "b.txt", "d[1].txt"]);
        assert_eq!(found(&["d[1].txt"]), ["d[1].txt"]);
        assert_eq!(found(&["[ab].txt", "?.csv"]), ["a.txt", "b.txt", "c.csv"]);
        assert_eq!(
            found(&["data"]),
            ["data/sub/x.TXT", "data/sub/y.txt.gz", "data/z.txt"]
        );
        assert_eq!(found(&["data/**/*.txt"]), ["data/_metadata.txt", "data/z.txt"]);
        assert_eq!(
            found(&["d*ta"]),
            ["data/sub/x.TXT", "data/sub/y.txt.gz", "data/z.txt"]
        );
        assert_eq!(found(&["none.txt"]), ["none.txt"]);
        let home = files.path().join("home/h.txt").to_string_lossy().into_owned();
        for path in ["~/h.txt", "~", "~/*.txt"] {
            assert_eq!(found(&[path]), [home.as_str()], "{path}");
        }
    }

    #[test]
    fn what_stands_for_nothing_is_an_error() {
        let files = filled();
        for (path, words) in [
            ("none*.txt", "Path `none*.txt` matches no file"),
            (
                "empty",
                "Path `empty` is a folder without files that end in `.txt`",
            ),
            ("a[.txt", "Path `a[.txt` is no pattern"),
            ("***", "Path `***` is no pattern"),
        ] {
            let found = message(names(&files, &[path]));
            assert!(found.starts_with(words), "{found}");
        }
        let expander = FilePaths {
            base: files.path(),
            home: None,
            endings: &[".txt"],
        };
        let found = message(expander.expand(&[PathBuf::from("~/a.txt")]));
        assert!(found.contains("no home folder is known"), "{found}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_holds_itself_ends() {
        let files = filled();
        std::os::unix::fs::symlink("..", files.path().join("data/loop")).expect("a link");
        assert_eq!(names(&files, &["data"]).expect("files").len(), 3);
        fs::create_dir_all(files.path().join("a*")).expect("a folder");
        files.write("a*/q.txt", "a red car\n");
        assert_eq!(names(&files, &["a*"]).expect("files"), ["a*/q.txt"]);
    }
}
