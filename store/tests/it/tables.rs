//! Tables: the same rows mean and weigh the same, however they are cut.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int8Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use mitune_store::{Artifact, ArtifactKind, Part, Reach, Store, StoreError, TableError, row_digests};
use proptest::prelude::*;

use crate::sample::{candidate_schema, candidates};

/// Cuts a batch at the given places.
fn cut(batch: &RecordBatch, places: &[prop::sample::Index]) -> Vec<RecordBatch> {
    let mut places: Vec<_> = places
        .iter()
        .map(|place| place.index(batch.num_rows() + 1))
        .collect();
    places.extend([0, batch.num_rows()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| batch.slice(pair[0], pair[1] - pair[0]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn batches_leave_no_trace(numbers in prop::collection::vec(0..200_u32, 0..60), places: [prop::sample::Index; 3]) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let batch = candidates(&numbers);
        let pieces = cut(&batch, &places);
        let digests: Vec<_> = pieces.iter().flat_map(|piece| row_digests(piece).unwrap()).collect();
        prop_assert_eq!(&digests, &row_digests(&batch).unwrap());

        let whole = store.artifacts().put_table(&candidate_schema(), [batch.clone()]).unwrap();
        let pieced = store.artifacts().put_table(&candidate_schema(), pieces).unwrap();
        prop_assert_eq!(&whole, &pieced);
        prop_assert_eq!(whole.rows, Some(numbers.len() as u64));
        prop_assert_eq!(store.artifacts().read_table_whole(&whole, None).unwrap(), batch);
    }

    #[test]
    fn parts_are_the_table_of_their_rows(
        shards in prop::collection::vec(prop::collection::vec(0..1000_u32, 1..20), 1..6),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..80),
    ) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let blobs: Vec<_> = shards
            .iter()
            .map(|numbers| store.artifacts().put_table(&candidate_schema(), [candidates(numbers)]).unwrap().file)
            .collect();
        let picks: Vec<_> = picks
            .iter()
            .map(|(shard, row)| {
                let shard = shard.index(shards.len());
                (shard, row.index(shards[shard].len()))
            })
            .collect();
        let numbers: Vec<_> = picks.iter().map(|(shard, row)| shards[*shard][*row]).collect();
        let parts: Vec<_> =
            picks.iter().map(|(shard, row)| Part { blob: blobs[*shard], rows: vec![*row as u32] }).collect();
        let expected = candidates(&numbers);
        let artifact =
            store.artifacts().put_parts(&candidate_schema(), &parts, &row_digests(&expected).unwrap()).unwrap();
        prop_assert_eq!(artifact.kind, ArtifactKind::Parts);
        prop_assert_eq!(store.artifacts().read_table_whole(&artifact, None).unwrap(), expected.clone());

        let copied = store.artifacts().put_table(&candidate_schema(), [expected.clone()]).unwrap();
        prop_assert_eq!(artifact.content, copied.content);
        prop_assert_eq!(artifact.rows, copied.rows);
        let columns = ["mi", "prompt_id"];
        let some = store.artifacts().read_table_whole(&artifact, Some(&columns)).unwrap();
        prop_assert_eq!(some, expected.project(&[2, 0]).unwrap());

        let path = root.path().join("exported.parquet");
        store.artifacts().export(&artifact, &path).unwrap();
        prop_assert_eq!(std::fs::read(path).unwrap(), store.blobs().read(&copied.file).unwrap());
    }
}

#[test]
fn rows_are_read_in_any_order_without_a_table_of_them() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let put = |numbers: &[u32]| {
        store
            .artifacts()
            .put_table(&candidate_schema(), [candidates(numbers)])
            .unwrap()
    };
    let (one, other) = (put(&[1, 2, 3]), put(&[4, 5]));
    let part = |table: &Artifact, rows: Vec<u32>| Part {
        blob: table.file,
        rows,
    };
    let parts = [part(&one, vec![2, 0]), part(&other, vec![1]), part(&one, vec![2])];
    let before = store.catalog().blobs().unwrap();
    let read = |columns: Option<&[&str]>| -> Vec<RecordBatch> {
        let rows = store
            .artifacts()
            .read_rows(&candidate_schema(), &parts, columns)
            .unwrap();
        rows.map(Result::unwrap).collect()
    };
    let expected = candidates(&[3, 1, 5, 3]);
    assert_eq!(read(None), std::slice::from_ref(&expected));
    assert_eq!(
        read(Some(&["mi", "prompt_id"])),
        [expected.project(&[2, 0]).unwrap()]
    );
    assert_eq!(store.catalog().blobs().unwrap(), before);

    let refused = |part: Part| {
        let mut rows = store
            .artifacts()
            .read_rows(&candidate_schema(), &[part], None)
            .unwrap();
        rows.next().unwrap().unwrap_err()
    };
    assert!(matches!(
        refused(part(&other, vec![2])),
        StoreError::Table(TableError::RowRange { row: 2, rows: 2, .. })
    ));
    let narrow = Arc::new(Schema::new(vec![Field::new("x", DataType::Int8, true)]));
    let batch = RecordBatch::try_new(narrow.clone(), vec![Arc::new(Int8Array::from(vec![1]))]).unwrap();
    let narrow = store.artifacts().put_table(&narrow, [batch]).unwrap();
    assert!(matches!(
        refused(part(&narrow, vec![0])),
        StoreError::Table(TableError::NoColumn { .. })
    ));
}

#[test]
fn rows_differ_where_their_values_do() {
    let column = |name: &str, array: ArrayRef| {
        let schema = Schema::new(vec![Field::new(name, array.data_type().clone(), true)]);
        row_digests(&RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap()).unwrap()
    };
    let floats = column(
        "x",
        Arc::new(Float64Array::from(vec![Some(0.0), Some(-0.0), None, Some(1.0)])),
    );
    let texts = column(
        "x",
        Arc::new(StringArray::from(vec![Some(""), None, Some("\0"), Some("a")])),
    );
    let bytes = column("x", Arc::new(Int8Array::from(vec![Some(0), None, Some(1)])));
    let mut all: Vec<_> = [floats, texts, bytes].concat();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);

    let payloads = [f64::NAN, -f64::NAN, f64::from_bits(0x7ff8_0000_0000_0001)];
    let nans = column("x", Arc::new(Float64Array::from(payloads.to_vec())));
    assert_eq!(nans[0], nans[1]);
    assert_eq!(nans[0], nans[2]);
}

#[test]
fn names_types_and_nullability_are_content_and_metadata_is_not() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let array: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    let put = |field: Field, note: Option<&str>| {
        let metadata: std::collections::HashMap<_, _> = note
            .iter()
            .map(|note| ("note".to_owned(), (*note).to_owned()))
            .collect();
        let schema = Arc::new(Schema::new_with_metadata(vec![field], metadata));
        let batch = RecordBatch::try_new(schema.clone(), vec![array.clone()]).unwrap();
        store.artifacts().put_table(&schema, [batch]).unwrap()
    };
    let plain = put(Field::new("x", DataType::Float64, true), None);
    assert_ne!(
        plain.content,
        put(Field::new("y", DataType::Float64, true), None).content
    );
    assert_ne!(
        plain.content,
        put(Field::new("x", DataType::Float64, false), None).content
    );
    let noted = put(Field::new("x", DataType::Float64, true), Some("n"));
    assert_eq!(plain.content, noted.content);
    assert_ne!(plain.file, noted.file);
    let schema = store
        .artifacts()
        .read_table(&noted, None)
        .unwrap()
        .schema()
        .clone();
    assert_eq!(schema.metadata().get("note").map(String::as_str), Some("n"));
}

#[test]
fn large_tables_come_in_bounded_batches() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("image", DataType::Binary, false),
    ]));
    let batch = |start: usize| {
        let ids: StringArray = (start..start + 25).map(|n| Some(n.to_string())).collect();
        let images: arrow_array::BinaryArray = (start..start + 25)
            .map(|n| Some((0..400_000).map(|k| ((n * k) >> 3) as u8).collect::<Vec<_>>()))
            .collect();
        RecordBatch::try_new(schema.clone(), vec![Arc::new(ids), Arc::new(images)]).unwrap()
    };
    let artifact = store
        .artifacts()
        .put_table(&schema, (0..8).map(|n| batch(n * 25)))
        .unwrap();
    let sizes: Vec<_> = store
        .artifacts()
        .read_table(&artifact, None)
        .unwrap()
        .map(|batch| batch.unwrap().get_array_memory_size())
        .collect();
    assert!(sizes.len() >= 3, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < 80 << 20), "{sizes:?}");

    let order: Vec<u32> = (0..200).rev().collect();
    let digests: Vec<_> = (0..8)
        .flat_map(|n| row_digests(&batch(n * 25)).unwrap())
        .rev()
        .collect();
    let parts = [Part {
        blob: artifact.file,
        rows: order,
    }];
    let reversed = store.artifacts().put_parts(&schema, &parts, &digests).unwrap();
    let batches: Vec<_> = store
        .artifacts()
        .read_table(&reversed, None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(batches.len() >= 3);
    let ids: Vec<String> = batches
        .iter()
        .flat_map(|batch| {
            let ids: &StringArray = batch.column(0).as_any().downcast_ref().unwrap();
            ids.iter().map(|id| id.unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(ids, (0..200).rev().map(|n| n.to_string()).collect::<Vec<_>>());
    let found: Vec<_> = batches
        .iter()
        .flat_map(|batch| row_digests(batch).unwrap())
        .collect();
    assert_eq!(found, digests);
    let rows = |columns: &[&str]| -> usize {
        let reader = store.artifacts().read_table(&reversed, Some(columns)).unwrap();
        reader.map(|batch| batch.unwrap().num_rows()).sum()
    };
    assert_eq!((rows(&["image"]), rows(&[])), (200, 200));
    // Without the images one batch holds all rows.
    assert_eq!(
        store
            .artifacts()
            .read_table(&reversed, Some(&["id"]))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn tables_that_cannot_be_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let batch = candidates(&[1, 2]);
    let artifact = store
        .artifacts()
        .put_table(&candidate_schema(), [batch.clone()])
        .unwrap();
    let digests = row_digests(&batch).unwrap();

    let error = store
        .artifacts()
        .read_table(&artifact, Some(&["latents"]))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Table has no column `latents`, its columns are `prompt_id`"),
        "{error}"
    );
    assert!(
        store
            .artifacts()
            .read_table(&artifact, Some(&["mi", "mi"]))
            .is_err()
    );
    let other = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]));
    assert!(matches!(
        store.artifacts().put_table(&other, [batch.clone()]),
        Err(StoreError::Table(TableError::Fields { .. }))
    ));
    let row = |rows: Vec<u32>| {
        vec![Part {
            blob: artifact.file,
            rows,
        }]
    };
    assert!(matches!(
        store
            .artifacts()
            .put_parts(&candidate_schema(), &row(vec![0, 2]), &digests),
        Err(StoreError::Table(TableError::RowRange { row: 2, rows: 2, .. }))
    ));
    assert!(matches!(
        store
            .artifacts()
            .put_parts(&candidate_schema(), &row(vec![0]), &digests),
        Err(StoreError::Table(TableError::PartRows { rows: 1, digests: 2 }))
    ));
    assert!(matches!(
        store.artifacts().put_parts(&other, &row(vec![0, 1]), &digests),
        Err(StoreError::Table(TableError::Fields { .. }))
    ));
    let large = Arc::new(Schema::new(vec![Field::new("x", DataType::LargeUtf8, true)]));
    let error = store.artifacts().put_table(&large, []).unwrap_err();
    assert!(
        error.to_string().starts_with("Column `x` has the type LargeUtf8"),
        "{error}"
    );
    let twice = Arc::new(Schema::new(vec![
        Field::new("x", DataType::Int8, true),
        Field::new("x", DataType::Int8, true),
    ]));
    assert!(matches!(
        store.artifacts().put_table(&twice, []),
        Err(StoreError::Table(TableError::RepeatedColumn(_)))
    ));
}

#[test]
fn a_table_is_what_its_files_say_whatever_its_record_claims() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().join("store")).unwrap();
    let batch = candidates(&[1, 2, 3]);
    let schema = batch.schema();
    let digests = row_digests(&batch).unwrap();
    let whole = store.artifacts().put_table(&schema, [batch]).unwrap();
    let part = Part {
        blob: whole.file,
        rows: vec![2, 0],
    };
    let parts = store
        .artifacts()
        .put_parts(&schema, &[part], &[digests[2], digests[0]])
        .unwrap();
    for table in [&whole, &parts] {
        for reach in [Reach::Here, Reach::Everywhere] {
            let shape = store.artifacts().table_shape(table, reach).unwrap().unwrap();
            assert_eq!(shape.fields(), schema.fields());
        }
        let other = Artifact {
            rows: Some(7),
            ..table.clone()
        };
        assert!(store.artifacts().table_shape(&other, Reach::Here).is_err());
    }
    // A list of parts with rows that its blob does not have.
    let text = String::from_utf8(store.blobs().read(&parts.file).unwrap()).unwrap();
    let text = text.replace("[2,0]", "[4294967295,0]");
    let forged = Artifact {
        file: store.blobs().put_bytes(text.as_bytes()).unwrap(),
        bytes: text.len() as u64,
        ..parts
    };
    let error = store
        .artifacts()
        .table_shape(&forged, Reach::Everywhere)
        .unwrap_err();
    assert!(error.condemns_artifact(), "{error}");
    assert!(error.to_string().contains("names row 4294967295"), "{error}");
}
