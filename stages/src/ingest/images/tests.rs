//! Rows of every kind of source, and images read again by their places.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use super::error::ImagesError;
use super::files::SourceFiles;
use super::place::ImagePlace;
use super::reader::ImageReader;
use super::rows::{Caption, RowImages, SourceRow};
use super::source::RowKind;
use super::zip_archive::tests::archive;
use super::{Captions, CocoSource, ImageSource};

fn write(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn rows(source: &ImageSource) -> Result<(SourceFiles, Vec<SourceRow>), ImagesError> {
    let files = SourceFiles::list(source, 0)?;
    let mut rows = Vec::new();
    source.read(&files.files, 0, &mut |row| {
        rows.push(row);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((files, rows))
}

/// The rows in a few words: prompt, images as they are read again, weight.
fn told(source: &ImageSource) -> Vec<String> {
    let (files, rows) = rows(source).unwrap();
    let mut reader = ImageReader::new(&files.files);
    let mut read = |place: &ImagePlace| match reader.read(place).unwrap() {
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(problem) => format!("({})", problem.to_string().split('`').next().unwrap().trim()),
    };
    let told = rows.iter().map(|row| {
        let caption = match &row.caption {
            Caption::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            other => format!("{other:?}"),
        };
        let images = match &row.images {
            RowImages::One(image) => read(&image.place),
            RowImages::Pair { winner, loser } => format!("{} > {}", read(&winner.place), read(&loser.place)),
            RowImages::Tie => "tie".to_owned(),
        };
        let weight = row
            .weight
            .map(|weight| format!(" x {weight}"))
            .unwrap_or_default();
        format!("{caption}: {images}{weight}")
    });
    told.collect()
}

#[test]
fn tables_of_text_name_images_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "set/a.png", "first");
    write(&folder, "set/deep/b.png", "second");
    let csv = "prompt,image,weight\na car,a.png,0.5\n\"a, b\",deep/b.png,2\nc,none.png,1\n";
    let table = ImageSource::Table(write(&folder, "set/t.csv", csv));
    assert_eq!(table.row_kind().unwrap(), RowKind::WeightedImages);
    let expected = ["a car: first x 0.5", "a, b: second x 2", "c: (Cannot read) x 1"];
    assert_eq!(told(&table), expected);
    let lines = concat!(
        "{\"prompt\": \"a car\", \"winner\": \"a.png\", \"loser\": \"deep/b.png\"}\n\n",
        "{\"prompt\": null, \"winner\": \"deep/b.png\", \"loser\": \"a.png\"}\n"
    );
    let table = ImageSource::Table(write(&folder, "set/t.jsonl", lines));
    assert_eq!(table.row_kind().unwrap(), RowKind::Pairs);
    assert_eq!(told(&table), ["a car: first > second", "Null: second > first"]);
}

#[test]
fn tables_of_parquet_have_paths_or_bytes() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.png", "first");
    let path = folder.path().join("paths.parquet");
    let images = texts(&["a.png", "none.png"]);
    write_parquet(&path, vec![("prompt", texts(&["a", "b"])), ("image", images)]);
    let table = ImageSource::Table(path);
    assert!(table.names_files().unwrap());
    assert_eq!(told(&table), ["a: first", "b: (Cannot read)"]);
    let path = folder.path().join("bytes.parquet");
    let bytes = BinaryArray::from_iter([Some("one"), None, Some("three")]);
    let prompts = texts(&["a", "b", "c"]);
    write_parquet(&path, vec![("prompt", prompts), ("image", Arc::new(bytes))]);
    let table = ImageSource::Table(path);
    assert!(!table.names_files().unwrap());
    assert_eq!(told(&table), ["a: one", "b: (there is none)", "c: three"]);
}

#[test]
fn tables_without_the_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("prompt,picture\n", "No column `image`"),
        ("prompt,winner\n", "No column `loser`"),
        ("image,text\n", "No column `prompt`"),
    ] {
        let table = ImageSource::Table(write(&folder, "t.csv", text));
        let error = table.row_kind().unwrap_err().to_string();
        assert!(error.starts_with(words), "{error}");
    }
    let table = ImageSource::Table(write(&folder, "t.csv", "image,prompt,weight\na,b,-1\n"));
    let error = rows(&table).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("The weight in row 1 of"), "{error}");
    assert!(error.ends_with("is `-1`, expected a number from 0 on"), "{error}");
    for (lines, words) in [
        (
            "{\"image\": \"a\", \"prompt\": \"b\"}\n{\"image\": \"a\", \"prompt\": \"c\", \"weight\": 3}\n",
            "Row 2 of `",
        ),
        (
            "{\"image\": \"a\", \"prompt\": \"b\", \"weight\": 3}\n{\"image\": \"a\", \"prompt\": \"c\"}\n",
            "The weight in row 2 of `",
        ),
    ] {
        let table = ImageSource::Table(write(&folder, "t.jsonl", lines));
        let error = rows(&table).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(words), "{error}");
        assert!(!error.contains("`missing`"), "{error}");
    }
}

#[test]
fn what_belongs_to_two_images_or_parts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"images": [{"id": 0, "file_name": "a.jpg"}, {"id": 0, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 0, "caption": "a"}]}"#;
    let coco = ImageSource::Coco(CocoSource {
        annotations: write(&folder, "captions.json", json),
        images: folder.path().to_owned(),
        captions: Captions::First,
    });
    let error = rows(&coco).map(drop).unwrap_err().to_string();
    assert!(
        error.starts_with("Images `a.jpg` and `b.jpg` of") && error.contains("the same `id`, 0"),
        "{error}"
    );
    let part = br#"{"a.png": {"p": "a boat"}}"#.as_slice();
    let both = [("1/part-000001.json", part), ("2/part-000002.json", part)];
    let zip = ImageSource::Diffusiondb(write(&folder, "both.zip", archive(&both, true)));
    let error = rows(&zip).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("`1/part-000001.json` and `2/part-000002.json`"),
        "{error}"
    );
    let beside = [
        ("__MACOSX/._part-000001.json", b"x".as_slice()),
        both[0],
        ("a.png", b"first".as_slice()),
    ];
    let zip = ImageSource::Diffusiondb(write(&folder, "beside.zip", archive(&beside, true)));
    assert_eq!(told(&zip), ["a boat: first"]);
}

/// More rows than a batch has, every fifth of them without a winner.
fn pick_a_pic(folder: &TempDir, rows: usize) -> PathBuf {
    let path = folder.path().join("train.parquet");
    let each = |of: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(of)))
    };
    let bytes = |of: &dyn Fn(usize) -> Vec<u8>| -> ArrayRef {
        Arc::new(BinaryArray::from_iter_values((0..rows).map(of)))
    };
    let label = |row: usize| [1.0, 0.0, 0.5, 1.0, 1.0][row % 5];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("caption", each(&|row| format!("prompt {row}"))),
        ("jpg_0", bytes(&|row| format!("left {row}").into_bytes())),
        ("jpg_1", bytes(&|row| format!("right {row}").into_bytes())),
        (
            "label_0",
            Arc::new(Float64Array::from_iter_values((0..rows).map(label))),
        ),
        (
            "has_label",
            Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 5 != 4)))),
        ),
    ];
    write_parquet(&path, columns);
    path
}

#[test]
fn pairs_of_pick_a_pic_have_the_preferred_image_first() {
    let folder = tempfile::tempdir().unwrap();
    pick_a_pic(&folder, 40);
    let source = ImageSource::PickAPic(folder.path().to_owned());
    let told = told(&source);
    let expected = [
        "prompt 0: left 0 > right 0",
        "prompt 1: right 1 > left 1",
        "prompt 2: tie",
        "prompt 3: left 3 > right 3",
        "prompt 4: tie",
    ];
    assert_eq!(told[..5], expected);
    assert_eq!(told[36], "prompt 36: right 36 > left 36");
    assert_eq!(told.len(), 40);
}

#[test]
fn columns_of_pick_a_pic_that_hold_no_images_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.parquet");
    let numbers = || -> ArrayRef { Arc::new(Float64Array::from_iter_values([1.0])) };
    let columns = vec![
        ("caption", texts(&["a"])),
        ("jpg_0", numbers()),
        ("jpg_1", numbers()),
        ("label_0", numbers()),
    ];
    write_parquet(&path, columns);
    let error = rows(&ImageSource::PickAPic(path))
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("Column `jpg_0` of") && error.contains("must hold an image"),
        "{error}"
    );
}

#[test]
fn images_of_parquet_are_read_again_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let files = [pick_a_pic(&folder, 1000)];
    let mut reader = ImageReader::new(&files);
    let asked = [
        (700, "jpg_0"),
        (700, "jpg_1"),
        (701, "jpg_1"),
        (3, "jpg_0"),
        (1000, "jpg_0"),
        (1, "jpg_1"),
    ];
    for (row, column) in asked {
        let place = ImagePlace::Parquet { file: 0, row, column };
        let side = if column == "jpg_0" { "left" } else { "right" };
        let bytes = reader.read(&place).unwrap().unwrap();
        assert_eq!(bytes, format!("{side} {}", row - 1).as_bytes());
    }
}

#[test]
fn parts_of_diffusiondb_are_archives_or_folders() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"b.png": {"p": "a boat", "se": 1, "c": 7.0, "st": 50, "sa": "k_lms"},
        "a.png": {"p": null}, "c.png": {"p": "c"}}"#;
    let expected = ["a boat: second", "Null: first", "c: (there is none)"];
    let entries = [
        ("part-000001.json", json.as_bytes()),
        ("a.png", b"first".as_slice()),
        ("b.png", b"second".as_slice()),
    ];
    let zip = write(&folder, "zip/part-000001.zip", archive(&entries, true));
    assert_eq!(told(&ImageSource::Diffusiondb(zip)), expected);
    for (name, bytes) in entries {
        write(&folder, &format!("images/part-000001/{name}"), bytes);
    }
    let inside = ImageSource::Diffusiondb(folder.path().join("images"));
    assert_eq!(told(&inside)[..2], expected[..2]);
    write(&folder, "beside/part-000001.json", json);
    write(&folder, "beside/part-000001/a.png", "first");
    write(&folder, "beside/part-000001/b.png", "second");
    let beside = ImageSource::Diffusiondb(folder.path().join("beside"));
    assert_eq!(told(&beside)[..2], expected[..2]);
}

#[test]
fn captions_of_coco_are_the_first_all_or_drawn() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "images/2.jpg", "second");
    write(&folder, "images/9.jpg", "ninth");
    let json = r#"{"info": {}, "images": [{"id": 9, "file_name": "9.jpg", "width": 1},
        {"id": 2, "file_name": "2.jpg"}, {"id": 3, "file_name": "3.jpg"}],
        "annotations": [{"image_id": 2, "id": 1, "caption": "a"}, {"image_id": 9, "id": 2, "caption": "b"},
        {"image_id": 2, "id": 3, "caption": "c"}]}"#;
    let source = |captions| {
        ImageSource::Coco(CocoSource {
            annotations: write(&folder, "captions.json", json),
            images: folder.path().join("images"),
            captions,
        })
    };
    assert_eq!(told(&source(Captions::First)), ["b: ninth", "a: second"]);
    assert_eq!(
        told(&source(Captions::All)),
        ["b: ninth", "a: second", "c: second"]
    );
    let drawn = |seed: u64| {
        let source = source(Captions::Seeded);
        let mut captions = Vec::new();
        let read = source.read(&source.files().unwrap(), seed, &mut |row| {
            captions.push(row.caption);
            Ok(ControlFlow::Continue(()))
        });
        read.unwrap();
        captions
    };
    assert_eq!(drawn(1), drawn(1));
    assert!((0..20).any(|seed| drawn(seed) != drawn(1)));
}

#[test]
fn digests_know_content_and_not_names() {
    let folder = tempfile::tempdir().unwrap();
    let digest = |csv: &str, name: &str, image: &str| {
        write(&folder, name, image);
        let table = ImageSource::Table(write(&folder, "t.csv", csv));
        SourceFiles::list(&table, 0).unwrap().digested().unwrap().digest
    };
    let first = digest("image,prompt\na.png,x\n", "a.png", "one");
    assert_eq!(first, digest("image,prompt\na.png,x\n", "a.png", "one"));
    assert_ne!(first, digest("image,prompt\na.png,x\n", "a.png", "two"));
    assert_ne!(first, digest("image,prompt\na.png,y\n", "a.png", "one"));
    assert_ne!(first, digest("image,prompt\nb.png,x\n", "a.png", "one"));
}

/// The most memory that this process ever had, in bytes; nothing where the system does not tell.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[test]
#[ignore = "writes and reads a file of four gigabytes"]
fn a_hundred_thousand_pairs_of_random_bytes_are_read_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.parquet");
    let mut writer: Option<ArrowWriter<File>> = None;
    for group in 0..1_000_u64 {
        let image = |row: u64, side: u64| {
            let mut bytes = vec![0; 20_000];
            let mut hasher = blake3::Hasher::new();
            hasher.update(&[group, row, side].map(u64::to_le_bytes).concat());
            hasher.finalize_xof().fill(&mut bytes);
            bytes
        };
        let bytes = |side: u64| -> ArrayRef {
            Arc::new(BinaryArray::from_iter_values(
                (0..100).map(|row| image(row, side)),
            ))
        };
        let captions = (0..100).map(|row| format!("{group} {row}"));
        let labels = (0..100).map(|row| f64::from(row % 2));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("caption", Arc::new(StringArray::from_iter_values(captions))),
            ("jpg_0", bytes(0)),
            ("jpg_1", bytes(1)),
            ("label_0", Arc::new(Float64Array::from_iter_values(labels))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let writer = writer.get_or_insert_with(|| {
            ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap()
        });
        writer.write(&batch).unwrap();
        if writer.in_progress_size() > 64 << 20 {
            writer.flush().unwrap();
        }
    }
    writer.unwrap().close().unwrap();
    let (before, mut rows) = (peak(), 0);
    let source = ImageSource::PickAPic(path);
    source
        .read(&source.files().unwrap(), 0, &mut |row| {
            assert!(matches!(row.images, RowImages::Pair { .. }));
            rows += 1;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(rows, 100_000);
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after - before < 512 << 20, "{} bytes more", after - before);
    }
}
