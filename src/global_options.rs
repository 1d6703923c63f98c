use std::path::PathBuf;

use clap::Args;
use mitune_stages::cpu_level::CpuLevel;

/// Options that every command takes.
#[derive(Debug, Args)]
pub(crate) struct GlobalOptions {
    /// Folder of the store [default: .mitune in the working directory] [env: MITUNE_STORE]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,

    /// Do not tell other processes what is being computed, nor wait for them; results stay right [env: MITUNE_LEASES=off]
    #[arg(long, global = true)]
    pub(crate) no_leases: bool,

    /// Hold the CPU device to lower vector instructions than the processor has: baseline, neon, avx2 or avx512 [env:
    /// MITUNE_CPU_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) cpu_level: Option<CpuLevel>,

    /// Write data as JSON to standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
}
