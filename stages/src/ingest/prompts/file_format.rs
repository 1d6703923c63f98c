//! Kinds of files that are no prompts, by their first bytes.

use std::fmt;

/// A kind of file that is given in place of one that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Compressed by a program whose format is not read.
    Compressed(&'static str),
    /// Packed once more inside of what is packed, by the program.
    PackedTwice(&'static str),
    /// An archive of several files.
    Archive(&'static str),
    /// A picture.
    Image(&'static str),
    /// A document of a program for writing or calculating.
    Document(&'static str),
    /// A database or a table in a format that is not read.
    Table(&'static str),
    /// A file of Arrow's own format, which pandas calls Feather.
    Feather,
    /// A Parquet file in place of a text.
    Parquet,
    /// What Git keeps in place of a large file that was not fetched.
    LargeFilePointer,
    /// A page of a web server, such as one that asks to log in.
    WebPage,
    /// UTF-16 that does not say so: the name that `iconv` has for it.
    Utf16(&'static str),
    /// UTF-32.
    Utf32,
}

impl FileFormat {
    /// The kind of file that begins so, if it is none that holds rows.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Compressed("gzip")),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Compressed("zstd")),
            _ => Self::other_than_text(start),
        }
    }

    /// The kind of what a packed file holds that begins so, if it is no text.
    pub(super) fn of_packed(start: &[u8]) -> Option<Self> {
        match Self::of(start) {
            Some(Self::Compressed(program @ ("gzip" | "zstd"))) => Some(Self::PackedTwice(program)),
            other => other,
        }
    }

    /// The kind of file that begins so, if it is no text; gzip and zstd, which may hold text, are not told.
    pub(super) fn other_than_text(start: &[u8]) -> Option<Self> {
        match start {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Compressed("xz")),
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..] => Some(Self::Compressed("bzip2")),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Compressed("lz4")),
            [b'P', b'K', 3, 4, ..] => Some(Self::Archive("ZIP archive (or a spreadsheet)")),
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some(Self::Archive("7z archive")),
            [b'P', b'A', b'R', b'1', ..] => Some(Self::Parquet),
            _ if start.starts_with(b"ARROW1") || start.starts_with(b"FEA1") => Some(Self::Feather),
            _ if start.starts_with(b"version https://git-lfs.github.com/spec/") => {
                Some(Self::LargeFilePointer)
            }
            _ if is_page(start) => Some(Self::WebPage),
            _ => of_a_program(start).or_else(|| utf16_without_mark(start)),
        }
    }
}

/// Kinds of files that people have beside their prompts.
fn of_a_program(start: &[u8]) -> Option<FileFormat> {
    const KINDS: [(&[u8], FileFormat); 12] = [
        (b"\x89PNG\r\n\x1a\n", FileFormat::Image("PNG")),
        (b"\xff\xd8\xff", FileFormat::Image("JPEG")),
        (b"GIF87a", FileFormat::Image("GIF")),
        (b"GIF89a", FileFormat::Image("GIF")),
        (b"II*\0", FileFormat::Image("TIFF")),
        (b"MM\0*", FileFormat::Image("TIFF")),
        (b"%PDF-", FileFormat::Document("a PDF document")),
        (b"{\\rtf", FileFormat::Document("an RTF document")),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            FileFormat::Document("an old Office document, such as `.xls` or `.doc`"),
        ),
        (b"SQLite format 3\0", FileFormat::Table("an SQLite database")),
        (b"\x89HDF\r\n\x1a\n", FileFormat::Table("an HDF5 file")),
        (b"\x93NUMPY", FileFormat::Table("a file of NumPy")),
    ];
    if let [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] = start {
        return Some(FileFormat::Image("WebP"));
    }
    KINDS
        .into_iter()
        .find_map(|(magic, kind)| start.starts_with(magic).then_some(kind))
}

fn is_page(start: &[u8]) -> bool {
    let begins =
        |text: &[u8], word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    let text = start.trim_ascii_start();
    begins(text, b"<!doctype html") || begins(text, b"<html")
}

/// Letters of most alphabets of Europe take every second byte of UTF-16, and the others are zero.
fn utf16_without_mark(start: &[u8]) -> Option<FileFormat> {
    let (pairs, _) = start.as_chunks::<2>();
    let marked = matches!(
        start,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff, ..]
    );
    if pairs.len() < 2 || marked {
        return None;
    }
    let zeros = |place: usize| pairs.iter().filter(|pair| pair[place] == 0).count();
    match (zeros(0), zeros(1)) {
        (0, high) if high * 4 > pairs.len() * 3 => Some(FileFormat::Utf16("UTF-16LE")),
        (low, 0) if low * 4 > pairs.len() * 3 => Some(FileFormat::Utf16("UTF-16BE")),
        _ => None,
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed(program) => {
                write!(
                    formatter,
                    "is compressed with {program}; unpack it with `{program} -d`"
                )
            }
            Self::PackedTwice(program) => write!(
                formatter,
                "is packed twice, inside with {program}; unpack it once, and then with `{program} -d`"
            ),
            Self::Image(kind) => write!(
                formatter,
                "is a {kind} image; give a file that holds prompts, as text, CSV, JSON Lines or Parquet"
            ),
            Self::Document(kind) => write!(
                formatter,
                "is {kind}; save its text or table in UTF-8, as plain text or CSV"
            ),
            Self::Table(kind) => write!(formatter, "is {kind}; save the rows as CSV or Parquet"),
            Self::Feather => formatter.write_str("is a Feather or Arrow file; save it as Parquet"),
            Self::Archive(kind) => write!(
                formatter,
                "is a {kind}; unpack it, and give the files that hold the rows"
            ),
            Self::Parquet => formatter.write_str("is a Parquet file; read it with the source `parquet`"),
            Self::LargeFilePointer => formatter
                .write_str("is what Git keeps in place of a large file; fetch the file with `git lfs pull`"),
            Self::WebPage => {
                formatter.write_str("is a web page, perhaps one that asks to log in; download the file anew")
            }
            Self::Utf16(name) => write!(
                formatter,
                "is UTF-16 without a byte order mark; convert it with `iconv -f {name} -t UTF-8`"
            ),
            Self::Utf32 => formatter.write_str("is UTF-32; convert it with `iconv -f UTF-32 -t UTF-8`"),
        }
    }
}
