//! The parts of a scheduler file that only Euler and DPM-Solver++ read.

/// How noise levels between the training timesteps are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SigmaConfig {
    /// The rule that spreads them. By default, the levels of the timesteps.
    pub spread: SigmaSpread,
    /// Whether Euler spreads levels evenly in their logarithm over the whole schedule
    /// (`interpolation_type` `log_linear`). By default, false.
    pub log_linear: bool,
    /// The lowest level of a spread. By default, that of the run.
    pub lowest: Option<f64>,
    /// The highest level of a spread. By default, that of the run.
    pub highest: Option<f64>,
    /// Whether a run ends at the lowest training level rather than at clean data
    /// (`final_sigmas_type`). By default, false.
    pub end_at_lowest: bool,
    /// Whether timesteps are a quarter of the logarithm of the level (`timestep_type`
    /// `continuous`), which is not supported for velocity models. By default, false.
    pub continuous: bool,
}

/// The rule that spreads noise levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SigmaSpread {
    /// The levels of the timesteps; the default.
    #[default]
    Timesteps,
    /// Evenly in `sigma^(1/7)` (Karras et al. 2022).
    Karras,
    /// Evenly in the logarithm.
    Exponential,
    /// Evenly in the logarithm, with rounded timesteps (Lu et al. 2022).
    Lu,
    /// A rule that is not supported, by its key.
    Unsupported(&'static str),
}

/// How DPM-Solver++ steps.
#[derive(Debug, Clone, PartialEq)]
pub struct SolverConfig {
    /// The number of predictions a step looks at, 1 to 3. By default, 2.
    pub order: usize,
    /// The differential equation that is solved, under diffusers' names. By default, `dpmsolver++`.
    pub algorithm: String,
    /// The form of the second-order step. By default, midpoint.
    pub form: SolverForm,
    /// Whether short runs end with steps of lower order. By default, true.
    pub lower_order_final: bool,
    /// Whether the last step is of first order whatever the length. By default, false.
    pub euler_at_final: bool,
    /// The smallest `-ln sigma` a run starts from. By default, none.
    pub lambda_min_clipped: Option<f64>,
}

/// The form of the second-order step of DPM-Solver++.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SolverForm {
    /// The slope at the middle; the default.
    #[default]
    Midpoint,
    /// The slope integrated exactly.
    Heun,
}

impl Default for SolverConfig {
    fn default() -> Self {
        Self {
            order: 2,
            algorithm: "dpmsolver++".to_owned(),
            form: SolverForm::Midpoint,
            lower_order_final: true,
            euler_at_final: false,
            lambda_min_clipped: None,
        }
    }
}
