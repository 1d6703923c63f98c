use std::fs;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, DictionaryArray, Int64Array, LargeBinaryArray, LargeStringArray,
    ListArray, NullArray, StringArray, StringViewArray, StructArray,
};
use arrow_schema::{DataType, Field};
use proptest::prelude::*;

use super::super::fixture::{Files, message, prompts, rows, strings};
use super::super::{PromptSource, PromptsConfig, ingest};
use super::*;

fn source(paths: Vec<PathBuf>) -> PromptSource {
    PromptSource::Parquet(ParquetSource {
        paths,
        column: default_column(),
        category_column: None,
        split_column: None,
    })
}

#[test]
fn labels_come_from_their_columns() {
    let files = Files::new();
    let kinds: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, None]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b")]));
    let columns = vec![
        ("kind", kinds),
        ("other", Arc::new(Int64Array::from(vec![1, 2, 3])) as _),
        ("prompt", texts),
    ];
    let paths = files.write_parquet("a.parquet", columns);
    let source = ParquetSource {
        paths,
        column: default_column(),
        category_column: Some("kind".to_owned()),
        split_column: None,
    };
    let ingested = files.ingest(PromptSource::Parquet(source)).expect("prompts");
    let name = "a.parquet".to_owned();
    assert_eq!(
        rows(&ingested),
        [
            ("a".to_owned(), Some("x".to_owned()), None, name.clone(), 1),
            ("b".to_owned(), None, None, name, 3)
        ]
    );
    assert_eq!(ingested.report.rejected["null"], 1);
}

#[test]
fn every_kind_of_string_column_is_text() {
    let files = Files::new();
    let texts = ["a car", "a boat", "a car"];
    let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
    let columns: [ArrayRef; 7] = [
        strings(&texts),
        Arc::new(BinaryArray::from_iter_values(texts)),
        Arc::new(LargeBinaryArray::from_iter_values(texts)),
        Arc::new(BinaryViewArray::from_iter_values(texts)),
        Arc::new(LargeStringArray::from_iter_values(texts)),
        Arc::new(StringViewArray::from_iter_values(texts)),
        Arc::new(dictionary),
    ];
    for column in columns {
        let kind = column.data_type().clone();
        let paths = files.write_parquet("a.parquet", vec![("prompt", column)]);
        assert_eq!(
            prompts(&files.ingest(source(paths)).expect("prompts")),
            texts,
            "{kind}"
        );
    }
}

#[test]
fn a_field_of_a_struct_is_named_by_its_path() {
    let files = Files::new();
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a car"), None, Some("hidden")]));
    let field = Arc::new(Field::new("prompt", DataType::Utf8, true));
    let meta = StructArray::new(
        vec![field].into(),
        vec![texts],
        Some(vec![true, true, false].into()),
    );
    let paths = files.write_parquet("a.parquet", vec![("meta", Arc::new(meta) as ArrayRef)]);
    let mut nested = ParquetSource {
        paths,
        column: "meta.prompt".to_owned(),
        category_column: None,
        split_column: None,
    };
    let ingested = files
        .ingest(PromptSource::Parquet(nested.clone()))
        .expect("prompts");
    assert_eq!(prompts(&ingested), ["a car"]);
    assert_eq!(ingested.report.rejected["null"], 2);
    nested.column = "meta.text".to_owned();
    let missing = message(files.ingest(PromptSource::Parquet(nested)));
    assert!(
        missing.contains("No column `meta.text` in `") && missing.ends_with("found `meta`"),
        "{missing}"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let files = Files::new();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let missing = files.write_parquet(
        "a.parquet",
        vec![("id", numbers.clone()), ("text", strings(&["a"]))],
    );
    let missing = message(files.ingest(source(missing)));
    assert!(missing.starts_with("No column `prompt` in `"), "{missing}");
    assert!(missing.ends_with("a.parquet`; found `id`, `text`"), "{missing}");
    let wrong = message(files.ingest(source(
        files.write_parquet("b.parquet", vec![("prompt", numbers)]),
    )));
    assert!(wrong.starts_with("Column `prompt` of `"), "{wrong}");
    assert!(
        wrong.ends_with("b.parquet` must hold text, found a whole number"),
        "{wrong}"
    );
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"a \xff car"]));
    let bytes = message(files.ingest(source(files.write_parquet("c.parquet", vec![("prompt", bytes)]))));
    assert!(
        bytes.starts_with("The prompt at `c.parquet:1` is not UTF-8"),
        "{bytes}"
    );
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(
        1,
    )])]));
    let list = message(files.ingest(source(files.write_parquet("l.parquet", vec![("prompt", list)]))));
    assert!(
        list.ends_with("l.parquet` must hold text, found a list of whole numbers"),
        "{list}"
    );
    let none: ArrayRef = Arc::new(NullArray::new(2));
    let none = message(files.ingest(source(files.write_parquet("n.parquet", vec![("prompt", none)]))));
    assert!(none.ends_with("2 rejected by `null`"), "{none}");
    let packed = message(files.ingest(source(files.write("p.parquet", b"\x1f\x8b\x08 and more"))));
    assert!(
        packed.ends_with("p.parquet` is compressed with gzip; unpack it with `gzip -d`"),
        "{packed}"
    );
    let text = message(files.ingest(source(files.write("d.parquet", "a red car"))));
    assert!(
        text.starts_with("Cannot read `") && text.contains("d.parquet` as Parquet: "),
        "{text}"
    );
    let empty = message(files.ingest(source(files.write("e.parquet", ""))));
    assert!(empty.contains("e.parquet` as Parquet: "), "{empty}");
    let cut = files.write_parquet("f.parquet", vec![("prompt", strings(&["a car"; 500]))]);
    let whole = fs::read(files.path().join(&cut[0])).expect("a file");
    files.write("f.parquet", &whole[..whole.len() / 2]);
    let cut = message(files.ingest(source(cut)));
    assert!(cut.contains("f.parquet` as Parquet: "), "{cut}");
}

#[test]
fn a_text_inside_of_a_struct_is_pointed_at() {
    let files = Files::new();
    let fields = vec![
        Arc::new(Field::new("id", DataType::Int64, true)),
        Arc::new(Field::new("text", DataType::Utf8, true)),
    ];
    let values: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1])), strings(&["a car"])];
    let prompt = StructArray::new(fields.into(), values, None);
    let paths = files.write_parquet("a.parquet", vec![("prompt", Arc::new(prompt) as ArrayRef)]);
    let error = files.ingest(source(paths)).expect_err("a struct");
    assert_eq!(
        error.hint().as_deref(),
        Some("`column: prompt.text` takes the text inside of it")
    );
    let found = message::<()>(Err(error));
    assert!(
        found.ends_with("must hold text, found a struct with the fields `id`, `text`"),
        "{found}"
    );
}

#[test]
fn files_that_are_no_whole_parquet_are_told_apart() {
    let files = Files::new();
    let paths = files.write_parquet("a.parquet", vec![("prompt", strings(&["a car"; 500]))]);
    let whole = fs::read(files.path().join(&paths[0])).expect("a file");
    let mut encrypted = whole.clone();
    let end = encrypted.len() - 4;
    encrypted[end..].copy_from_slice(b"PARE");
    let cases: [(&[u8], &str); 5] = [
        (b"a red car", "it does not begin and end as Parquet files do"),
        (b"", "it does not begin and end as Parquet files do"),
        (
            &whole[..whole.len() / 2],
            "its end is missing; the file is cut short",
        ),
        (b"PAR1 and more", "its end is missing; the file is cut short"),
        (&encrypted, "it is encrypted"),
    ];
    for (content, words) in cases {
        let error = files
            .ingest(source(files.write("a.parquet", content)))
            .expect_err("no Parquet");
        assert!(error.hint().is_some(), "{error}");
        let found = message::<()>(Err(error));
        assert!(
            found.ends_with(&format!("a.parquet` as Parquet: {words}")),
            "{found}"
        );
    }
    let found = message(files.ingest(source(files.write("a.parquet", b"ARROW1\0\0 and more"))));
    assert!(
        found.ends_with("a.parquet` is a Feather or Arrow file; save it as Parquet"),
        "{found}"
    );
}

#[test]
fn invalid_text_in_a_text_column_is_an_error_of_the_file() {
    let files = Files::new();
    let paths = files.write_parquet(
        "a.parquet",
        vec![("prompt", strings(&["a red car", "a blue car"]))],
    );
    let path = files.path().join(&paths[0]);
    let mut bytes = fs::read(&path).expect("a file");
    while let Some(place) = bytes.windows(3).position(|window| window == b"red") {
        bytes[place] = 0xff;
    }
    fs::write(&path, bytes).expect("a file");
    let found = message(files.ingest(source(paths)));
    assert!(
        found.starts_with("Cannot decode the values of `")
            && found.ends_with("a.parquet`: a text in it is not UTF-8"),
        "{found}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damage_anywhere_is_no_panic(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let files = Files::new();
        let texts: Vec<String> = (0..300).map(|number| format!("prompt number {number}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let paths = files.write_parquet("a.parquet", vec![("prompt", strings(&texts))]);
        let path = files.path().join(&paths[0]);
        let mut bytes = fs::read(&path).expect("a file");
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        fs::write(&path, bytes).expect("a file");
        if let Err(error) = ingest(&PromptsConfig::new(source(paths)), files.path()) {
            prop_assert!(error.to_string().contains("a.parquet"), "{error}");
        }
    }
}

/// The footer says where everything is, so that most of its bytes matter.
#[test]
fn a_damaged_byte_of_the_footer_is_no_panic() {
    let files = Files::new();
    let paths = files.write_parquet("a.parquet", vec![("prompt", strings(&["a red car", "a cross"]))]);
    let path = files.path().join(&paths[0]);
    let whole = fs::read(&path).expect("a file");
    let end = whole.len() - 8;
    let length = u32::from_le_bytes(whole[end..end + 4].try_into().expect("four bytes"));
    for place in end - length as usize..whole.len() {
        for byte in [0, 1, 0x15, 0x2b, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            fs::write(&path, bytes).expect("a file");
            if let Err(error) = ingest(&PromptsConfig::new(source(paths.clone())), files.path()) {
                let named = error.to_string().contains("a.parquet");
                assert!(named, "byte {place} as {byte}: {error}");
            }
        }
    }
}
