//! A table with the schema, the sizes and the flaws of DiffusionDB's `metadata.parquet`, but invented content.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{
    Float32Builder, StringBuilder, TimestampMillisecondBuilder, UInt8Builder, UInt16Builder, UInt32Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

/// Rows are generated and written in pieces of this size.
const PIECE: u64 = 20_000;
/// As many rows as pyarrow by default puts into one row group.
const ROW_GROUP: usize = 1 << 20;

const WORDS: [&str; 24] = [
    "portrait",
    "castle",
    "cinematic lighting",
    "by greg rutkowski",
    "trending on artstation",
    "8 k",
    "highly detailed",
    "oil painting",
    "a cat",
    "cyberpunk city",
    "concept art",
    "sharp focus",
    "octane render",
    "forest",
    "of a woman",
    "dragon",
    "unreal engine",
    "intricate",
    "matte",
    "caf\u{e9}",
    "studio ghibli",
    "symmetrical",
    "robot",
    "sunset",
];

/// Writes `rows` images of about three quarters as many prompts.
///
/// One prompt in a thousand is empty; probabilities are those of `image_nsfw` and `prompt_nsfw`, where 2 marks a
/// blurred image.
pub(crate) fn write(path: &Path, rows: u64, seed: u64) -> io::Result<()> {
    let schema = schema();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema.clone(), Some(properties))?;
    let mut first = 0;
    while first < rows {
        let end = rows.min(first + PIECE);
        writer.write(&piece(&schema, first..end, seed).map_err(io::Error::other)?)?;
        first = end;
    }
    writer.close()?;
    Ok(())
}

fn schema() -> SchemaRef {
    let field = |name: &str, kind| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        field("image_name", DataType::Utf8),
        field("prompt", DataType::Utf8),
        field("part_id", DataType::UInt16),
        field("seed", DataType::UInt32),
        field("step", DataType::UInt16),
        field("cfg", DataType::Float32),
        field("sampler", DataType::UInt8),
        field("width", DataType::UInt16),
        field("height", DataType::UInt16),
        field("user_name", DataType::Utf8),
        field(
            "timestamp",
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        ),
        field("image_nsfw", DataType::Float32),
        field("prompt_nsfw", DataType::Float32),
    ]))
}

fn piece(
    schema: &SchemaRef,
    rows: std::ops::Range<u64>,
    seed: u64,
) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let (mut image_name, mut prompt, mut user_name) =
        (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut part_id, mut image_seed, mut step) =
        (UInt16Builder::new(), UInt32Builder::new(), UInt16Builder::new());
    let (mut cfg, mut sampler) = (Float32Builder::new(), UInt8Builder::new());
    let (mut width, mut height) = (UInt16Builder::new(), UInt16Builder::new());
    let mut timestamp = TimestampMillisecondBuilder::new().with_timezone("UTC");
    let (mut image_nsfw, mut prompt_nsfw) = (Float32Builder::new(), Float32Builder::new());
    for row in rows {
        let mut draws = Draws(seed ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (high, low) = (draws.next(), draws.next());
        image_name.append_value(format!(
            "{:08x}-{:04x}-{:016x}.png",
            high >> 32,
            high & 0xffff,
            low
        ));
        // Images of one prompt come one after the other, one to several of them.
        let group = row - draws.next() % 2 * u64::from(row > 0);
        prompt.append_value(text(seed, group));
        part_id.append_value(u16::try_from(row / 1000 + 1).unwrap_or(u16::MAX));
        image_seed.append_value(draws.next() as u32);
        step.append_value(20 + (draws.next() % 131) as u16);
        cfg.append_value(1.0 + (draws.next() % 290) as f32 / 10.0);
        sampler.append_value(1 + (draws.next() % 9) as u8);
        let sizes = [512, 512, 512, 512, 768, 640, 896, 1024];
        width.append_value(sizes[(draws.next() % 8) as usize]);
        height.append_value(sizes[(draws.next() % 8) as usize]);
        user_name.append_value(format!("{:016x}", draws.next() % 10_000).repeat(4));
        let time = (!draws.next().is_multiple_of(100)).then_some(1_659_000_000_000 + (row * 997) as i64);
        timestamp.append_option(time);
        image_nsfw.append_value(if draws.next().is_multiple_of(50) {
            2.0
        } else {
            draws.unit().powi(4)
        });
        prompt_nsfw.append_value(draws.unit().powi(8));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(image_name.finish()),
        Arc::new(prompt.finish()),
        Arc::new(part_id.finish()),
        Arc::new(image_seed.finish()),
        Arc::new(step.finish()),
        Arc::new(cfg.finish()),
        Arc::new(sampler.finish()),
        Arc::new(width.finish()),
        Arc::new(height.finish()),
        Arc::new(user_name.finish()),
        Arc::new(timestamp.finish()),
        Arc::new(image_nsfw.finish()),
        Arc::new(prompt_nsfw.finish()),
    ];
    RecordBatch::try_new(schema.clone(), columns)
}

/// A prompt of some twenty to three hundred characters.
fn text(seed: u64, group: u64) -> String {
    let mut draws = Draws(seed.rotate_left(17) ^ group.wrapping_mul(0xd134_2543_de82_ef95));
    if draws.next().is_multiple_of(1000) {
        return String::new();
    }
    let words = 2 + draws.next() % 14;
    let mut text = format!(
        "{} {}",
        draws.next() % 100_000,
        WORDS[(draws.next() % 24) as usize]
    );
    for _ in 0..words {
        text.push_str(", ");
        text.push_str(WORDS[(draws.next() % 24) as usize]);
    }
    text
}

/// The splitmix64 generator.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u32 << 24) as f32
    }
}
