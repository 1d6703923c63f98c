//! Five thousand prompts of all of Unicode, drawn here as in `tools/goldens/export_tokenizer.py`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Tokenizer;

const WORDS: [&str; 15] = [
    "a",
    "red",
    "Circle",
    "and",
    "BLUE",
    "square,",
    "photograph",
    "of",
    "an",
    "astronaut",
    "riding",
    "horse's",
    "they're",
    "1234",
    "3.5",
];
const SEPARATORS: [&str; 8] = [" ", "  ", "\n", "\r\n", ", ", "\t", "-", ""];
/// Ranges of code points that prompts of a kind are drawn from; the first kind is made of words.
const KINDS: [&[(u64, u64)]; 10] = [
    &[],
    &[(0x20, 0x7e)],
    &[(0x20, 0x7e), (0xa0, 0x24f), (0x300, 0x36f)],
    &[
        (0x00, 0x20),
        (0x61, 0x7a),
        (0x7f, 0xa0),
        (0x2000, 0x200f),
        (0x2028, 0x202f),
    ],
    &[
        (0x1f300, 0x1faff),
        (0x200d, 0x200d),
        (0xfe0f, 0xfe0f),
        (0x20, 0x20),
        (0x2600, 0x27bf),
        (0x1f1e6, 0x1f1ff),
    ],
    &[(0x20, 0x20), (0x20, 0x20), (0x61, 0x64), (0x0a, 0x0d)],
    &[(0x370, 0x1cff), (0x1e00, 0x1fff), (0x2100, 0x218f)],
    &[(0x3000, 0xd7ff), (0xe000, 0xfffd)],
    &[(0x10000, 0x2ffff), (0xe0000, 0xe01ef), (0x10_fff0, 0x10_ffff)],
    &[(0x1, 0xd7ff), (0xe000, 0x10_ffff)],
];
const LONGEST: usize = 10_000;

#[derive(Deserialize)]
struct Golden {
    checksums: BTreeMap<String, Vec<u32>>,
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) % bound
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

fn prompt(index: usize) -> String {
    let mut draws = Draws(index as u64);
    let ranges = KINDS[index % KINDS.len()];
    let pieces = match index % 999 {
        998 => LONGEST as u64,
        _ => 1 + draws.below(48),
    };
    let mut text = String::new();
    for _ in 0..pieces {
        if ranges.is_empty() {
            text.push_str(draws.pick(&WORDS));
            text.push_str(draws.pick(&SEPARATORS));
        } else {
            let (first, last) = draws.pick(ranges);
            let code = first + draws.below(last - first + 1);
            text.push(char::from_u32(code as u32).unwrap());
        }
    }
    text.chars().take(LONGEST).collect()
}

fn checksum(ids: &[u32]) -> u32 {
    ids.iter()
        .fold(0, |sum: u32, id| sum.wrapping_mul(1_000_003).wrapping_add(id + 1))
}

#[test]
fn five_thousand_prompts_equal_transformers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer");
    let golden: Golden = serde_json::from_slice(&std::fs::read(folder.join("many.json")).unwrap()).unwrap();
    for (name, expected) in &golden.checksums {
        assert_eq!(expected.len(), 5000);
        let tokenizer = Tokenizer::from_directory(&folder.join(name)).unwrap();
        let whole = tokenizer.with_context_length(usize::from(u16::MAX)).unwrap();
        let wrong: Vec<usize> = (0..expected.len())
            .filter(|&index| {
                let encoded = whole.encode(&prompt(index)).unwrap();
                checksum(&encoded.ids[..encoded.length]) != expected[index]
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "{name}: {} differ, first {:?}",
            wrong.len(),
            prompt(wrong[0])
        );
    }
}
