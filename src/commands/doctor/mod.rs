//! `mitune doctor`

mod device;

use clap::Args;
use mitune_stages::cpu_level::CpuLevel;
use mitune_stages::device::{DeviceReport, list_devices};
use mitune_store::{Store, VerifyDepth, VerifyReport};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{bytes, line, print_json};
use crate::user_folders::cache_folder;

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    device: device::DeviceArguments,
}

/// Checks devices and store, or one device thoroughly; the exit code is 1 if the store is damaged or the device wrong.
pub(crate) fn run(arguments: &DoctorArguments, session: &Session<'_>) -> Result<u8, Failure> {
    if let Some(checked) = device::run(&arguments.device, session) {
        return checked;
    }
    let devices = list_devices();
    let path = session.store_path();
    let store = if path.join("FORMAT").exists() {
        Some(
            Store::open(path)
                .and_then(|store| Ok((store.format().clone(), store.verify(VerifyDepth::Quick)?))),
        )
    } else {
        None
    };
    let healthy = clean(&store);
    if session.json {
        print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "features": features(),
            "cpu_level": cpu_levels(),
            "devices": devices.iter().map(device_entry).collect::<Vec<_>>(),
            "store": {
                "path": path,
                "exists": store.is_some(),
                "error": store.as_ref().and_then(|store| store.as_ref().err()).map(ToString::to_string),
                "format": store.as_ref().and_then(|store| store.as_ref().ok()).map(|(format, _)| format.format),
                "check": store.as_ref().and_then(|store| store.as_ref().ok()).map(|(_, report)| report),
            },
            "cache": cache_folder(),
        }))?;
        return Ok(u8::from(!healthy));
    }
    line(format!(
        "mitune {} with {}",
        env!("CARGO_PKG_VERSION"),
        features().join(", ")
    ))?;
    line(cpu_line())?;
    for device in &devices {
        line(device_line(device))?;
    }
    match &store {
        None => line(format!("store `{}`: not there yet", path.display()))?,
        Some(Err(error)) => line(format!("store `{}`: {error}", path.display()))?,
        Some(Ok((format, report))) => {
            let (records, size) = (report.records, bytes(report.bytes));
            line(format!(
                "store `{}`: format {}, {records} records, {} blobs, {size}",
                path.display(),
                format.format,
                report.blobs
            ))?;
            for finding in report
                .corrupt
                .iter()
                .chain(&report.missing)
                .chain(&report.unreadable)
            {
                line(format!("  {}: {}", finding.what, finding.reason))?;
            }
        }
    }
    Ok(u8::from(!healthy))
}

type Checked = Option<Result<(mitune_store::Format, VerifyReport), mitune_store::StoreError>>;

fn clean(store: &Checked) -> bool {
    match store {
        None => true,
        Some(Ok((_, report))) => report.is_clean(),
        Some(Err(_)) => false,
    }
}

/// Names the device families compiled in.
fn features() -> Vec<&'static str> {
    let mut features = vec!["cpu"];
    if cfg!(feature = "wgpu") {
        features.push("wgpu");
    }
    if cfg!(feature = "vulkan") {
        features.push("vulkan");
    }
    if cfg!(feature = "cuda") {
        features.push("cuda");
    }
    features
}

/// The level of the CPU device's instructions, and those that the processor has.
fn cpu_levels() -> Value {
    let available: Vec<String> = CpuLevel::available().iter().map(CpuLevel::to_string).collect();
    json!({"in_force": CpuLevel::in_force().to_string(), "available": available})
}

fn cpu_line() -> String {
    let available: Vec<String> = CpuLevel::available().iter().map(CpuLevel::to_string).collect();
    format!("cpu level {} of {}", CpuLevel::in_force(), available.join(", "))
}

fn device_name(device: &DeviceReport) -> String {
    match device.index {
        Some(index) => format!("{}:{index}", device.family),
        None => device.family.to_string(),
    }
}

fn device_line(device: &DeviceReport) -> String {
    match &device.float_types {
        Ok(types) => format!("device {}: works, {}", device_name(device), types.join(" ")),
        Err(error) => format!("device {}: {error}", device_name(device)),
    }
}

fn device_entry(device: &DeviceReport) -> Value {
    json!({
        "device": device_name(device),
        "works": device.float_types.is_ok(),
        "float_types": device.float_types.as_ref().ok(),
        "error": device.float_types.as_ref().err().map(ToString::to_string),
    })
}
