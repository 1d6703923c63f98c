//! Writes a table like DiffusionDB's `metadata.parquet` with invented content: `FILE [ROWS] [SEED]`.

#[path = "../tests/diffusiondb_metadata/mod.rs"]
mod diffusiondb_metadata;

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: make_diffusiondb_metadata FILE [ROWS] [SEED]")?;
    let rows = arguments.next().map_or(Ok(2_000_000), |rows| rows.parse())?;
    let seed = arguments.next().map_or(Ok(0), |seed| seed.parse())?;
    diffusiondb_metadata::write(Path::new(&path), rows, seed)?;
    Ok(())
}
