//! The optimizer of one parameter: its settings, and what it remembers of the gradients.

use super::adafactor::{Adafactor, SquareMeans, SquareMoments};
use super::adamw::{AdamW, Moments};
use super::error::CheckpointError;
use super::optimizer::Optimizer;

const FIRST_MOMENTS: &str = "first_moments";
const SECOND_MOMENTS: &str = "second_moments";
const ROWS: &str = "second_moment_rows";
const COLUMNS: &str = "second_moment_columns";

/// Settings and memory together, so that no memory meets the settings of another optimizer.
#[derive(Debug, Clone)]
pub(super) struct ParameterOptimizer {
    shape: Vec<usize>,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    AdamW(AdamW, Moments),
    Adafactor(Adafactor, SquareMoments),
}

/// A tensor that is remembered of a parameter.
pub(super) struct Remembered<'a> {
    /// What it is, the first part of its name in checkpoints.
    pub(super) kind: &'static str,
    pub(super) shape: Vec<usize>,
    pub(super) values: &'a [f32],
}

impl ParameterOptimizer {
    /// The optimizer before the first update of a parameter of this shape.
    pub(super) fn new(optimizer: &Optimizer, shape: &[usize]) -> Self {
        let rule = match *optimizer {
            Optimizer::AdamW(settings) => Rule::AdamW(settings, Moments::zeros(shape.iter().product())),
            Optimizer::Adafactor(settings) => Rule::Adafactor(settings, SquareMoments::zeros(shape)),
        };
        Self {
            shape: shape.to_vec(),
            rule,
        }
    }

    /// Updates the parameter in place from `gradient * gradient_scale`.
    pub(super) fn update(&mut self, weights: &mut [f32], gradient: &[f32], gradient_scale: f32, rate: f64) {
        match &mut self.rule {
            Rule::AdamW(settings, moments) => {
                settings.update(weights, gradient, gradient_scale, moments, rate);
            }
            Rule::Adafactor(settings, moments) => {
                settings.update(weights, gradient, gradient_scale, moments, rate);
            }
        }
    }

    /// How many updates the parameter had.
    pub(super) fn updates(&self) -> u64 {
        match &self.rule {
            Rule::AdamW(_, moments) => moments.updates,
            Rule::Adafactor(_, moments) => moments.updates,
        }
    }

    /// What is remembered.
    pub(super) fn remembered(&self) -> Vec<Remembered<'_>> {
        match &self.rule {
            Rule::AdamW(_, moments) => vec![
                self.tensor(FIRST_MOMENTS, &moments.first),
                self.tensor(SECOND_MOMENTS, &moments.second),
            ],
            Rule::Adafactor(_, moments) => match &moments.means {
                SquareMeans::Whole(means) => vec![self.tensor(SECOND_MOMENTS, means)],
                SquareMeans::Factored { rows, columns, .. } => {
                    let (outer, [height, width]) = self.matrices();
                    let of = |kind, side: usize, values| Remembered {
                        kind,
                        shape: [outer, &[side]].concat(),
                        values,
                    };
                    vec![
                        of(ROWS, height, rows.as_slice()),
                        of(COLUMNS, width, columns.as_slice()),
                    ]
                }
            },
        }
    }

    /// The optimizer of the same parameter after `updates` updates, with what `take` finds under kind and shape.
    pub(super) fn restored(
        &self,
        updates: u64,
        mut take: impl FnMut(&'static str, &[usize]) -> Result<Vec<f32>, CheckpointError>,
    ) -> Result<Self, CheckpointError> {
        let mut found = Vec::new();
        for Remembered { kind, shape, .. } in self.remembered() {
            found.push(take(kind, &shape)?);
        }
        let mut found = found.into_iter();
        // As many as are remembered, in their order.
        let mut next = || found.next().unwrap_or_default();
        let rule = match &self.rule {
            Rule::AdamW(settings, _) => Rule::AdamW(
                *settings,
                Moments {
                    first: next(),
                    second: next(),
                    updates,
                },
            ),
            Rule::Adafactor(settings, moments) => {
                let means = match moments.means {
                    SquareMeans::Whole(_) => SquareMeans::Whole(next()),
                    SquareMeans::Factored { sides, .. } => SquareMeans::Factored {
                        sides,
                        rows: next(),
                        columns: next(),
                    },
                };
                Rule::Adafactor(*settings, SquareMoments { means, updates })
            }
        };
        Ok(Self {
            shape: self.shape.clone(),
            rule,
        })
    }

    fn tensor<'a>(&self, kind: &'static str, values: &'a [f32]) -> Remembered<'a> {
        Remembered {
            kind,
            shape: self.shape.clone(),
            values,
        }
    }

    /// The outer dimensions, and the sides of the matrices in them.
    fn matrices(&self) -> (&[usize], [usize; 2]) {
        match self.shape.as_slice() {
            [outer @ .., height, width] => (outer, [*height, *width]),
            short => (short, [1, 1]),
        }
    }
}
