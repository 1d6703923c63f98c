//! Examples by the shape of their latents, which those of a micro-batch share.

/// The shapes there are, and which examples have which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buckets {
    /// Channels, height and width, in the order in which they are first met.
    shapes: Vec<[usize; 3]>,
    /// How many examples have each shape.
    sizes: Vec<usize>,
    /// The bucket of each example.
    bucket_of: Vec<usize>,
}

impl Buckets {
    /// Sorts examples by their shapes, given in the order of the examples.
    pub(super) fn of(shapes_of_examples: impl Iterator<Item = [usize; 3]>) -> Self {
        let mut buckets = Self {
            shapes: Vec::new(),
            sizes: Vec::new(),
            bucket_of: Vec::new(),
        };
        for shape in shapes_of_examples {
            let known = buckets.shapes.iter().position(|known| *known == shape);
            let bucket = known.unwrap_or_else(|| {
                buckets.shapes.push(shape);
                buckets.sizes.push(0);
                buckets.shapes.len() - 1
            });
            buckets.sizes[bucket] += 1;
            buckets.bucket_of.push(bucket);
        }
        buckets
    }

    /// Channels, height and width of each bucket.
    pub(super) fn shapes(&self) -> &[[usize; 3]] {
        &self.shapes
    }

    /// How many examples each bucket has, none of them without any.
    pub(super) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The bucket of an example.
    pub(super) fn bucket_of(&self, example: usize) -> usize {
        self.bucket_of[example]
    }

    /// Counts the examples of all buckets.
    pub(super) fn examples(&self) -> usize {
        self.bucket_of.len()
    }
}
