use super::*;

#[test]
fn what_lies_in_place_of_a_file_is_named() {
    for (bytes, expected) in [
        (&b""[..], Some(Contents::Empty)),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
            Some(Contents::GitLfsPointer),
        ),
        (b"<!DOCTYPE html><html>", Some(Contents::WebPage)),
        (b"\n  <HTML lang=en>", Some(Contents::WebPage)),
        (b"<?xml version=\"1.0\"?><Error>", Some(Contents::Xml)),
        (b"PK\x03\x04aaaa", Some(Contents::ZipArchive)),
        (b"\x80\x02}q\x00", Some(Contents::Pickle)),
        (b"{\"error\": \"Unauthorized\"}", Some(Contents::Json)),
        (b"GGUF\x03\0\0\0", Some(Contents::Gguf)),
        (b"\x1f\x8b\x08\0", Some(Contents::Compressed)),
        (b"\x10\0\0\0\0\0\0\0{}", Some(Contents::Safetensors)),
        (b"\xff\xfe{\0", Some(Contents::Utf16)),
        (&[0; 64], Some(Contents::Zeros)),
        (b"a b\n", None),
    ] {
        assert_eq!(Contents::of(bytes), expected, "{bytes:?}");
    }
}

/// Answers of servers in place of files, and lengths and lists of tokens that look like them.
#[test]
fn plain_text_is_told_where_none_is_expected() {
    let long = "\u{e9}".repeat(400);
    for (bytes, expected) in [
        (&b"Entry not found"[..], Some(Contents::Text)),
        (b"Not found\r\n", Some(Contents::Text)),
        (&b"x".repeat(9)[..], Some(Contents::Text)),
        // 512 bytes end within a character.
        (format!("x{long}").as_bytes(), Some(Contents::Text)),
        (b"@", None),
        (b"\x40\0\0\0\0\0\0\0 ", None),
        (b"Entry not f\xff", None),
        (b"{\"a\": 1}  ", Some(Contents::Json)),
    ] {
        assert_eq!(Contents::of_anything(bytes), expected, "{bytes:?}");
    }
    let hint = Contents::Text.hint().unwrap();
    assert!(hint.contains("not found or not allowed"), "{hint}");
}

#[test]
fn json_is_an_object_with_or_without_a_byte_order_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        read_object(&path)
    };
    assert_eq!(read(b"{\"a\": 1}").unwrap()["a"], 1);
    assert_eq!(read(b"\xef\xbb\xbf{\"a\": 1}").unwrap()["a"], 1);
    assert!(read(b"{\"a\": -Infinity}").unwrap()["a"].is_null());
    for (bytes, words) in [
        (&b"[1]"[..], "holds a list"),
        (b"3", "holds a number"),
        (b"", "is empty"),
        (b"{\"a\": 1,}", "is not valid JSON"),
        (b"{\"a\": NaN}", "is not valid JSON"),
        (b"Entry not found", "is plain text, expected a JSON file"),
        (b"\xff\xfe{\0}\0", "UTF-16"),
        (b"\xc3\x28", "is no text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("config.json"), "{error}");
    }
    // The place is that of the text as it stands, behind words that are understood.
    let error = read(b"{\"a\": -Infinity, \"b\": NaN}").unwrap_err();
    let InputFileError::Json { source, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        source.to_string(),
        "`b` is `NaN`, which is no number in JSON (line 1, column 23)"
    );
    let hole = read(b"{\"a\": \0\0\0\0").unwrap_err();
    assert!(hole.hint().unwrap().starts_with("Download it again"));
}

#[test]
fn long_files_and_names_without_a_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    assert!(matches!(read_file(&path, 9), Err(InputFileError::Missing { .. })));
    assert!(matches!(
        read_file(&path.join("b"), 9),
        Err(InputFileError::Missing { .. })
    ));
    assert!(matches!(
        read_file(folder.path(), 9),
        Err(InputFileError::NotAFile { .. })
    ));
    let file = File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = read_file(&path, 9).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has 1099511627776 bytes, more than the limit of 9 for such a file")
    );
    assert!(matches!(
        read_file(&path.join("b"), 9),
        Err(InputFileError::Missing { .. })
    ));
    file.set_len(9).unwrap();
    assert_eq!(read_file(&path, 9).unwrap(), [0; 9]);
}

#[cfg(unix)]
#[test]
fn links_and_devices_are_told_from_files() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    symlink("nowhere", at("dead")).unwrap();
    symlink("loop", at("loop")).unwrap();
    std::fs::write(at("file"), "x").unwrap();
    symlink("file", at("live")).unwrap();
    assert!(is_there(&at("dead")) && is_there(&at("loop")) && !is_there(&at("nowhere")));
    assert_eq!(read_file(&at("live"), 9).unwrap(), b"x");
    let error = read_file(&at("dead"), 9).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is a link to `nowhere`, which does not exist"),
        "{error}"
    );
    assert!(matches!(
        read_file(&at("loop"), 9),
        Err(InputFileError::Read { .. })
    ));
    let endless = read_file(Path::new("/dev/zero"), 9).unwrap_err();
    assert!(endless.to_string().contains("a pipe or device"), "{endless}");
}
