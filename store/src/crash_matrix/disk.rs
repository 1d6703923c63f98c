//! What a disk may hold after the power failed.
//!
//! A model of POSIX without the favours of any one file system. The bytes of a file are safe once it was synced, a
//! name once its directory was; everything later may be there, be missing, or be there in part, and each name on its
//! own. Only a rename is one step: where the old name is gone, the new one is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::chance::Chance;
use super::journal::{Mutation, Node};

#[derive(Debug, Clone, Default)]
struct FileState {
    current: Vec<u8>,
    durable: Vec<u8>,
    poisoned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Absent,
    File(Node),
    /// An index into the directories.
    Directory(usize),
}

/// What a name stood for, from the durable state on, each with the number of the mutation that made it so.
type History = Vec<(usize, Target)>;

/// A directory and a name in it.
type Place = (usize, String);

#[derive(Debug, Clone, Default)]
struct DirectoryState {
    names: BTreeMap<String, History>,
}

#[derive(Debug, Clone)]
pub(super) struct Disk {
    files: BTreeMap<Node, FileState>,
    directories: Vec<DirectoryState>,
    renames: Vec<(usize, Place, Place)>,
    mutations: usize,
}

impl Disk {
    /// An empty place whose own name is durable.
    pub(super) fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            directories: vec![DirectoryState::default()],
            renames: Vec::new(),
            mutations: 0,
        }
    }

    pub(super) fn apply(&mut self, mutation: &Mutation) {
        self.mutations += 1;
        match mutation {
            Mutation::Create { path, node } => {
                self.files.insert(*node, FileState::default());
                self.set(path, Target::File(*node));
            }
            Mutation::Append { node, bytes } => self.file(*node).current.extend_from_slice(bytes),
            Mutation::SetLength { node, bytes } => self.file(*node).current.resize(*bytes as usize, 0),
            Mutation::Sync { node } => sync(self.file(*node)),
            Mutation::SyncFailed { node } => poison(self.file(*node)),
            Mutation::SyncEverything => {
                self.files.values_mut().for_each(sync);
                self.directories.iter_mut().for_each(forget_the_past);
                self.renames.clear();
            }
            Mutation::SyncEverythingFailed => self.files.values_mut().for_each(poison),
            Mutation::SyncDirectory { path } => {
                let directory = self.directory(path);
                forget_the_past(&mut self.directories[directory]);
            }
            Mutation::CreateDirectory { path } => {
                self.directories.push(DirectoryState::default());
                self.set(path, Target::Directory(self.directories.len() - 1));
            }
            Mutation::Link { from, to } => {
                let target = self.target(from);
                self.set(to, target);
            }
            Mutation::Rename { from, to } => {
                let target = self.target(from);
                let ends = (self.place(from), self.place(to));
                self.renames.push((self.mutations, ends.0, ends.1));
                self.set(from, Target::Absent);
                self.set(to, target);
            }
            Mutation::Remove { path } => self.set(path, Target::Absent),
            Mutation::Damage { node, bytes } => {
                let file = self.file(*node);
                file.current.clone_from(bytes);
                file.durable.clone_from(bytes);
            }
        }
    }

    /// Puts a state the disk may have after a power failure now into an empty directory.
    pub(super) fn crash(&self, chance: &mut Chance, into: &Path) {
        // Some crashes lose all that may be lost, some nothing, the others by chance.
        let mood = chance.below(6);
        let mut chosen: Vec<BTreeMap<&str, usize>> = Vec::new();
        for directory in &self.directories {
            let choose = |(name, history): (&'_ String, &History)| {
                let last = history.len() - 1;
                let index = match mood {
                    0 => 0,
                    1 => last,
                    _ => chance.below(last + 1),
                };
                (name.clone(), index)
            };
            let indices: BTreeMap<String, usize> = directory.names.iter().map(choose).collect();
            let names = directory.names.keys();
            chosen.push(names.map(|name| (name.as_str(), indices[name])).collect());
        }
        self.keep_renames_whole(&mut chosen);
        let mut written = BTreeMap::new();
        self.write_directory(0, &chosen, (mood, chance), into, &mut written);
    }

    fn keep_renames_whole<'d>(&'d self, chosen: &mut [BTreeMap<&'d str, usize>]) {
        loop {
            let mut changed = false;
            for (number, from, to) in &self.renames {
                let old = &self.directories[from.0].names[&from.1];
                let new = &self.directories[to.0].names[&to.1];
                let gone = old[chosen[from.0][from.1.as_str()]].0 >= *number;
                let there = new[chosen[to.0][to.1.as_str()]].0 >= *number;
                if gone
                    && !there
                    && let Some(index) = new.iter().position(|(made, _)| made >= number)
                {
                    chosen[to.0].insert(to.1.as_str(), index);
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn write_directory(
        &self,
        directory: usize,
        chosen: &[BTreeMap<&str, usize>],
        (mood, chance): (usize, &mut Chance),
        into: &Path,
        written: &mut BTreeMap<Node, PathBuf>,
    ) {
        for (name, history) in &self.directories[directory].names {
            let path = into.join(name);
            match history[chosen[directory][name.as_str()]].1 {
                Target::Absent => {}
                Target::Directory(inner) => {
                    std::fs::create_dir(&path).unwrap();
                    self.write_directory(inner, chosen, (mood, chance), &path, written);
                }
                Target::File(node) => match written.get(&node) {
                    Some(first) => std::fs::hard_link(first, &path).unwrap(),
                    None => {
                        std::fs::write(&path, contents(&self.files[&node], mood, chance)).unwrap();
                        written.insert(node, path);
                    }
                },
            }
        }
    }

    fn file(&mut self, node: Node) -> &mut FileState {
        self.files.entry(node).or_default()
    }

    fn target(&self, path: &Path) -> Target {
        let (directory, name) = self.place(path);
        let history = self.directories[directory].names.get(&name);
        history
            .and_then(|history| history.last())
            .map_or(Target::Absent, |(_, target)| *target)
    }

    fn directory(&self, path: &Path) -> usize {
        if path.as_os_str().is_empty() {
            return 0;
        }
        match self.target(path) {
            Target::Directory(index) => index,
            other => panic!("{} is {other:?}", path.display()),
        }
    }

    fn place(&self, path: &Path) -> Place {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (self.directory(path.parent().unwrap()), name)
    }

    fn set(&mut self, path: &Path, target: Target) {
        let (directory, name) = self.place(path);
        let names = &mut self.directories[directory].names;
        let history = names.entry(name).or_insert_with(|| vec![(0, Target::Absent)]);
        history.push((self.mutations, target));
    }
}

fn sync(file: &mut FileState) {
    if !file.poisoned {
        file.durable.clone_from(&file.current);
    }
}

fn poison(file: &mut FileState) {
    file.poisoned |= file.durable != file.current;
}

fn forget_the_past(directory: &mut DirectoryState) {
    for history in directory.names.values_mut() {
        history.drain(..history.len() - 1);
    }
}

/// Draws the bytes of a file: what was not synced may be gone, cut anywhere, or read as zeros from some block on.
fn contents(file: &FileState, mood: usize, chance: &mut Chance) -> Vec<u8> {
    if file.current == file.durable {
        return file.current.clone();
    }
    let mut bytes = file.current.clone();
    match (mood, chance.below(4)) {
        (0, _) | (2.., 0) => bytes.clone_from(&file.durable),
        (1, _) | (2.., 1) => {}
        (_, 2) => {
            bytes.truncate(file.durable.len() + chance.below(bytes.len().saturating_sub(file.durable.len())))
        }
        _ => {
            let start = (chance.below(bytes.len()) / 512 * 512).max(file.durable.len().min(bytes.len()));
            bytes[start..].fill(0);
        }
    }
    bytes
}
