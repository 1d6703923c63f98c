//! What lies in a file that should hold something else.

use std::fmt;

/// A kind of file that people have in place of the one that is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Nothing.
    Empty,
    /// The few lines that Git keeps in place of a large file.
    GitLfsPointer,
    /// A page for people, such as one that asks for a login.
    WebPage,
    /// XML, which servers write about errors.
    Xml,
    /// A zip archive, which is how `torch.save` writes pickles.
    ZipArchive,
    /// Python's own format of objects.
    Pickle,
    /// JSON.
    Json,
    /// Tensors of llama.cpp and its relatives.
    Gguf,
    /// HDF5, which Keras writes.
    Hdf5,
    /// Compressed by gzip, xz, zstd or bzip2, or an archive of 7-Zip.
    Compressed,
    /// Tensors in the safetensors format.
    Safetensors,
    /// Text in UTF-16.
    Utf16,
    /// Words for people, or lists of words.
    Text,
    /// Zeros alone, as far as was looked.
    Zeros,
    /// Bytes that are no text.
    Binary,
}

/// First bytes of kinds that begin alike whatever follows.
const SIGNATURES: [(&[u8], Contents); 15] = [
    (b"version https://git-lfs", Contents::GitLfsPointer),
    (b"PK\x03\x04", Contents::ZipArchive),
    (b"\x80\x02", Contents::Pickle),
    (b"\x80\x03", Contents::Pickle),
    (b"\x80\x04", Contents::Pickle),
    (b"\x80\x05", Contents::Pickle),
    (b"GGUF", Contents::Gguf),
    (b"\x89HDF\r\n", Contents::Hdf5),
    (b"\x1f\x8b", Contents::Compressed),
    (b"\xfd7zXZ\0", Contents::Compressed),
    (b"\x28\xb5\x2f\xfd", Contents::Compressed),
    (b"BZh", Contents::Compressed),
    (b"7z\xbc\xaf\x27\x1c", Contents::Compressed),
    (b"\xff\xfe", Contents::Utf16),
    (b"\xfe\xff", Contents::Utf16),
];

impl Contents {
    /// Recognises a file by its first bytes; some hundred are enough.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Empty);
        }
        // Before the signatures: a length may begin with any bytes.
        if bytes.len() > 8 && bytes[8] == b'{' && bytes[5..8] == [0; 3] {
            return Some(Self::Safetensors);
        }
        let signature = SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start));
        if let Some((_, found)) = signature {
            return Some(*found);
        }
        if bytes.len() >= 16 && bytes.iter().all(|byte| *byte == 0) {
            return Some(Self::Zeros);
        }
        let text = bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(bytes)
            .trim_ascii_start();
        let begins = |word: &[u8]| {
            text.get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") || begins(b"<body") {
            Some(Self::WebPage)
        } else if begins(b"<?xml") || begins(b"<error") {
            Some(Self::Xml)
        } else if begins(b"{") || begins(b"[") {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// As [`Self::of`], and plain text too: for a place where no text is expected.
    pub fn of_anything(bytes: &[u8]) -> Option<Self> {
        Self::of(bytes).or_else(|| is_text(bytes).then_some(Self::Text))
    }

    /// What to do where this lies in place of the file.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Empty | Self::Zeros => Some("Download it again: the last time did not come to its end"),
            Self::GitLfsPointer => {
                Some("`git lfs pull` in its folder fetches the file itself, or download it anew")
            }
            Self::WebPage | Self::Xml => {
                Some("Download it again; where it was kept wants a login or consent, give that first")
            }
            Self::ZipArchive | Self::Pickle => Some(
                "Pickles are read only where a judge of images comes in one; convert it in Python: load it there and \
                 write it with `save_pretrained` of diffusers or `save_file` of safetensors",
            ),
            Self::Compressed => Some("Unpack it"),
            Self::Utf16 => Some("Save it as UTF-8"),
            Self::Text => Some(
                "Look into it: servers answer with a line of text where a file is not found or not allowed; then \
                 download it again",
            ),
            Self::Json | Self::Gguf | Self::Hdf5 | Self::Safetensors | Self::Binary => None,
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "is empty",
            Self::GitLfsPointer => "is a Git LFS pointer in place of the file",
            Self::WebPage => "is a web page (HTML)",
            Self::Xml => "is XML, as servers write about errors",
            Self::ZipArchive => "is a zip archive, as torch.save writes pickles",
            Self::Pickle => "is a pickle of Python objects",
            Self::Json => "is JSON",
            Self::Gguf => "is a GGUF file",
            Self::Hdf5 => "is an HDF5 file, as Keras writes",
            Self::Compressed => "is compressed",
            Self::Safetensors => "is a safetensors file",
            Self::Utf16 => "is text in UTF-16",
            Self::Text => "is plain text",
            Self::Zeros => "holds zeros alone, as a download that broke off",
            Self::Binary => "is no text",
        })
    }
}

/// Bytes of a file that tell whether it is text.
const HEAD: usize = 512;

/// Whether a file is text; fewer than eight bytes may also be the beginning of a number.
fn is_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The head may end within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let plain = |character: char| !character.is_control() || character.is_whitespace();
    text.len() >= 8 && text.chars().all(plain)
}
