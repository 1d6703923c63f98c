//! The files that the paths of a source stand for: themselves, what a pattern matches, or what a folder holds.

use std::ffi::{OsStr, OsString};
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
pub(crate) struct FilePaths<'a> {
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
    pub(crate) fn expand(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, PromptsError> {
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
    pub(crate) fn at_home(&self, path: &Path) -> Result<PathBuf, PromptsError> {
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

    /// What a pattern matches, relative to the base where the pattern is; names that are no UTF-8 match as they are shown.
    fn matches(&self, given: &Path, pattern: &Path) -> Result<Vec<PathBuf>, PromptsError> {
        let mut found = vec![PathBuf::new()];
        for component in pattern.components() {
            let Component::Normal(name) = component else {
                found.iter_mut().for_each(|path| path.push(component));
                continue;
            };
            let name = name.to_string_lossy();
            let wanted = Pattern::new(&name)
                .map_err(|error| self.setting(given, format!("is no pattern: {error}")))?;
            found = match (&*name, name.contains(['*', '?', '['])) {
                ("**", _) => self.below(found)?,
                (_, true) => self.inside(&found, &wanted)?,
                (name, false) => {
                    let paths = found.into_iter().map(|path| path.join(name));
                    paths.filter(|path| self.exists(path)).collect()
                }
            };
        }
        Ok(found)
    }

    fn exists(&self, path: &Path) -> bool {
        self.base.join(path).symlink_metadata().is_ok()
    }

    /// What is in some folders and matches.
    fn inside(&self, folders: &[PathBuf], wanted: &Pattern) -> Result<Vec<PathBuf>, PromptsError> {
        let mut found = Vec::new();
        for folder in folders.iter().filter(|folder| self.base.join(folder).is_dir()) {
            for name in self.names(folder)? {
                if wanted.matches_with(&name.to_string_lossy(), OPTIONS) {
                    found.push(folder.join(name));
                }
            }
            if found.len() > MOST_FILES {
                break;
            }
        }
        Ok(found)
    }

    /// Some folders, and all below them that are not hidden, without following links.
    fn below(&self, mut folders: Vec<PathBuf>) -> Result<Vec<PathBuf>, PromptsError> {
        folders.retain(|folder| self.base.join(folder).is_dir());
        let mut done = 0;
        while done < folders.len() && folders.len() <= MOST_FILES {
            for name in self.names(&folders[done])? {
                let path = folders[done].join(&name);
                let kind = self.base.join(&path).symlink_metadata();
                if !name.to_string_lossy().starts_with('.') && kind.is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                }
            }
            done += 1;
        }
        Ok(folders)
    }

    fn names(&self, folder: &Path) -> Result<Vec<OsString>, PromptsError> {
        let full = self.base.join(folder);
        let entries = std::fs::read_dir(&full).map_err(PromptsError::read(&full))?;
        entries
            .map(|entry| Ok(entry.map_err(PromptsError::read(&full))?.file_name()))
            .collect()
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
            found(&["**/[x-z].[tT]*"]),
            ["data/sub/x.TXT", "data/sub/y.txt.gz", "data/z.txt"]
        );
        assert_eq!(found(&["d*ta/../a.txt"]), ["data/../a.txt"]);
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
    fn names_that_are_no_utf8_match_as_they_are_shown() {
        use std::os::unix::ffi::OsStrExt as _;
        let files = filled();
        let name = OsStr::from_bytes(b"caf\xe9.txt");
        fs::write(files.path().join("data").join(name), "a red car\n").expect("a file");
        let found = |path: &str| names(&files, &[path]).expect("files").len();
        assert_eq!((found("data/c*.txt"), found("**/c*.txt")), (1, 1));
        assert_eq!(found("data/*.txt"), 3);
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
