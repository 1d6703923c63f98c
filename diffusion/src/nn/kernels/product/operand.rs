//! Where the values of a factor lie.

use std::ops::Range;

/// A factor: a matrix of some lines by the depth that is summed over.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::kernels) enum Operand<'a> {
    /// Neighbours in memory are neighbours in depth.
    Along(Along<'a>),
    /// Neighbours in memory are of neighbouring lines.
    Across(Across<'a>),
}

/// Lines whose values lie next to each other along the depth.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::kernels) struct Along<'a> {
    pub(in crate::nn::kernels) values: &'a [f32],
    /// Where each line starts.
    pub(in crate::nn::kernels) starts: Starts,
    /// Values next to each other; after so many, a line goes on elsewhere.
    pub(in crate::nn::kernels) run: usize,
    /// Distance from the start of one run to that of the next.
    pub(in crate::nn::kernels) distance: usize,
}

/// One row of values, one for each line, for every step of depth.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::kernels) struct Across<'a> {
    pub(in crate::nn::kernels) values: &'a [f32],
    /// Where the row of each step of depth starts.
    pub(in crate::nn::kernels) starts: Starts,
}

/// Where something starts, by its number.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::kernels) enum Starts {
    /// At equal distances.
    Every(usize),
    /// At places of images: columns, then rows, then images.
    Places {
        /// Rows and columns of places.
        places: [usize; 2],
        /// From one image, row and column to the next.
        distances: [usize; 3],
    },
    /// Weights of a convolution turned around, `[outputs, area, channels]` gone through as area from its end, then
    /// outputs.
    Turned {
        outputs: usize,
        area: usize,
        channels: usize,
    },
}

impl Starts {
    #[inline(always)]
    pub(super) fn of(&self, index: usize) -> usize {
        match *self {
            Self::Every(distance) => index * distance,
            Self::Places {
                places: [height, width],
                distances: [image, row, column],
            } => {
                let (line, place) = (index / width, index % width);
                line / height * image + line % height * row + place * column
            }
            Self::Turned {
                outputs,
                area,
                channels,
            } => {
                let (place, output) = (index / outputs, index % outputs);
                (output * area + area - 1 - place) * channels
            }
        }
    }
}

/// A part of a line that lies in one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// From the start of the line.
    pub(super) offset: usize,
    pub(super) length: usize,
}

impl<'a> Along<'a> {
    /// Lines at equal distances, each in one piece.
    pub(in crate::nn::kernels) fn every(values: &'a [f32], distance: usize) -> Self {
        Self {
            values,
            starts: Starts::Every(distance),
            run: usize::MAX,
            distance: 0,
        }
    }

    /// The pieces of a range of depth.
    pub(super) fn segments(&self, depth: Range<usize>) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut from = depth.start;
        while from < depth.end {
            let (run, within) = (from / self.run, from % self.run);
            let length = (self.run - within).min(depth.end - from);
            segments.push(Segment {
                offset: run * self.distance + within,
                length,
            });
            from += length;
        }
        segments
    }
}

impl<'a> Across<'a> {
    /// Rows at equal distances.
    pub(in crate::nn::kernels) fn every(values: &'a [f32], distance: usize) -> Self {
        Self {
            values,
            starts: Starts::Every(distance),
        }
    }
}
