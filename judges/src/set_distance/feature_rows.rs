//! Features of a set of images in memory, for what needs every image more than once.

use super::SetDistanceError;

/// One row of numbers per image; 30,000 rows of 1024 take 123 MB.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRows {
    width: usize,
    values: Vec<f32>,
}

impl FeatureRows {
    /// Begins a set of rows of `width` numbers.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            values: Vec::new(),
        }
    }

    /// Gathers rows of `width` numbers.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn of<R: AsRef<[f32]>>(
        width: usize,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Self, SetDistanceError> {
        let mut gathered = Self::new(width);
        for row in rows {
            gathered.push(row.as_ref())?;
        }
        Ok(gathered)
    }

    /// Adds an image.
    ///
    /// # Errors
    /// When its row has another width, or holds what is no number.
    pub fn push(&mut self, row: &[f32]) -> Result<(), SetDistanceError> {
        check_row(row, self.width, self.count())?;
        self.values.extend_from_slice(row);
        Ok(())
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// The rows, in the order in which they came.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// The rows as one slice.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The rows brought to length 1, as embeddings are that only angles are taken between.
    ///
    /// # Errors
    /// When a row is all zeros.
    pub fn normalized(&self) -> Result<Self, SetDistanceError> {
        let mut normalized = Self::new(self.width);
        normalized.values.reserve(self.values.len());
        for (image, row) in self.rows().enumerate() {
            let squares: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
            if squares == 0.0 {
                return Err(SetDistanceError::Zero { image });
            }
            let length = squares.sqrt();
            let scaled = row.iter().map(|value| (f64::from(*value) / length) as f32);
            normalized.values.extend(scaled);
        }
        Ok(normalized)
    }
}

/// Checks the row of an image before it joins others.
pub(super) fn check_row(row: &[f32], width: usize, image: usize) -> Result<(), SetDistanceError> {
    if row.len() != width || width == 0 {
        return Err(SetDistanceError::Width {
            expected: width.max(1),
            found: row.len(),
        });
    }
    match row.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(SetDistanceError::NotFinite { image }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_none_are_refused() {
        let mut rows = FeatureRows::of(2, [[3.0, 4.0], [0.0, -2.0]]).unwrap();
        assert!(matches!(
            rows.push(&[1.0]),
            Err(SetDistanceError::Width {
                expected: 2,
                found: 1
            })
        ));
        let error = rows.push(&[1.0, f32::NAN]).unwrap_err();
        assert!(matches!(error, SetDistanceError::NotFinite { image: 2 }));
        assert_eq!(rows.count(), 2);
        assert_eq!(rows.normalized().unwrap().values(), [0.6, 0.8, 0.0, -1.0]);
        rows.push(&[0.0, 0.0]).unwrap();
        assert!(matches!(
            rows.normalized(),
            Err(SetDistanceError::Zero { image: 2 })
        ));
        assert!(FeatureRows::new(0).push(&[]).is_err());
    }
}
