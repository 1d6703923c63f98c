//! Which vector instructions the kernels of the CPU device use.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A set of vector instructions that the kernels are compiled for, from the least to the most.
///
/// One program holds them all and chooses when it starts, so that it runs on any machine and is fast on each. Levels
/// with fused multiplication and addition give the same result to the last bit, because every sum has one order at all
/// of them; [`Self::Baseline`] rounds products before it adds them, so its results differ in the last digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CpuLevel {
    /// What every processor of the architecture has, SSE2 on x86-64; multiplies and adds in two instructions.
    Baseline,
    /// Vectors of 128 bits with fused multiplication and addition, on aarch64.
    Neon,
    /// Vectors of 256 bits with fused multiplication and addition, on x86-64.
    Avx2,
    /// Vectors of 512 bits, on x86-64.
    Avx512,
}

/// Why a level cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpuLevelError {
    /// No level is called that.
    #[error("There is no CPU level `{name}`; levels are {}", names(&CpuLevel::ALL))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The processor lacks the instructions.
    #[error("This processor cannot run CPU level `{level}`; it can run {}", names(&CpuLevel::available()))]
    Lacking {
        /// What was asked for.
        level: CpuLevel,
    },
    /// Kernels have run at another level.
    #[error("CPU level `{level}` comes too late, `{in_force}` is in use")]
    TooLate {
        /// What was asked for.
        level: CpuLevel,
        /// What was chosen before.
        in_force: CpuLevel,
    },
}

static IN_FORCE: OnceLock<CpuLevel> = OnceLock::new();

impl CpuLevel {
    /// Every level, the least first.
    pub const ALL: [Self; 4] = [Self::Baseline, Self::Neon, Self::Avx2, Self::Avx512];

    /// Returns the levels of this machine, the least first.
    pub fn available() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|level| level.is_available())
            .collect()
    }

    /// Returns the best level of this machine.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Baseline)
    }

    /// Returns the level that kernels run at: the best, unless [`hold_to`](Self::hold_to) chose a lower one before.
    pub fn in_force() -> Self {
        #[cfg(test)]
        if let Some(level) = tests::OVERRIDE.get() {
            return level;
        }
        *IN_FORCE.get_or_init(Self::first_choice)
    }

    /// Holds this process to a level, so that a machine can test and measure those below its own.
    ///
    /// # Errors
    /// The processor lacks it, or kernels have run at another.
    pub fn hold_to(self) -> Result<(), CpuLevelError> {
        if !self.is_available() {
            return Err(CpuLevelError::Lacking { level: self });
        }
        match *IN_FORCE.get_or_init(|| self) {
            level if level == self => Ok(()),
            in_force => Err(CpuLevelError::TooLate {
                level: self,
                in_force,
            }),
        }
    }

    fn is_available(self) -> bool {
        match self {
            Self::Baseline => true,
            #[cfg(all(feature = "kernels", target_arch = "x86_64"))]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(all(feature = "kernels", target_arch = "x86_64"))]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(all(feature = "kernels", target_arch = "aarch64"))]
            Self::Neon => pulp::aarch64::Neon::try_new().is_some(),
            _ => false,
        }
    }

    #[cfg(not(test))]
    fn first_choice() -> Self {
        Self::best()
    }

    /// The tests of this crate are a program of their own, which `MITUNE_CPU_LEVEL` holds to a level as it does
    /// `mitune`.
    #[cfg(test)]
    fn first_choice() -> Self {
        let Some(name) = std::env::var_os("MITUNE_CPU_LEVEL") else {
            return Self::best();
        };
        let level: Self = name.to_string_lossy().parse().expect("MITUNE_CPU_LEVEL");
        assert!(level.is_available(), "MITUNE_CPU_LEVEL: {level}");
        level
    }
}

impl fmt::Display for CpuLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Baseline => "baseline",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

impl FromStr for CpuLevel {
    type Err = CpuLevelError;

    fn from_str(name: &str) -> Result<Self, CpuLevelError> {
        let unknown = || CpuLevelError::Unknown {
            name: name.to_owned(),
        };
        let named = Self::ALL.into_iter().find(|level| level.to_string() == name);
        named.ok_or_else(unknown)
    }
}

fn names(levels: &[CpuLevel]) -> String {
    let names: Vec<String> = levels.iter().map(|level| format!("`{level}`")).collect();
    names.join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        pub(super) static OVERRIDE: Cell<Option<CpuLevel>> = const { Cell::new(None) };
    }

    /// Runs `test` at every level of this machine; kernels started by this thread take it.
    pub(crate) fn at_every_level(test: impl Fn(CpuLevel)) {
        for level in CpuLevel::available() {
            OVERRIDE.set(Some(level));
            test(level);
        }
        OVERRIDE.set(None);
    }

    #[test]
    fn names_are_read_back_and_others_refused() {
        for level in CpuLevel::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        for name in ["", "AVX2", "sse", "avx512 "] {
            let error = name.parse::<CpuLevel>().unwrap_err();
            let expected =
                format!("There is no CPU level `{name}`; levels are `baseline`, `neon`, `avx2`, `avx512`");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn every_machine_has_the_baseline_and_lacks_other_architectures() {
        let available = CpuLevel::available();
        assert_eq!(available.first(), Some(&CpuLevel::Baseline));
        assert_eq!(available.last(), Some(&CpuLevel::best()));
        let foreign = match cfg!(target_arch = "aarch64") {
            true => CpuLevel::Avx2,
            false => CpuLevel::Neon,
        };
        let lacking = CpuLevelError::Lacking { level: foreign };
        assert_eq!(foreign.hold_to(), Err(lacking.clone()));
        assert!(lacking.to_string().contains("it can run `baseline`"), "{lacking}");
    }
}
