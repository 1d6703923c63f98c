use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int32Array, NullArray, StringArray, StructArray};
use arrow_schema::Field;

use super::super::fixture::{Files, message, strings};
use super::*;
use crate::tables::schema::image_fields;

fn read(files: &Files, name: &str) -> Result<Vec<Pair>, PromptsError> {
    Pairs::open(&files.path().join(name))?.collect()
}

fn pair(row: u64, path: Option<&str>, image: &[u8], prompt: &str) -> Pair {
    Pair {
        row,
        path: path.map(str::to_owned),
        image: image.to_vec(),
        prompt: prompt.to_owned(),
    }
}

#[test]
fn paths_are_relative_to_the_file_of_pairs() {
    let files = Files::new();
    files.write("set/images/a.png", "first");
    files.write("set/b.png", "second");
    files.write(
        "set/pairs.csv",
        "prompt,image\r\n\" a car, red \",images/a.png\r\n,b.png\r\n",
    );
    let expected = [
        pair(1, Some("images/a.png"), b"first", "a car, red"),
        pair(2, Some("b.png"), b"second", ""),
    ];
    assert_eq!(read(&files, "set/pairs.csv").expect("pairs"), expected);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("prompt", strings(&[" a car, red ", ""])),
        ("image", strings(&["images/a.png", "b.png"])),
    ];
    files.write_parquet("set/pairs.parquet", columns);
    assert_eq!(read(&files, "set/pairs.parquet").expect("pairs"), expected);
}

#[test]
fn pairs_that_end_within_a_quote_are_refused_after_those_before() {
    let files = Files::new();
    files.write("a.png", "first");
    files.write(
        "pairs.csv",
        "image,prompt\na.png,a car\na.png,\"a boat\na.png,a tree\n",
    );
    let mut pairs = Pairs::open(&files.path().join("pairs.csv")).expect("a file of pairs");
    assert_eq!(
        pairs.next().expect("a pair").expect("a pair"),
        pair(1, Some("a.png"), b"first", "a car")
    );
    let found = message(pairs.next().expect("an error"));
    assert!(
        found.ends_with("as CSV: the quote that opens on line 3 is never closed"),
        "{found}"
    );
}

#[test]
fn the_image_feature_is_read() {
    let files = Files::new();
    files.write("c.png", "third");
    let count = 40;
    let bytes: BinaryArray = (0..count)
        .map(|row| (row != 2).then(|| format!("image {row}")))
        .collect();
    let paths: StringArray = (0..count).map(|row| (row != 1).then_some("c.png")).collect();
    let images = StructArray::new(image_fields(), vec![Arc::new(bytes), Arc::new(paths)], None);
    let texts: Vec<String> = (0..count).map(|row| format!("prompt {row}")).collect();
    let texts = strings(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    files.write_parquet(
        "pairs.parquet",
        vec![("image", Arc::new(images)), ("prompt", texts)],
    );
    let found = read(&files, "pairs.parquet").expect("pairs");
    assert_eq!(found.len(), count);
    assert_eq!(found[0], pair(1, Some("c.png"), b"image 0", "prompt 0"));
    assert_eq!(found[1], pair(2, None, b"image 1", "prompt 1"));
    assert_eq!(found[2], pair(3, Some("c.png"), b"third", "prompt 2"));
    assert_eq!(found[39], pair(40, Some("c.png"), b"image 39", "prompt 39"));
}

#[test]
fn a_field_of_the_image_feature_may_have_no_type() {
    let files = Files::new();
    files.write("c.png", "third");
    let column = |bytes: ArrayRef, path: ArrayRef| -> ArrayRef {
        let field =
            |name: &str, column: &ArrayRef| Arc::new(Field::new(name, column.data_type().clone(), true));
        let fields = vec![field("bytes", &bytes), field("path", &path)];
        Arc::new(StructArray::new(fields.into(), vec![bytes, path], None))
    };
    let none = || -> ArrayRef { Arc::new(NullArray::new(1)) };
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"image"]));
    for (image, expected) in [
        (column(bytes, none()), pair(1, None, b"image", "a car")),
        (
            column(none(), strings(&["c.png"])),
            pair(1, Some("c.png"), b"third", "a car"),
        ),
    ] {
        // Its beginning tells what it is, too.
        for name in ["pairs.parquet", "pairs.pq"] {
            let columns = vec![("image", image.clone()), ("prompt", strings(&["a car"]))];
            files.write_parquet(name, columns);
            assert_eq!(
                read(&files, name).expect("pairs"),
                std::slice::from_ref(&expected)
            );
        }
    }
    for image in [column(none(), none()), none()] {
        files.write_parquet(
            "pairs.parquet",
            vec![("image", image), ("prompt", strings(&["a car"]))],
        );
        let found = message(read(&files, "pairs.parquet"));
        assert!(
            found.ends_with("has no image: neither bytes nor a path"),
            "{found}"
        );
    }
}

#[test]
fn hints_speak_of_no_pipeline() {
    let files = Files::new();
    files.write("a.csv", "prompt,picture\na car,x\n");
    files.write("b.csv", "prompt;image\na car;x\n");
    files.write_parquet("c.parquet", vec![("prompt", strings(&["a car"]))]);
    for (name, expected) in [
        ("gone.csv", None),
        ("gone.parquet", None),
        ("a.csv", None),
        ("b.csv", Some("Commas must divide its columns")),
        ("c.parquet", None),
    ] {
        let error = read(&files, name).expect_err("an error");
        assert_eq!(error.hint().as_deref(), expected, "{name}");
    }
}

#[test]
fn plain_bytes_are_an_image() {
    let files = Files::new();
    let images: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"image"]));
    files.write_parquet(
        "pairs.parquet",
        vec![("image", images), ("prompt", strings(&["a car"]))],
    );
    assert_eq!(
        read(&files, "pairs.parquet").expect("pairs"),
        [pair(1, None, b"image", "a car")]
    );
}

#[test]
fn what_is_wrong_is_named() {
    let files = Files::new();
    files.write("a.csv", "prompt,image\na car,none.png\n");
    let missing = message(read(&files, "a.csv"));
    assert!(
        missing.contains("none.png` of row 1 of `") && missing.contains("a.csv`: No such file"),
        "{missing}"
    );
    files.write("b.csv", "prompt,image\na car,\n");
    let empty = message(read(&files, "b.csv"));
    assert!(
        empty.ends_with("b.csv` has no image: the path is empty"),
        "{empty}"
    );
    files.write("c.csv", "prompt,picture\na car,x\n");
    let column = message(read(&files, "c.csv"));
    assert!(
        column.starts_with("No column `image` in `") && column.ends_with("found `prompt`, `picture`"),
        "{column}"
    );
    files.write("d.csv", b"prompt,image\na \xff,x\n");
    let bytes = message(read(&files, "d.csv"));
    assert!(
        bytes.starts_with("The prompt in row 1 of `") && bytes.ends_with("d.csv` is not UTF-8"),
        "{bytes}"
    );
    let none: ArrayRef = Arc::new(StringArray::from(vec![Some("x.png"), None]));
    files.write("x.png", "");
    files.write_parquet(
        "e.parquet",
        vec![("image", none), ("prompt", strings(&["a", "b"]))],
    );
    let none = message(read(&files, "e.parquet"));
    assert!(
        none.starts_with("Row 2 of `") && none.ends_with("has no image: neither bytes nor a path"),
        "{none}"
    );
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    files.write_parquet("f.parquet", vec![("image", numbers), ("prompt", strings(&["a"]))]);
    let kind = message(read(&files, "f.parquet"));
    assert!(
        kind.contains("must hold an image") && kind.ends_with("found a whole number"),
        "{kind}"
    );
    let gone = message(read(&files, "gone.csv"));
    assert!(
        gone.starts_with("Cannot read `") && gone.contains("gone.csv`: No such file"),
        "{gone}"
    );
}
