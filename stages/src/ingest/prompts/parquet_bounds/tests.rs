use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::super::fixture::{Files, message, prompts};
use super::super::page_head::PageHead;
use super::super::{ParquetSource, PromptSource, PromptsError};
use super::deepest_column;

fn source(path: PathBuf) -> PromptSource {
    PromptSource::Parquet(ParquetSource {
        paths: vec![path],
        column: "prompt".to_owned(),
        category_column: None,
        split_column: None,
    })
}

fn write(files: &Files, name: &str, column: ArrayRef, properties: WriterProperties) -> PathBuf {
    let batch = RecordBatch::try_from_iter([("prompt", column)]).expect("one column");
    files.write(name, "");
    let file = fs::File::create(files.path().join(name)).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
    PathBuf::from(name)
}

fn codecs() -> [Compression; 7] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ]
}

#[test]
fn every_codec_version_and_encoding_is_read() {
    let texts: Vec<String> = (0..300).map(|number| format!("a red car, number {number}")).collect();
    for codec in codecs() {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for encoding in [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
                for dictionary in [true, false] {
                    let files = Files::new();
                    let properties = WriterProperties::builder()
                        .set_compression(codec)
                        .set_writer_version(version)
                        .set_encoding(encoding)
                        .set_dictionary_enabled(dictionary)
                        .build();
                    let column: ArrayRef = Arc::new(StringArray::from_iter_values(&texts));
                    let path = write(&files, "a.parquet", column, properties);
                    let found = files.ingest(source(path)).map(|ingested| prompts(&ingested));
                    assert_eq!(found.expect("prompts"), texts, "{codec} {version:?} {encoding} {dictionary}");
                }
            }
        }
    }
}

#[test]
fn a_text_that_a_dictionary_repeats_is_not_held_a_thousand_times() {
    let files = Files::new();
    let text = "x".repeat(8 << 20);
    let keys = vec![Some(text.as_str()); 2_000];
    let column: DictionaryArray<Int32Type> = keys.into_iter().collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_page_size_limit(64 << 20)
        .build();
    let path = write(&files, "a.parquet", Arc::new(column), properties);
    let size = fs::metadata(files.path().join(&path)).expect("a file").len();
    assert!(size < 10_000, "{size}");
    let mut file = super::super::parquet_file::ParquetFile::open(&files.path().join(&path))
        .expect("a file")
        .read(&["prompt"], None)
        .expect("batches");
    let batch = file.next_batch().expect("no damage").expect("rows");
    assert!(batch.num_rows() <= 16, "{}", batch.num_rows());
    let found = message(files.ingest(source(path)));
    assert!(found.starts_with("The prompt at `a.parquet:1` is longer than 65536 bytes"), "{found}");
}

/// Changes the declared size of the first page of a file, whose number must take as many bytes as before.
fn redeclare(files: &Files, path: &PathBuf, unpacked: i32) -> Result<(), PromptsError> {
    let full = files.path().join(path);
    let mut bytes = fs::read(&full).expect("a file");
    let head = PageHead::parse(&bytes[4..]).expect("a head");
    let number = |value: i64| -> Vec<u8> {
        let (mut raw, mut out) = ((value << 1) as u64, Vec::new());
        while raw >= 0x80 {
            out.push(raw as u8 | 0x80);
            raw >>= 7;
        }
        out.push(raw as u8);
        out
    };
    let (before, after) = (number(head.unpacked as i64), number(unpacked.into()));
    let place = 4 + bytes[4..].windows(before.len()).position(|window| window == before).expect("the size");
    bytes.splice(place..place + before.len(), after);
    fs::write(full, bytes).expect("a file");
    files.ingest(source(path.clone())).map(drop)
}

#[test]
fn pages_that_unpack_to_more_than_they_can_hold_are_refused() {
    for codec in codecs().into_iter().skip(1) {
        let files = Files::new();
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_dictionary_enabled(false)
            .build();
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(vec!["a red car"; 400]));
        let path = write(&files, "a.parquet", column, properties);
        let found = message(redeclare(&files, &path, i32::MAX));
        assert!(found.contains("claims to unpack to 2147483647, more than 67108864"), "{codec}: {found}");
    }
    for codec in [codecs()[2], codecs()[3]] {
        let files = Files::new();
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_dictionary_enabled(false)
            .build();
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(vec!["a red car"; 400]));
        let path = write(&files, "a.parquet", column, properties);
        let found = message(redeclare(&files, &path, 1_000));
        assert!(found.contains("unpacks to more than the 1000 bytes it declares"), "{codec}: {found}");
    }
}

#[test]
fn columns_nested_without_end_are_seen_before_the_reader() {
    // A list of columns, each of which says that one more is below it.
    let column = [0x55, 2, 0];
    let mut footer = vec![0x29, 0xfc];
    let count = 20_000_u32;
    footer.extend([(count & 0x7f) as u8 | 0x80, (count >> 7 & 0x7f) as u8 | 0x80, (count >> 14) as u8]);
    footer.extend(column.repeat(count as usize));
    footer.push(0);
    assert_eq!(deepest_column(&footer), Some(20_000));
    let files = Files::new();
    let length = (footer.len() as u32).to_le_bytes();
    let bytes = [&b"PAR1"[..], &footer, &length, b"PAR1"].concat();
    let path = files.write("a.parquet", bytes).remove(0);
    let found = message(files.ingest(source(path)));
    assert!(found.ends_with("a.parquet` is damaged: its columns are nested deeper than 32"), "{found}");
    assert_eq!(deepest_column(&[0x29, 0x1c, 0x55, 2]), None);
}
