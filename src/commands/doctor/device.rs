//! `mitune doctor --device`: a model on a device against the same on the processor.

use std::path::PathBuf;

use clap::Args;
use mitune_stages::device::DeviceSelection;
use mitune_stages::device_check::{Agreement, DeviceCheck, DeviceCheckReport, PartReport};
use serde::Serialize;

use crate::commands::generate::NumberFormat;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{RunDisplay, Table, bytes, line, print_json};

#[derive(Debug, Args)]
pub(crate) struct DeviceArguments {
    /// Compute every part of a model on this device and compare with the processor: wgpu[:N], cuda[:N], auto or cpu
    #[arg(long, value_name = "DEVICE", requires = "model")]
    device: Option<DeviceSelection>,

    /// Model directory in the layout of diffusers
    #[arg(long, value_name = "DIR", requires = "device")]
    model: Option<PathBuf>,

    /// Number format on the device; the processor always computes in f32
    #[arg(long, value_name = "DTYPE", default_value = "f32", requires = "device")]
    dtype: NumberFormat,

    /// Compare with numbers that --save wrote on another machine, instead of computing them here
    #[arg(long, value_name = "FILE", requires = "device")]
    against: Option<PathBuf>,

    /// Write the device's numbers to a safetensors file
    #[arg(long, value_name = "FILE", requires = "device")]
    save: Option<PathBuf>,

    /// Also fill the device's memory, to see that its end is an error and the device works on
    #[arg(long, requires = "device")]
    exhaust_memory: bool,
}

/// The report and what it comes to, for programs.
#[derive(Serialize)]
struct Verdict<'a> {
    passed: bool,
    #[serde(flatten)]
    report: &'a DeviceCheckReport,
}

impl DeviceArguments {
    /// What is to be checked, if a device was named.
    fn check(&self) -> Option<DeviceCheck> {
        Some(DeviceCheck {
            device: self.device?,
            model: self.model.clone()?,
            dtype: self.dtype.into(),
            against: self.against.clone(),
            save: self.save.clone(),
            exhaust_memory: self.exhaust_memory,
        })
    }
}

/// Checks the device that was named; none if none was. The exit code is 1 if something differs.
pub(super) fn run(arguments: &DeviceArguments, session: &Session<'_>) -> Option<Result<u8, Failure>> {
    arguments.check().map(|check| {
        let report = check.run(&RunDisplay::of_command("doctor"))?;
        match session.json {
            true => print_json(&Verdict {
                passed: report.passed(),
                report: &report,
            })?,
            false => print(&report)?,
        }
        Ok(u8::from(!report.passed()))
    })
}

fn print(report: &DeviceCheckReport) -> Result<(), Failure> {
    line(format!(
        "mitune {} on {} in {}: {}, against {}, {:.1} s",
        report.version,
        report.device,
        report.dtype.name(),
        report.model,
        report.against,
        report.seconds
    ))?;
    let mut table = Table::with_headings(["PART", "RELATIVE ERROR", "ALLOWED", ""]);
    for part in &report.parts {
        table.row(row(part));
    }
    let company = &report.company;
    for (part, error) in [
        ("the same batch again", company.again),
        ("images in another order", company.order),
        ("each image alone", company.batch),
    ] {
        let verdict = if error <= company.allowed {
            "agrees"
        } else {
            "DIFFERS"
        };
        table.row([
            part.to_owned(),
            format!("{error:.1e}"),
            format!("{:.1e}", company.allowed),
            verdict.to_owned(),
        ]);
    }
    table.print()?;
    if let Some(memory) = &report.memory {
        let refusal = memory.refusal.as_deref().unwrap_or("the device never refused");
        line(format!(
            "memory: {} allocated, then: {refusal}",
            bytes(memory.allocated_bytes)
        ))?;
        line(match &memory.broken {
            None => "memory: the device computes again".to_owned(),
            Some(reason) => format!("memory: the device does NOT compute again: {reason}"),
        })?;
    }
    line(match report.passed() {
        true => "The device computes what the processor computes",
        false => "The device does NOT compute what the processor computes",
    })
}

fn row(part: &PartReport) -> [String; 4] {
    let verdict = match part.agreement {
        Agreement::Agrees => "agrees",
        Agreement::Differs => "DIFFERS",
        Agreement::NotFinite => "NOT FINITE",
        Agreement::NotComparable => "ANOTHER SHAPE",
    };
    [
        part.part.clone(),
        part.error
            .map_or_else(|| "-".to_owned(), |error| format!("{error:.1e}")),
        format!("{:.1e}", part.allowed),
        verdict.to_owned(),
    ]
}
