//! Products at every level of this machine, against sums in f64.

use proptest::prelude::*;

use super::*;
use crate::cpu_level::CpuLevel;
use crate::cpu_level::tests::at_every_level;

fn values(count: usize, seed: usize) -> Vec<f32> {
    let value = |i: usize| ((i * 7_919 + seed * 104_729 + 13) % 1_009) as f32 / 504.0 - 1.0;
    (0..count).map(value).collect()
}

/// Both factors, each along or across the depth, and what is added.
#[derive(Clone, Copy, Debug)]
struct Case {
    shape: [usize; 3],
    left_across: bool,
    right_across: bool,
    scale: f32,
    accumulate: bool,
    addend: bool,
}

impl Case {
    fn factor(across: bool, values: &[f32], [lines, depth]: [usize; 2]) -> Operand<'_> {
        match across {
            true => Operand::Across(Across::every(values, lines)),
            false => Operand::Along(Along::every(values, depth)),
        }
    }

    fn at(across: bool, values: &[f32], [lines, depth]: [usize; 2], [line, step]: [usize; 2]) -> f64 {
        let index = if across {
            step * lines + line
        } else {
            line * depth + step
        };
        f64::from(values[index])
    }

    fn run(&self, level: CpuLevel) -> Vec<f32> {
        let [rows, depth, columns] = self.shape;
        let (left, right) = (values(rows * depth, 1), values(columns * depth, 2));
        let addend = values(3 * columns, 4);
        let mut output = values(rows * columns, 3);
        let product = Product {
            scale: self.scale,
            accumulate: self.accumulate,
            addend: self.addend.then_some(Addend {
                values: &addend,
                rows: 2,
                count: 3,
            }),
            ..Product::new(
                Self::factor(self.left_across, &left, [rows, depth]),
                Self::factor(self.right_across, &right, [columns, depth]),
                self.shape,
            )
        };
        multiply(level, &product, &mut output);
        output
    }

    /// Every value in f64, and how far rounding to f32 may carry it.
    ///
    /// Each of the `depth` products and of the additions after them rounds by at most 2^-24 of what it holds, and
    /// roundings add up as a random walk does: the square root of their number times the sum of the magnitudes (Higham
    /// and Mary, 2019, with lambda 2).
    fn exact(&self) -> Vec<(f64, f64)> {
        let [rows, depth, columns] = self.shape;
        let (left, right) = (values(rows * depth, 1), values(columns * depth, 2));
        let (addend, before) = (values(3 * columns, 4), values(rows * columns, 3));
        let mut output = Vec::new();
        for row in 0..rows {
            for column in 0..columns {
                let products = (0..depth).map(|step| {
                    f64::from(self.scale)
                        * Self::at(self.left_across, &left, [rows, depth], [row, step])
                        * Self::at(self.right_across, &right, [columns, depth], [column, step])
                });
                let before = self.accumulate.then(|| f64::from(before[row * columns + column]));
                let addend = self
                    .addend
                    .then(|| f64::from(addend[row / 2 % 3 * columns + column]));
                let (value, magnitude) = products
                    .chain(before)
                    .chain(addend)
                    .fold((0.0, 0.0), |(sum, magnitude), term| {
                        (sum + term, magnitude + term.abs())
                    });
                let roundings = (depth + 4) as f64;
                output.push((value, 2.0 * roundings.sqrt() * magnitude * 2_f64.powi(-24)));
            }
        }
        output
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let small = 0_usize..70;
    let size = prop_oneof![3 => small, 1 => 180_usize..260];
    let depth = prop_oneof![3 => 0_usize..40, 1 => 250_usize..530];
    let shape = (size.clone(), depth, size).prop_map(|(rows, depth, columns)| [rows, depth, columns]);
    let scale = prop_oneof![Just(1.0), Just(-0.375)];
    (shape, any::<[bool; 2]>(), scale, any::<[bool; 2]>()).prop_map(|(shape, across, scale, more)| Case {
        shape,
        left_across: across[0],
        right_across: across[1],
        scale,
        accumulate: more[0],
        addend: more[1],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// At every edge of tiles and blocks; levels that fuse agree to the last bit.
    #[test]
    fn products_are_those_of_f64(case in cases()) {
        let exact = case.exact();
        let mut fused: Option<Vec<f32>> = None;
        at_every_level(|level| {
            for (found, (exact, bound)) in case.run(level).iter().zip(&exact) {
                assert!((f64::from(*found) - exact).abs() <= *bound, "{level} {case:?}: {found} {exact}");
            }
        });
        for level in CpuLevel::available().into_iter().filter(|level| *level != CpuLevel::Baseline) {
            let found = case.run(level);
            match &fused {
                None => fused = Some(found),
                Some(first) => prop_assert_eq!(first, &found, "{}", level),
            }
        }
    }
}

/// Large enough to be split among threads, to be packed in parts, and to have its factors swapped.
#[test]
fn threads_and_other_rows_change_nothing() {
    for (shape, accumulate) in [
        ([300, 320, 200], false),
        ([400, 64, 96], true),
        ([40, 700, 900], false),
    ] {
        let case = Case {
            shape,
            left_across: false,
            right_across: false,
            scale: 1.0,
            accumulate,
            addend: true,
        };
        let threads = |count| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(count)
                .build()
                .unwrap()
        };
        for level in CpuLevel::available() {
            let alone = threads(1).install(|| case.run(level));
            assert_eq!(alone, threads(3).install(|| case.run(level)), "{level}");
            let fewer = Case {
                shape: [7, shape[1], shape[2]],
                ..case
            };
            // Values of the factors depend on their size alone, so the first rows are the same.
            assert_eq!(alone[..7 * shape[2]], fewer.run(level), "{level}");
        }
    }
}
