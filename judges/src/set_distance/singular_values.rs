//! Singular values of a matrix, without its vectors.
//!
//! Householder reflections from both sides leave two diagonals (Golub and Kahan 1965), whose singular values are, with
//! both signs, the eigenvalues of a tridiagonal matrix, which implicit QL steps find. Both steps are backward stable:
//! an error is of the size of the largest value times a few units in the last place, where the eigenvalues of `A^T A`
//! would have half the digits. 2048 x 2048 takes some seconds and is read once per reflection.

use rayon::prelude::*;

use super::SetDistanceError;
use super::matrix::Matrix;

/// Rows of one task. Sums over rows are over so many first, whatever the threads.
const ROWS: usize = 64;

/// Steps for one eigenvalue; two are usual.
const STEPS: usize = 80;

/// Finds all singular values, the largest first.
///
/// # Errors
/// When they do not settle.
pub(super) fn singular_values(matrix: Matrix) -> Result<Vec<f64>, SetDistanceError> {
    let Matrix { rows, columns, .. } = matrix;
    let mut tall = match rows < columns {
        true => matrix.transposed(),
        false => matrix,
    };
    let largest = tall
        .values
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    if largest == 0.0 {
        return Ok(vec![0.0; rows.min(columns)]);
    }
    for value in &mut tall.values {
        *value /= largest;
    }
    let beside = two_diagonals(tall);
    let eigenvalues =
        tridiagonal_eigenvalues(beside).ok_or(SetDistanceError::NotSettled { rows, columns })?;
    let mut sizes: Vec<f64> = eigenvalues.into_iter().map(f64::abs).collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    Ok(sizes
        .chunks_exact(2)
        .map(|pair| (pair[0] + pair[1]) / 2.0 * largest)
        .collect())
}

/// The diagonal and the one above it, in turn, of a matrix that is at least as high as wide.
fn two_diagonals(mut matrix: Matrix) -> Vec<f64> {
    let width = matrix.columns;
    let mut beside = Vec::with_capacity(2 * width);
    // Products of the first column that is left with every column.
    let mut products = vec![0.0; width];
    for row in matrix.values.chunks_exact(width) {
        add_scaled(&mut products, row[0], row);
    }
    for step in 0..width {
        let rest = &mut matrix.values[step * width..];
        let (first, below) = rest.split_at_mut(width);
        let first = &mut first[step..];
        let column = Reflection::new(first[0], products[0]);
        beside.push(column.image);
        // The reflection of columns takes `v w^T`, v being the first column with another head.
        let w: Vec<f64> = products[1..]
            .iter()
            .zip(&first[1..])
            .map(|(product, value)| column.factor * (product - column.image * value))
            .collect();
        let u = &mut first[1..];
        if u.is_empty() {
            break;
        }
        add_scaled(u, -column.head, &w);
        let row = Reflection::new(u[0], dot(u, u));
        beside.push(row.image);
        u[0] = row.head;
        let crossed = dot(&w, u);
        products = reflect_rows(below, [width, step], |head, rest| {
            let along = row.factor * (dot(rest, u) - head * crossed);
            for ((value, w), u) in rest.iter_mut().zip(&w).zip(&*u) {
                *value -= head * w + along * u;
            }
        });
    }
    beside
}

/// Changes what lies right of a column in each row, and returns the products of the next column with those from it on.
fn reflect_rows(
    rows: &mut [f64],
    [width, column]: [usize; 2],
    change: impl Fn(f64, &mut [f64]) + Sync,
) -> Vec<f64> {
    let parts: Vec<Vec<f64>> = rows
        .par_chunks_mut(ROWS * width)
        .map(|rows| {
            let mut products = vec![0.0; width - column - 1];
            for row in rows.chunks_exact_mut(width) {
                let (head, rest) = row[column..].split_at_mut(1);
                change(head[0], rest);
                add_scaled(&mut products, rest[0], rest);
            }
            products
        })
        .collect();
    let mut products = vec![0.0; width - column - 1];
    for part in &parts {
        add_scaled(&mut products, 1.0, part);
    }
    products
}

/// `1 - factor v v^T`, which turns a vector into a multiple of the first axis. `v` is that vector with another head.
struct Reflection {
    /// What the vector's head becomes; all else becomes 0.
    image: f64,
    /// Head of v.
    head: f64,
    factor: f64,
}

impl Reflection {
    /// Of a vector with this head and sum of squares.
    fn new(head: f64, squares: f64) -> Self {
        let length = squares.max(0.0).sqrt();
        if length == 0.0 {
            return Self {
                image: 0.0,
                head: 0.0,
                factor: 0.0,
            };
        }
        // Away from the head, so that nothing cancels.
        let image = -length.copysign(head);
        Self {
            image,
            head: head - image,
            factor: (squares + length * head.abs()).recip(),
        }
    }
}

/// Eigenvalues of the symmetric matrix with these numbers beside a diagonal of zeros.
fn tridiagonal_eigenvalues(beside: Vec<f64>) -> Option<Vec<f64>> {
    let count = beside.len() + 1;
    let negligible = f64::EPSILON * beside.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let mut diagonal = vec![0.0; count];
    // QL steps find the eigenvalues at the beginning first, which had better be small.
    let mut beside: Vec<f64> = beside.into_iter().rev().chain([0.0]).collect();
    for first in 0..count {
        let mut steps = 0;
        loop {
            let last = (first..count)
                .find(|&index| beside[index].abs() <= negligible)
                .unwrap_or(count - 1);
            if last == first {
                break;
            }
            if steps == STEPS {
                return None;
            }
            steps += 1;
            ql_step(&mut diagonal, &mut beside, first, last);
        }
    }
    Some(diagonal)
}

/// One implicit QL step from `last` to `first` (EISPACK's `tql1`).
fn ql_step(diagonal: &mut [f64], beside: &mut [f64], first: usize, last: usize) {
    let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let root = half.hypot(1.0);
    let mut bulge = diagonal[last] - diagonal[first] + beside[first] / (half + root.copysign(half));
    let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
    for index in (first..last).rev() {
        let (turned, kept) = (sine * beside[index], cosine * beside[index]);
        let length = turned.hypot(bulge);
        beside[index + 1] = length;
        if length == 0.0 {
            diagonal[index + 1] -= shift;
            beside[last] = 0.0;
            return;
        }
        sine = turned / length;
        cosine = bulge / length;
        let moved = diagonal[index + 1] - shift;
        let change = (diagonal[index] - moved) * sine + 2.0 * cosine * kept;
        shift = sine * change;
        diagonal[index + 1] = moved + shift;
        bulge = cosine * change - kept;
    }
    diagonal[first] -= shift;
    beside[first] = bulge;
    beside[last] = 0.0;
}

/// Sums of eight lanes, which the compiler makes vectors of.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let ((a_head, a_tail), (b_head, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a_head.iter().zip(b_head) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let tail: f64 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + tail
}

fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::nn::weights::seeded_input_values;

    use super::*;

    fn matrix(name: &str, rows: usize, columns: usize) -> Matrix {
        let values = seeded_input_values(5, name, rows * columns);
        Matrix {
            rows,
            columns,
            values: values.into_iter().map(f64::from).collect(),
        }
    }

    #[test]
    fn values_of_matrices_whose_values_are_known() {
        let diagonal = Matrix {
            rows: 3,
            columns: 2,
            values: vec![0.0, -3.0, 0.5, 0.0, 0.0, 0.0],
        };
        let found = singular_values(diagonal).unwrap();
        assert!(
            (found[0] - 3.0).abs() < 1e-14 && (found[1] - 0.5).abs() < 1e-14,
            "{found:?}"
        );
        assert_eq!(singular_values(Matrix::zeros(2, 5)).unwrap(), [0.0, 0.0]);
        let ones = Matrix {
            rows: 4,
            columns: 9,
            values: vec![1.0; 36],
        };
        let found = singular_values(ones).unwrap();
        assert!((found[0] - 6.0).abs() < 1e-13, "{found:?}");
        assert!(found[1..].iter().all(|value| value.abs() < 1e-13), "{found:?}");
    }

    /// Their squares sum to the squares of all elements, and their fourth powers to those of `A^T A`.
    #[test]
    fn powers_of_the_values_sum_to_those_of_the_elements() {
        for (rows, columns) in [(1, 1), (1, 7), (40, 40), (130, 21), (33, 200), (200, 150)] {
            let matrix = matrix("any", rows, columns);
            let squares: f64 = matrix.values.iter().map(|value| value * value).sum();
            let gram = matrix.gram().unwrap();
            let fourths: f64 = gram.values.iter().map(|value| value * value).sum();
            let found = singular_values(matrix).unwrap();
            assert_eq!(found.len(), rows.min(columns));
            let sum = |power| found.iter().map(|value| value.powi(power)).sum::<f64>();
            assert!((sum(2) / squares - 1.0).abs() < 1e-13, "{rows} x {columns}");
            assert!((sum(4) / fourths - 1.0).abs() < 1e-12, "{rows} x {columns}");
        }
    }

    #[test]
    fn small_values_beside_large_ones_keep_their_size() {
        let mut graded = matrix("graded", 60, 60);
        for (row, values) in graded.values.chunks_exact_mut(60).enumerate() {
            values.fill(0.0);
            values[59 - row] = 10.0_f64.powi(-(row as i32) / 5);
        }
        for (index, found) in singular_values(graded).unwrap().into_iter().enumerate() {
            assert!((found - 10.0_f64.powi(-(index as i32) / 5)).abs() < 1e-13);
        }
    }
}
