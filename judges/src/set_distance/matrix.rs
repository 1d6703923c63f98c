//! Matrices of f64 in host memory.

use burn::tensor::{DType, Device, Tensor, TensorData, TensorReadError};

use super::SetDistanceError;

/// A matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// `rows * columns` numbers.
    pub values: Vec<f64>,
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            values: vec![0.0; rows * columns],
        }
    }

    /// One row.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.columns..][..self.columns]
    }

    /// The numbers from the top left to the bottom right.
    pub fn diagonal(&self) -> impl Iterator<Item = f64> {
        self.values.iter().step_by(self.columns + 1).copied()
    }

    /// Rows become columns.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut transposed = Self::zeros(self.columns, self.rows);
        for (row, values) in self.values.chunks_exact(self.columns.max(1)).enumerate() {
            for (column, value) in values.iter().enumerate() {
                transposed.values[column * self.rows + row] = *value;
            }
        }
        transposed
    }

    /// `A B^T`: the inner product of every row with every row of another matrix.
    ///
    /// # Errors
    /// When the rows differ in width, or the product cannot be read.
    pub fn times_transposed(&self, other: &Self) -> Result<Self, SetDistanceError> {
        if self.columns != other.columns {
            return Err(SetDistanceError::Width {
                expected: self.columns,
                found: other.columns,
            });
        }
        let shape = [self.rows, other.rows];
        product(shape, self.columns, || {
            tensor(self).matmul(tensor(other).transpose())
        })
    }

    /// `A^T A`.
    ///
    /// # Errors
    /// When the product cannot be read.
    pub fn gram(&self) -> Result<Self, SetDistanceError> {
        product([self.columns, self.columns], self.rows, || {
            let matrix = tensor(self);
            matrix.clone().transpose().matmul(matrix)
        })
    }
}

/// On the processor whatever the networks run on: graphics cards have no f64 to speak of.
fn tensor(matrix: &Matrix) -> Tensor<2> {
    let data = TensorData::new(matrix.values.clone(), [matrix.rows, matrix.columns]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn product(
    [rows, columns]: [usize; 2],
    depth: usize,
    multiply: impl FnOnce() -> Tensor<2>,
) -> Result<Matrix, SetDistanceError> {
    if rows * columns * depth == 0 {
        return Ok(Matrix::zeros(rows, columns));
    }
    let values = multiply().try_into_vec_as::<f64>();
    Ok(Matrix {
        rows,
        columns,
        values: values.map_err(|source: TensorReadError| SetDistanceError::Unreadable { source })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_small_matrices() {
        let matrix = |rows, columns, values: &[f64]| Matrix {
            rows,
            columns,
            values: values.to_vec(),
        };
        let a = matrix(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let b = matrix(1, 3, &[1.0, 0.0, -1.0]);
        assert_eq!(a.times_transposed(&b).unwrap(), matrix(2, 1, &[-2.0, -2.0]));
        assert_eq!(a.transposed().row(1), [2.0, 5.0]);
        let gram = a.gram().unwrap();
        assert_eq!(gram.row(0), [17.0, 22.0, 27.0]);
        assert_eq!(gram.diagonal().collect::<Vec<_>>(), [17.0, 29.0, 45.0]);
        assert!(a.times_transposed(&a.transposed()).is_err());
        assert_eq!(Matrix::zeros(0, 3).gram().unwrap(), Matrix::zeros(3, 3));
    }
}
