//! What people name in place of a model's folder.

use super::*;

fn refused(path: &Path) -> (String, String) {
    let error = ModelDirectory::open(path).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default())
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn files_are_named_for_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let weights = crate::nn::weights::encode_safetensors(&TensorMap::new(), None).unwrap();
    for (name, bytes, words, remedy) in [
        (
            "v1.safetensors",
            &weights[..],
            "single-file checkpoint",
            "from_single_file",
        ),
        ("v1.ckpt", b"x", "pickle format", "from_single_file"),
        ("v2.ckpt", b"PK\x03\x04xx", "pickle format", "from_single_file"),
        (
            "model_index.json",
            b"{}",
            "list of a model's components",
            "Give its folder",
        ),
        (
            "model.zip",
            b"version https://git-lfs.github.com/spec/v1",
            "Git LFS pointer",
            "git lfs pull",
        ),
        ("page", b"<!doctype html>", "web page", "Download"),
        ("notes.txt", b"x", "folder as diffusers writes it", ""),
    ] {
        let path = folder.path().join(name);
        write(&path, bytes);
        let (message, hint) = refused(&path);
        let start = format!("`{}` is a file, not the folder of a model: ", path.display());
        assert!(
            message.starts_with(&start) && message.contains(words),
            "{message}"
        );
        assert!(hint.contains(remedy), "{hint}");
    }
}

#[test]
fn folders_are_named_for_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    tiny(folder.path()).write(&at("around/model"), None).unwrap();
    std::fs::create_dir(at("empty")).unwrap();
    write(&at("lora/pytorch_lora_weights.safetensors"), b"x");
    write(&at("single/v1-5.safetensors"), b"x");
    write(&at("hub/models--a--b/snapshots/0/x"), b"x");
    write(&at("other/notes.txt"), b"x");
    std::fs::create_dir_all(at("cut/snapshots")).unwrap();
    for (path, words, remedy) in [
        ("empty", "; it is empty", ""),
        ("lora", "; it is an adapter", "--adapter"),
        (
            "single",
            "`v1-5.safetensors` in it is a single-file checkpoint",
            "from_single_file",
        ),
        ("hub", "the cache of a hub, with `models--a--b`", "models--a--b"),
        ("cut", "without any snapshot", "Download"),
        ("around", "a model is inside, in", "around/model"),
        ("around/model/unet", "it is one component of", "around/model"),
        ("other", "it has no `model_index.json`", ""),
    ] {
        let (message, hint) = refused(&at(path));
        assert!(
            message.contains("is not a model folder") && message.contains(words),
            "{message}"
        );
        assert!(hint.contains(remedy), "{hint}");
    }
}

#[test]
fn the_snapshot_in_a_cache_of_a_hub_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    tiny(folder.path()).write(&at("plain"), None).unwrap();
    std::fs::create_dir_all(at("cached/snapshots")).unwrap();
    std::fs::rename(at("plain"), at("cached/snapshots/0a")).unwrap();
    let model = ModelDirectory::open(&at("cached")).unwrap();
    assert_eq!(model.path(), at("cached/snapshots/0a"));
    std::fs::create_dir(at("cached/snapshots/0b")).unwrap();
    let (message, hint) = refused(&at("cached"));
    assert!(message.contains("with the snapshots `0a`, `0b`"), "{message}");
    assert!(hint.contains("snapshots/0a"), "{hint}");
    write(&at("cached/refs/main"), b"0a\n");
    assert_eq!(
        ModelDirectory::open(&at("cached")).unwrap().path(),
        at("cached/snapshots/0a")
    );
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_told_from_what_is_missing() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    symlink("nowhere", at("dead")).unwrap();
    assert!(refused(&at("dead")).0.contains("is a link to `nowhere`"));
    std::fs::create_dir(at("model")).unwrap();
    symlink("model_index.json", at("model/model_index.json")).unwrap();
    let (message, _) = refused(&at("model"));
    assert!(
        message.starts_with("Cannot read") && message.contains("model_index.json"),
        "{message}"
    );
    std::fs::remove_file(at("model/model_index.json")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(at("model/model_index.json"))
        .status();
    if made.is_ok_and(|status| status.success()) {
        assert!(refused(&at("model")).0.contains("a pipe or device"));
    }
}
