//! How a tensor's elements lie in the memory of a storage.

/// PyTorch's own limit.
pub(super) const MOST_AXES: usize = 64;

/// Sizes, strides and the place of the first element, checked against the storage they refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The first element, counted from the storage's.
    offset: u64,
    shape: Vec<usize>,
    strides: Vec<usize>,
    count: u64,
    /// Elements of the storage from the first to the last of the tensor.
    span: u64,
}

impl Layout {
    /// Checks that every element lies among the `available` ones of the storage.
    pub(super) fn new(
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
        available: u64,
    ) -> Result<Self, &'static str> {
        if shape.len() != strides.len() || shape.len() > MOST_AXES {
            return Err("has a tensor whose sizes and strides do not go together");
        }
        let too_large = "has a tensor of more elements than there can be";
        let count = shape
            .iter()
            .try_fold(1_u64, |count, size| count.checked_mul(*size as u64));
        let count = count.ok_or(too_large)?;
        let mut layout = Self {
            offset: offset as u64,
            shape,
            strides,
            count,
            span: 0,
        };
        if count > 0 {
            let span = layout.reach().ok_or(too_large)?;
            let end = layout.offset.checked_add(span).ok_or(too_large)?;
            if end > available {
                return Err("has a tensor that reaches beyond its storage");
            }
            layout.span = span;
        }
        Ok(layout)
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn span(&self) -> u64 {
        self.span
    }

    /// Whether the elements lie one after the other in the order of a file; axes of one element have any stride.
    pub(super) fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.count == 0
            || self.axes().rev().all(|(size, stride)| {
                let fits = size == 1 || stride as u64 == expected;
                expected *= size as u64;
                fits
            })
    }

    /// Puts elements of `width` bytes in order, given the bytes of the span.
    pub(super) fn gather(&self, span: &[u8], width: usize) -> Vec<u8> {
        let mut gathered = Vec::with_capacity(self.count as usize * width);
        if self.count > 0 {
            gather(&self.shape, &self.strides, (span, width), 0, &mut gathered);
        }
        gathered
    }

    fn axes(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> + '_ {
        let strides = self.strides.iter().copied();
        self.shape.iter().copied().zip(strides)
    }

    /// Elements from the first to the last of a tensor that has some.
    fn reach(&self) -> Option<u64> {
        self.axes().try_fold(1_u64, |reach, (size, stride)| {
            reach.checked_add((size as u64 - 1).checked_mul(stride as u64)?)
        })
    }
}

fn gather(
    shape: &[usize],
    strides: &[usize],
    (span, width): (&[u8], usize),
    first: usize,
    gathered: &mut Vec<u8>,
) {
    let (Some((size, shape)), Some((stride, strides))) = (shape.split_first(), strides.split_first()) else {
        gathered.extend_from_slice(&span[first * width..][..width]);
        return;
    };
    for index in 0..*size {
        gather(shape, strides, (span, width), first + index * stride, gathered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(
        offset: usize,
        shape: &[usize],
        strides: &[usize],
        available: u64,
    ) -> Result<Layout, &'static str> {
        Layout::new(offset, shape.to_vec(), strides.to_vec(), available)
    }

    #[test]
    fn elements_are_put_in_order_whatever_the_strides() {
        let bytes: Vec<u8> = (0..12).collect();
        for (shape, strides, expected) in [
            (&[3, 2][..], &[1, 3][..], &[0_u8, 3, 1, 4, 2, 5][..]),
            (&[2, 3], &[0, 1], &[0, 1, 2, 0, 1, 2]),
            (&[2, 2, 2], &[6, 1, 2], &[0, 2, 1, 3, 6, 8, 7, 9]),
            (&[3], &[5], &[0, 5, 10]),
            (&[], &[], &[0]),
            (&[0, 4], &[4, 1], &[]),
        ] {
            let layout = layout(0, shape, strides, 12).unwrap();
            assert_eq!(layout.gather(&bytes, 1), expected, "{shape:?}");
        }
        let pairs = layout(0, &[2, 2], &[1, 2], 4).unwrap();
        assert_eq!(
            pairs.gather(&[0, 1, 2, 3, 4, 5, 6, 7], 2),
            [0_u8, 1, 4, 5, 2, 3, 6, 7]
        );
    }

    #[test]
    fn contiguous_is_what_reads_straight_from_the_file() {
        let contiguous = |shape, strides| layout(0, shape, strides, 100).unwrap().is_contiguous();
        assert!(contiguous(&[2, 3], &[3, 1]) && contiguous(&[], &[]) && contiguous(&[0, 3], &[9, 9]));
        assert!(contiguous(&[1, 3, 1], &[50, 1, 7]));
        assert!(!contiguous(&[2, 3], &[1, 2]) && !contiguous(&[2, 3], &[0, 1]) && !contiguous(&[3], &[2]));
    }

    #[test]
    fn what_lies_outside_of_the_storage_is_refused() {
        assert!(layout(0, &[2, 3], &[3, 1], 6).is_ok());
        assert!(layout(6, &[0], &[1], 6).is_ok());
        for (offset, shape, strides) in [
            (1, &[2, 3][..], &[3, 1][..]),
            (0, &[2, 3], &[4, 1]),
            (0, &[7], &[1]),
            (6, &[], &[]),
            (usize::MAX, &[1], &[1]),
            (1, &[2], &[usize::MAX]),
            (0, &[1 << 40, 1 << 40], &[0, 0]),
            (0, &[1 << 40, 1 << 40, 0], &[0, 0, 0]),
            (0, &[2], &[1, 1]),
            (0, &[1; MOST_AXES + 1], &[1; MOST_AXES + 1]),
        ] {
            assert!(
                layout(offset, shape, strides, 6).is_err(),
                "{offset} {shape:?} {strides:?}"
            );
        }
    }
}
