//! Text files as people have them: plain or compressed, in UTF-8 or UTF-16.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _};
use std::path::Path;

use mitune_bounded_file::{BoundedFileError, open_regular};

use super::end_mark::WithoutEndMark;
use super::error::PromptsError;
use super::file_format::FileFormat;
use super::packed::{Gzip, Unpacked};
use super::text_problem::TextProblem;
use super::utf16::{ByteOrder, Utf16Reader};

/// Most bytes of a file, and most bytes of text that it may hold: forty times the largest set of prompts there is.
pub(super) const MOST_BYTES: u64 = 16 << 30;

/// Opens a text file, whichever way its bytes are packed.
///
/// # Errors
/// A file that cannot be read, is too large, or is of a kind that is no text; the error says what to do.
pub(crate) fn open_text(path: &Path) -> Result<BufReader<Box<dyn Read>>, PromptsError> {
    let mut file = open_input(path)?;
    let start = start(&mut file).map_err(PromptsError::read(path))?;
    // How what is no text is told from its first bytes: inside of a packed file, another packed one is none.
    type Told = fn(&[u8]) -> Option<FileFormat>;
    let (bytes, told): (Box<dyn Read>, Told) = match start.as_slice() {
        [0x1f, 0x8b, ..] => {
            let gzip = Gzip::new(BufReader::new(file));
            (Box::new(Unpacked::new("gzip", gzip)), FileFormat::of_packed)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let zstd = zstd::Decoder::new(file).map_err(PromptsError::read(path))?;
            (Box::new(Unpacked::new("zstd", zstd)), FileFormat::of_packed)
        }
        other => match FileFormat::other_than_text(other) {
            Some(format) => return Err(PromptsError::wrong_format(path, format)),
            None => (Box::new(file), FileFormat::other_than_text),
        },
    };
    let mut bytes = BufReader::new(Bounded {
        bytes,
        left: MOST_BYTES,
    });
    let text = bytes.fill_buf().map_err(PromptsError::read(path))?;
    if let Some(format) = told(text) {
        return Err(PromptsError::wrong_format(path, format));
    }
    let order = match text {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(PromptsError::wrong_format(path, FileFormat::Utf32));
        }
        [0xff, 0xfe, ..] => Some(ByteOrder::Little),
        [0xfe, 0xff, ..] => Some(ByteOrder::Big),
        _ => None,
    };
    let Some(order) = order else {
        return Ok(BufReader::new(Box::new(WithoutEndMark::new(bytes))));
    };
    bytes.consume(2);
    let text = BufReader::new(Utf16Reader::new(bytes, order));
    Ok(BufReader::new(Box::new(WithoutEndMark::new(text))))
}

/// Opens a regular file that is not too large.
///
/// # Errors
/// A file that cannot be read, is no regular one, or has more bytes than any set of prompts.
pub(crate) fn open_input(path: &Path) -> Result<File, PromptsError> {
    let (file, metadata) = open_regular(path)?;
    match metadata.len() {
        size if size > MOST_BYTES => Err(PromptsError::Unbounded(BoundedFileError::TooLarge {
            path: path.to_owned(),
            size,
            limit: MOST_BYTES,
        })),
        _ => Ok(file),
    }
}

/// The first bytes of a file, which is then read from its beginning.
pub(crate) fn start(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(512).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start)
}

/// Reads up to a number of bytes and fails if there are more: a few megabytes may unpack to any number.
#[derive(Debug)]
struct Bounded<R> {
    bytes: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(TextProblem::UnpacksToMore(MOST_BYTES).into()),
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::fixture::{Files, message};
    use super::*;

    const TEXT: &str = "a red car\na caf\u{e9} \u{1f697}\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("no I/O error in memory");
        encoder.finish().expect("no I/O error in memory")
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, PromptsError> {
        let files = Files::new();
        let path = files.path().join(&files.write("a.txt", bytes)[0]);
        let mut text = Vec::new();
        open_text(&path)?
            .read_to_end(&mut text)
            .map_err(PromptsError::read(&path))?;
        Ok(text)
    }

    #[test]
    fn text_is_read_however_it_is_packed() {
        let plain = TEXT.as_bytes().to_vec();
        let little = [&[0xff, 0xfe][..], &utf16(TEXT)].concat();
        let big: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let big = [&[0xfe, 0xff][..], &big].concat();
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("no I/O error in memory");
        // Several members, as `cat a.gz b.gz` makes them.
        let members = [gzip(&plain[..5]), gzip(&plain[5..])].concat();
        for bytes in [
            plain.clone(),
            little.clone(),
            big,
            gzip(&plain),
            gzip(&little),
            members,
            zstd(&plain),
            zstd(&little),
        ] {
            assert_eq!(read(&bytes).expect("text"), plain);
        }
        assert_eq!(read(b"").expect("no text"), b"");
    }

    #[test]
    fn what_is_no_text_is_named_with_what_to_do() {
        let utf32: Vec<u8> = TEXT
            .chars()
            .flat_map(|letter| u32::from(letter).to_le_bytes())
            .collect();
        let utf32 = [&[0xff, 0xfe, 0, 0][..], &utf32].concat();
        for (bytes, words) in [
            (
                b"\xfd7zXZ\0 and more".to_vec(),
                "is compressed with xz; unpack it with `xz -d`",
            ),
            (
                b"BZh91AY and more".to_vec(),
                "is compressed with bzip2; unpack it with `bzip2 -d`",
            ),
            (
                b"\x04\x22\x4d\x18 and".to_vec(),
                "is compressed with lz4; unpack it with `lz4 -d`",
            ),
            (
                b"PK\x03\x04 and more".to_vec(),
                "is a ZIP archive (or a spreadsheet); unpack it",
            ),
            (b"7z\xbc\xaf\x27\x1c and".to_vec(), "is a 7z archive; unpack it"),
            (
                b"PAR1 and more".to_vec(),
                "is a Parquet file; read it with the source `parquet`",
            ),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(),
                "`git lfs pull`",
            ),
            (b"<!DOCTYPE html>\n<html>".to_vec(), "is a web page"),
            (b"\n <html lang=en>".to_vec(), "is a web page"),
            (
                utf16(TEXT),
                "is UTF-16 without a byte order mark; convert it with `iconv -f UTF-16LE -t UTF-8`",
            ),
            (
                TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect(),
                "`iconv -f UTF-16BE -t UTF-8`",
            ),
            (utf32, "is UTF-32; convert it with `iconv -f UTF-32 -t UTF-8`"),
            (gzip(b"PAR1 and more"), "is a Parquet file"),
            (
                gzip(&gzip(TEXT.as_bytes())),
                "is packed twice, inside with gzip; unpack it once",
            ),
            (
                zstd::encode_all(&gzip(b"a")[..], 1).expect("no I/O error in memory"),
                "is packed twice",
            ),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "is a PNG image"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "is a JPEG image"),
            (b"GIF89a\x01".to_vec(), "is a GIF image"),
            (b"RIFF\x24\0\0\0WEBPVP8 ".to_vec(), "is a WebP image"),
            (b"%PDF-1.7\n".to_vec(), "is a PDF document; save its text"),
            (b"{\\rtf1\\ansi".to_vec(), "is an RTF document"),
            (
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0".to_vec(),
                "is an old Office document",
            ),
            (
                b"ARROW1\0\0\xff".to_vec(),
                "is a Feather or Arrow file; save it as Parquet",
            ),
            (b"FEA1 and more".to_vec(), "is a Feather or Arrow file"),
            (b"SQLite format 3\0".to_vec(), "is an SQLite database"),
        ] {
            let found = message(read(&bytes));
            assert!(found.contains("a.txt` ") && found.contains(words), "{found}");
        }
    }

    #[test]
    fn packed_files_that_broke_off_are_told_with_what_to_do() {
        let zstd = zstd::encode_all(TEXT.as_bytes(), 1).expect("no I/O error in memory");
        for (whole, program) in [(gzip(TEXT.as_bytes()), "gzip"), (zstd, "zstd")] {
            let error = read(&whole[..whole.len() - 9]).expect_err("half a file");
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("download it again"), "{hint}");
            let found = message::<()>(Err(error));
            assert!(
                found.starts_with("Cannot read `")
                    && found.ends_with(&format!(
                        "a.txt`: its {program} data ends too early; the file is cut short"
                    )),
                "{found}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_of_a_size_are_opened() {
        let files = Files::new();
        assert!(
            message(open_text(Path::new("/dev/zero")))
                .contains("`/dev/zero` is a device, not a regular file")
        );
        let path = files.path().join(&files.write("a.txt", "")[0]);
        File::options()
            .write(true)
            .open(&path)
            .expect("a file")
            .set_len(100 << 30)
            .expect("a hole");
        let found = message(open_text(&path));
        assert!(
            found.contains("has 107374182400 bytes, at most 17179869184 are read"),
            "{found}"
        );
    }

    #[test]
    fn what_unpacks_without_end_is_stopped() {
        let mut bounded = Bounded {
            bytes: io::repeat(b'x'),
            left: 1000,
        };
        let error = bounded.read_to_end(&mut Vec::new()).expect_err("too many bytes");
        assert!(
            error.to_string().starts_with("it unpacks to more than"),
            "{error}"
        );
    }
}
