//! Models with random weights, written by the program.

use std::fs;
use std::path::Path;

use crate::program::{Ended, ended, real_command, run_real};

fn init(folder: &Path, name: &str, more: &[&str]) -> Ended {
    let arguments = [&["init-model", "--random-weights", name][..], more].concat();
    run_real(folder, &arguments)
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_written_model_makes_images() {
    let folder = tempfile::tempdir().unwrap();
    for arch in ["tiny-sd15", "tiny-sd21", "tiny-sdxl"] {
        let written = init(folder.path(), arch, &["--arch", arch, "--dtype", "f16", "--json"]);
        assert_eq!(written.code, Some(0), "{}", written.stderr);
        let told: serde_json::Value = serde_json::from_str(&written.stdout).unwrap();
        assert_eq!(told["architecture"], arch);
        assert_eq!(told["bytes"].as_u64(), told["parameters"].as_u64().map(|n| 2 * n));
        let out = format!("{arch}-images");
        let made = run_real(
            folder.path(),
            &[
                "generate",
                "--model",
                arch,
                "--prompt",
                "a red circle",
                "--steps",
                "2",
                "--scheduler",
                "ddim",
                "-n",
                "1",
                "--device",
                "cpu",
                "--out",
                &out,
            ],
        );
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        assert!(folder.path().join(out).join("0000.png").exists());
    }
}

#[test]
fn what_is_there_is_kept_and_what_is_unknown_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/notes.txt"), "mine").unwrap();
    let refused = init(folder.path(), "full", &["--arch", "tiny-sd15"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("`full` exists already"),
        "{}",
        refused.stderr
    );
    assert_eq!(entries(&folder.path().join("full")), ["notes.txt"]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let written = init(folder.path(), "empty", &["--arch", "tiny-sd15"]);
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    let unknown = init(folder.path(), "other", &["--arch", "sd3"]);
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown
            .stderr
            .contains("`sd3` is unknown, expected one of `sd15`"),
        "{}",
        unknown.stderr
    );
    assert_eq!(entries(folder.path()), ["empty", "full"]);
}

/// A limit on the size of files makes writes fail as a full disk does.
#[test]
#[cfg(unix)]
fn without_room_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let program = real_command(
        folder.path(),
        &["init-model", "--arch", "tiny-sd15", "--random-weights", "model"],
    );
    let limited = format!(
        "ulimit -f 40; exec '{}' init-model --arch tiny-sd15 --random-weights model",
        program.get_program().to_string_lossy()
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &limited]).current_dir(folder.path());
    let failed = ended(shell.output().unwrap());
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("diffusion_pytorch_model.safetensors"),
        "{}",
        failed.stderr
    );
    assert_eq!(entries(folder.path()), Vec::<String>::new());
}
