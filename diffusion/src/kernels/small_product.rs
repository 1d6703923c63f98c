//! Products of matrices too small for a matrix library to pay off.

/// A matrix inside a slice, at any distance between rows and between columns.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Rows of the output that share one pass over the right-hand side.
const ROWS: usize = 4;

/// Adds `scale * left * right` to `output`.
///
/// `left` is `[rows, inner]`; `right` is `[inner, columns]` with `right_row` values from one row
/// to the next, and `output` `[rows, columns]` with `output_row`.
#[inline(always)]
pub(super) fn add_product(
    left: Matrix<'_>,
    (right, right_row): (&[f32], usize),
    (output, output_row): (&mut [f32], usize),
    [rows, inner, columns]: [usize; 3],
    scale: f32,
) {
    let mut column = 0;
    macro_rules! columns_of {
        ($width:literal) => {
            while columns - column >= $width {
                let right = (&right[column..], right_row);
                let output = (&mut output[column..], output_row);
                add_columns::<$width>(left, right, output, [rows, inner], scale);
                column += $width;
            }
        };
    }
    columns_of!(32);
    columns_of!(16);
    columns_of!(8);
    columns_of!(1);
}

#[inline(always)]
fn add_columns<const WIDTH: usize>(
    left: Matrix<'_>,
    right: (&[f32], usize),
    (output, output_row): (&mut [f32], usize),
    [rows, inner]: [usize; 2],
    scale: f32,
) {
    let mut row = 0;
    while row < rows {
        let left = Matrix {
            values: &left.values[row * left.row..],
            ..left
        };
        let output = &mut output[row * output_row..];
        if row + ROWS <= rows {
            add_tile::<ROWS, WIDTH>(left, right, (output, output_row), inner, scale);
            row += ROWS;
        } else {
            add_tile::<1, WIDTH>(left, right, (output, output_row), inner, scale);
            row += 1;
        }
    }
}

/// One tile, which stays in registers while `inner` is summed over.
#[inline(always)]
fn add_tile<const HEIGHT: usize, const WIDTH: usize>(
    left: Matrix<'_>,
    (right, right_row): (&[f32], usize),
    (output, output_row): (&mut [f32], usize),
    inner: usize,
    scale: f32,
) {
    let mut tile = [[0.0_f32; WIDTH]; HEIGHT];
    for k in 0..inner {
        let right = &right[k * right_row..][..WIDTH];
        for (row, tile) in tile.iter_mut().enumerate() {
            let factor = left.values[row * left.row + k * left.column];
            for (sum, right) in tile.iter_mut().zip(right) {
                *sum = factor.mul_add(*right, *sum);
            }
        }
    }
    for (row, tile) in tile.iter().enumerate() {
        for (output, sum) in output[row * output_row..][..WIDTH].iter_mut().zip(tile) {
            *output = scale.mul_add(*sum, *output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition_at_every_tile_edge() {
        for [rows, inner, columns] in [[1, 1, 1], [4, 3, 32], [7, 5, 57], [9, 16, 31], [3, 2, 8]] {
            let value = |i: usize| ((i * 37 + 11) % 19) as f32 - 9.0;
            let left: Vec<f32> = (0..2 * rows * inner).map(value).collect();
            let right: Vec<f32> = (0..inner * (columns + 3)).map(|i| value(i + 5)).collect();
            let mut output = vec![1.0; rows * (columns + 2)];
            let transposed = Matrix {
                values: &left,
                row: 1,
                column: 2 * rows,
            };
            let shape = [rows, inner, columns];
            add_product(
                transposed,
                (&right, columns + 3),
                (&mut output, columns + 2),
                shape,
                0.5,
            );
            for row in 0..rows {
                for column in 0..columns {
                    let product: f32 = (0..inner)
                        .map(|k| left[row + k * 2 * rows] * right[k * (columns + 3) + column])
                        .sum();
                    assert_eq!(output[row * (columns + 2) + column], 1.0 + 0.5 * product);
                }
                assert_eq!(output[row * (columns + 2) + columns], 1.0);
            }
        }
    }
}
