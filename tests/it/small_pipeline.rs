//! A pipeline of the real stages on a tiny model, run by the program itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{Ended, ended, real_command, run_real};
use crate::trial_model;

/// What the folder holds as `small.yaml`.
pub(crate) const PIPELINE: &str = "version: 1
name: small
model: model
stages:
  prompts: {kind: ingest, source: {inline: [a red circle, a green cross]}}
  candidates: {kind: generate, prompts: prompts, candidates_per_prompt: 2, sampler: {steps: 2, guidance: 2.0}}
  selection: {kind: select, candidates: candidates, top_k: 1}
  adapter: {kind: finetune, selection: selection, rank: 2, alpha: 2.0, batch_size: 2, steps: 3, learning_rate: 0.001,
            checkpoint_every: 1}
";

/// A folder with a pipeline and the model it needs.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        trial_model::write(&folder.path().join("model"));
        fs::write(folder.path().join("small.yaml"), PIPELINE).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn run(&self, more: &[&str]) -> Ended {
        run_real(
            self.path(),
            &[&["run", "small.yaml", "--device", "cpu"], more].concat(),
        )
    }

    /// Runs the pipeline, which must end with this exit code and say all of this.
    pub(crate) fn refused(&self, more: &[&str], code: i32, texts: &[&str]) {
        told(&self.run(more), code, texts);
    }

    /// Runs the program where no file may be larger than some blocks of 512 or 1024 bytes.
    ///
    /// This stands for a full disk: both fail in the middle of a write.
    pub(crate) fn limited(&self, blocks: u32, arguments: &str) -> Ended {
        let program = real_command(self.path(), &[]);
        let mut command = Command::new("sh");
        let script = format!("ulimit -f {blocks} && exec \"$0\" {arguments}");
        command.args(["-c", &script]).arg(program.get_program());
        command.current_dir(self.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.path().join("cache"));
        command.env_remove("MITUNE_STORE").env_remove("RUST_BACKTRACE");
        ended(command.output().unwrap())
    }

    /// Contents of all outputs by port.
    pub(crate) fn contents(&self) -> Vec<(String, String)> {
        let listed = run_real(self.path(), &["store", "ls", "--json"]);
        let listed: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let mut contents: Vec<_> = listed
            .iter()
            .map(|entry| (text(entry, "port"), text(entry, "content")))
            .collect();
        contents.sort();
        contents
    }

    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => collect(&path, files),
                    false => files.push(path),
                }
            }
        }
        let mut files = Vec::new();
        collect(&self.path().join(".mitune").join(folder), &mut files);
        files
    }
}

/// Checks the exit code and what was said.
pub(crate) fn told(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    for text in texts {
        assert!(ended.stderr.contains(text), "`{text}`: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);
}
