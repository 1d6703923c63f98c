//! The optimizer of Shazeer and Stern 2018 (arXiv 1804.04235), which remembers a row and a column of each matrix.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Elements one task updates; large enough that small parameters stay on one thread.
const CHUNK: usize = 1 << 14;

/// Settings of Adafactor as transformers has it with `scale_parameter` and `relative_step` off, which is how
/// Diffusion-DPO trains Stable Diffusion XL: without a mean of gradients, at the rate it is given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Adafactor {
    /// Added to squared gradients. By default, this is 1e-30.
    pub epsilon: f64,
    /// Largest root mean square of an update at rate 1; what is longer is shortened. By default, this is 1.
    pub clip_threshold: f64,
    /// Update t keeps the share `1 - t^decay_rate` of the means of squared gradients. By default, this is -0.8.
    pub decay_rate: f64,
    /// Share of a weight that one update at rate 1 would remove. By default, this is 0.
    pub weight_decay: f64,
}

impl Default for Adafactor {
    fn default() -> Self {
        Self {
            epsilon: 1e-30,
            clip_threshold: 1.0,
            decay_rate: -0.8,
            weight_decay: 0.0,
        }
    }
}

/// Running means of one parameter's squared gradient.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SquareMoments {
    pub(super) means: SquareMeans,
    pub(super) updates: u64,
}

/// Means of squares, of which those of a matrix are the product of two vectors.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SquareMeans {
    /// One for every element, of what has fewer than two dimensions.
    Whole(Vec<f32>),
    /// The means of the rows and of the columns of every matrix that the last two dimensions make.
    Factored {
        sides: [usize; 2],
        rows: Vec<f32>,
        columns: Vec<f32>,
    },
}

impl SquareMoments {
    /// Those of a parameter of this shape before the first update.
    ///
    /// Of a convolution the last two dimensions are height and width of the kernel, as in the reference, which does not
    /// flatten it before.
    pub(super) fn zeros(shape: &[usize]) -> Self {
        let means = match *shape {
            [ref outer @ .., height, width] => {
                let matrices: usize = outer.iter().product();
                SquareMeans::Factored {
                    sides: [height, width],
                    rows: vec![0.0; matrices * height],
                    columns: vec![0.0; matrices * width],
                }
            }
            _ => SquareMeans::Whole(vec![0.0; shape.iter().product()]),
        };
        Self { means, updates: 0 }
    }
}

impl Adafactor {
    /// Updates one parameter in place from `gradient * gradient_scale`.
    ///
    /// Sums are taken matrix by matrix and added up in their order, so the result does not depend on how many threads
    /// share the work.
    pub(super) fn update(
        &self,
        weights: &mut [f32],
        gradient: &[f32],
        gradient_scale: f32,
        moments: &mut SquareMoments,
        rate: f64,
    ) {
        moments.updates += 1;
        let kept = 1.0 - (moments.updates as f64).powf(self.decay_rate);
        let epsilon = self.epsilon as f32;
        let square = |gradient: f32| {
            let gradient = gradient * gradient_scale;
            gradient * gradient + epsilon
        };
        moments.means.take(gradient, square, kept);
        let roots = moments.means.inverse_roots();
        let squares = roots.sum_of_squares(gradient, gradient_scale);
        let length = (squares / gradient.len().max(1) as f64).sqrt();
        let step = (rate / (length / self.clip_threshold).max(1.0)) as f32;
        let keep = (1.0 - rate * self.weight_decay) as f32;
        roots.change(weights, gradient, |weight, direction| {
            *weight = *weight * keep - step * (direction * gradient_scale);
        });
    }
}

impl SquareMeans {
    /// Moves the means towards the squares of a gradient.
    fn take(&mut self, gradient: &[f32], square: impl Fn(f32) -> f32 + Sync, kept: f64) {
        let (keep, mix) = (kept as f32, (1.0 - kept) as f32);
        let blend = |mean: &mut f32, new: f32| *mean = *mean * keep + new * mix;
        match self {
            Self::Whole(means) => means
                .par_chunks_mut(CHUNK)
                .zip(gradient.par_chunks(CHUNK))
                .for_each(|(means, gradient)| {
                    for (mean, gradient) in means.iter_mut().zip(gradient) {
                        blend(mean, square(*gradient));
                    }
                }),
            Self::Factored {
                sides: [height, width],
                rows,
                columns,
            } => {
                let (height, width) = (*height, *width);
                gradient
                    .par_chunks((height * width).max(1))
                    .zip(rows.par_chunks_mut(height.max(1)))
                    .zip(columns.par_chunks_mut(width.max(1)))
                    .for_each_init(
                        || vec![0.0_f64; width],
                        |sums, ((matrix, rows), columns)| {
                            sums.fill(0.0);
                            for (values, mean) in matrix.chunks(width).zip(rows) {
                                let mut sum = 0.0;
                                for (value, column) in values.iter().zip(sums.iter_mut()) {
                                    let square = f64::from(square(*value));
                                    sum += square;
                                    *column += square;
                                }
                                blend(mean, (sum / width as f64) as f32);
                            }
                            for (mean, sum) in columns.iter_mut().zip(sums.iter()) {
                                blend(mean, (sum / height as f64) as f32);
                            }
                        },
                    );
            }
        }
    }

    /// What a gradient is multiplied with.
    fn inverse_roots(&self) -> InverseRoots {
        let inverse = |mean: &f32| 1.0 / mean.sqrt();
        match self {
            Self::Whole(means) => InverseRoots {
                sides: [1, 1],
                rows: vec![1.0; means.len()],
                columns: means.iter().map(inverse).collect(),
            },
            Self::Factored {
                sides: [height, width],
                rows,
                columns,
            } => {
                let of_matrix = |rows: &[f32]| -> Vec<f32> {
                    let sum: f64 = rows.iter().map(|mean| f64::from(*mean)).sum();
                    let whole = (sum / rows.len() as f64) as f32;
                    rows.iter().map(|mean| inverse(&(mean / whole))).collect()
                };
                InverseRoots {
                    sides: [*height, *width],
                    rows: rows.chunks((*height).max(1)).flat_map(of_matrix).collect(),
                    columns: columns.iter().map(inverse).collect(),
                }
            }
        }
    }
}

/// One over the roots of means of squares: the product of those of an element's row and column. What is kept whole is a
/// matrix of one element each.
struct InverseRoots {
    sides: [usize; 2],
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl InverseRoots {
    /// The sum of the squares of all that a step moves by at rate 1.
    fn sum_of_squares(&self, gradient: &[f32], gradient_scale: f32) -> f64 {
        let [height, width] = self.sides.map(|side| side.max(1));
        let sums: Vec<f64> = gradient
            .par_chunks(height * width)
            .zip(self.rows.par_chunks(height))
            .zip(self.columns.par_chunks(width))
            .map(|((matrix, rows), columns)| {
                let mut sum = 0.0;
                for (values, row) in matrix.chunks(width).zip(rows) {
                    for (value, column) in values.iter().zip(columns) {
                        sum += f64::from(row * column * (value * gradient_scale)).powi(2);
                    }
                }
                sum
            })
            .collect();
        sums.iter().sum()
    }

    /// Shows each weight with its gradient over the root of the mean square.
    fn change(&self, weights: &mut [f32], gradient: &[f32], change: impl Fn(&mut f32, f32) + Sync) {
        let [height, width] = self.sides.map(|side| side.max(1));
        weights
            .par_chunks_mut(height * width)
            .zip(gradient.par_chunks(height * width))
            .zip(self.rows.par_chunks(height))
            .zip(self.columns.par_chunks(width))
            .for_each(|(((weights, matrix), rows), columns)| {
                let lines = weights.chunks_mut(width).zip(matrix.chunks(width)).zip(rows);
                for ((weights, values), row) in lines {
                    for ((weight, value), column) in weights.iter_mut().zip(values).zip(columns) {
                        change(weight, row * column * value);
                    }
                }
            });
    }
}
