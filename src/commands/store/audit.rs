//! `mitune store audit`

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use mitune_stages::contract::LazyDevice;
use mitune_stages::device::DeviceSelection;
use mitune_store::remote::{Folder, Upstream};
use mitune_store::trust::{Policy, Unsigned};
use mitune_store::{Sharing, Store};

use crate::commands::pipeline_arguments::PipelineArguments;
use crate::engine::{Engine, RememberedDigests, Unobserved};
use crate::failure::Failure;
use crate::inspect::audit::{Audit, AuditedResult};
use crate::session::Session;
use crate::ui::{line, print_json};
use crate::user_folders::cache_folder;

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,

    /// Part of the results to compute again, such as `1%`; at least one
    #[arg(
        long,
        value_name = "PERCENT",
        allow_negative_numbers = true,
        default_value = "1%"
    )]
    recompute: Percent,

    /// Accept numbers that differ by noise this many dB below their peak; by default they must be the same to the bit
    #[arg(long, value_name = "DB", value_parser = decibels)]
    psnr: Option<f64>,

    /// Seed of the choice [default: the time]
    #[arg(long)]
    seed: Option<u64>,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceSelection,
}

fn decibels(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if !number.is_nan() => Ok(number),
        _ => Err("expected a number, such as `60`".to_owned()),
    }
}

/// A part of a whole.
#[derive(Clone, Copy, Debug)]
struct Percent(f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
        match number {
            Ok(number) if number > 0.0 && number <= 100.0 => Ok(Self(number)),
            _ => Err("expected a number above 0 and up to 100, such as `1%`".to_owned()),
        }
    }
}

/// Computes some results of a pipeline again and returns 1 if one came out different.
pub(super) fn run(arguments: &AuditArguments, session: &Session<'_>) -> Result<u8, Failure> {
    let store = session.reading_store()?;
    let pipeline = arguments.pipeline.read(session)?;
    let digests = RememberedDigests::open(&cache_folder());
    let engine = Engine {
        store: &store,
        device: &LazyDevice::new(arguments.device),
        digests: &digests,
        observer: &Unobserved,
        cancelled: &AtomicBool::new(false),
    };
    let hits = engine.hits(&pipeline)?;
    if hits.is_empty() {
        return Err(Failure::usage(
            "The store has no result of this pipeline to compute again",
        ));
    }
    let seed = arguments.seed.unwrap_or_else(|| mitune_store::Timestamp::now().0);
    let chosen = choose(&hits, arguments.recompute, seed);
    let folder = tempfile::Builder::new().prefix("mitune-audit-").tempdir()?;
    let scratch = scratch(&store, folder.path())?;
    let audited = engine.audit(&pipeline, &chosen, &scratch)?;
    let results = audited
        .iter()
        .map(|result| AuditedResult::new(result, &store, &scratch, arguments.psnr));
    let audit = Audit {
        audited: results.collect::<Result<_, _>>()?,
        hits: hits.len(),
    };
    if session.json {
        // As a value first, so that fields stand in the order of their names.
        print_json(&serde_json::to_value(&audit)?)?;
    } else {
        print_audit(&audit)?;
    }
    Ok(u8::from(audit.refused() > 0))
}

fn print_audit(audit: &Audit) -> Result<(), Failure> {
    audit.audited.iter().try_for_each(print_result)?;
    let verdict = match audit.refused() {
        0 => "none differs".to_owned(),
        count => format!("{count} differ; `mitune store forget KEY --why TEXT` disowns a result"),
    };
    line(format!(
        "{} of {} results computed again: {verdict}",
        audit.audited.len(),
        audit.hits
    ))
}

fn print_result(result: &AuditedResult) -> Result<(), Failure> {
    let key = result.key.short();
    if result.same {
        return line(format!("same       {} `{key}`", result.stage));
    }
    for output in &result.differing {
        let label = if output.accepted { "close    " } else { "different" };
        let remark = match output.psnr {
            Some(psnr) => format!("numbers agree to {psnr:.1} dB"),
            None => "other values than numbers, or another shape".to_owned(),
        };
        line(format!(
            "{label}  {} `{key}` output `{}`: {remark}",
            result.stage, output.port
        ))?;
    }
    Ok(())
}

/// Draws a part of the stages without repetition.
fn choose(hits: &[usize], part: Percent, seed: u64) -> Vec<usize> {
    let count = (hits.len() as f64 * part.0 / 100.0).ceil().max(1.0) as usize;
    let mut drawn = hits.to_vec();
    // SplitMix64 spreads any seed; a choice of what to check needs no more.
    let mut state = seed;
    drawn.sort_by_cached_key(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    });
    drawn.truncate(count);
    drawn
}

/// A store for the results of now in a temporary folder, which takes only bytes from the one that is audited.
fn scratch(audited: &Store, folder: &Path) -> Result<Store, Failure> {
    let store = Store::open(folder)?;
    let policy = Policy {
        trust: Vec::new(),
        unsigned: Unsigned::Accept,
    };
    let inputs = Upstream::new("audited", Arc::new(Folder::new(audited.clone())), policy).blobs_only();
    store.attach(Sharing::new(None, vec![inputs], Box::new(|_| {})));
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_drawn_without_repetition() {
        let hits: Vec<usize> = (10..210).collect();
        let mut drawn = choose(&hits, Percent(10.0), 7);
        assert_ne!(drawn, choose(&hits, Percent(10.0), 8));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 20);
        assert_eq!(choose(&hits, Percent(0.001), 7).len(), 1);
        assert_eq!(choose(&hits, Percent(100.0), 7).len(), 200);
        for text in ["0", "-1%", "101%", "x"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }
}
