//! Against transformers' `BertTokenizer` with BLIP's two tokens added.

use super::WordPieceTokenizer;
use super::tests::golden;

#[derive(serde::Deserialize)]
struct Row {
    text: String,
    ids: Vec<u32>,
}

fn tokenizer() -> WordPieceTokenizer {
    WordPieceTokenizer::from_directory(&golden("image_reward")).unwrap()
}

#[test]
fn equals_transformers() {
    let rows = std::fs::read(golden("tokenizer.json")).unwrap();
    let rows: Vec<Row> = serde_json::from_slice(&rows).unwrap();
    assert!(rows.len() >= 200);
    let tokenizer = tokenizer();
    for row in rows {
        let found = tokenizer.encode(&row.text, 35).unwrap();
        assert_eq!(found, row.ids, "{:?}", row.text);
    }
}

#[test]
fn two_tokens_follow_after_the_vocabulary() {
    let tokenizer = tokenizer();
    let lines = std::fs::read_to_string(golden("image_reward/vocab.txt"))
        .unwrap()
        .lines()
        .count();
    assert_eq!(tokenizer.decoder_id() as usize, lines);
    assert_eq!(tokenizer.encoder_id() as usize, lines + 1);
    assert_eq!(tokenizer.vocabulary_size(), lines + 2);
    assert_eq!(tokenizer.padding_id(), 0);
}

#[test]
fn a_vocabulary_without_what_texts_need_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    let opened = || WordPieceTokenizer::from_directory(folder.path()).map(|_| ());
    assert!(opened().unwrap_err().to_string().contains("vocab.txt"));
    for (text, missing) in [
        ("[PAD]\n[CLS]\n[SEP]\na\n", "[UNK]"),
        ("[PAD]\n[UNK]\n[SEP]\na\n", "[CLS]"),
        ("[UNK]\n[CLS]\n[SEP]\r\n", "[PAD]"),
        ("{}\n", "[UNK]"),
    ] {
        std::fs::write(&path, text).unwrap();
        let message = opened().unwrap_err().to_string();
        assert!(message.contains(missing), "{message}");
    }
    std::fs::write(&path, [0xff; 40]).unwrap();
    assert!(opened().is_err());
}
