//! The samples and the coefficients of components.

use crate::image::ImageDamage;

use super::bit_reader::BitReader;
use super::frame::{BLOCK, Component, Frame};
use super::inverse_transform::inverse_transform;
use super::progressive::ProgressiveReader;
use super::scan::Scan;
use super::sequential::SequentialReader;
use super::settings::Settings;

/// What a sample is of which nothing is told.
const MIDDLE: u8 = 128;

/// The samples of a component, in whole blocks.
pub(super) struct Plane {
    samples: Vec<u8>,
    stride: usize,
    width: usize,
    height: usize,
}

/// The coefficients of a component, block by block and each block row by row.
pub(super) struct Coefficients {
    blocks: Vec<[i16; 64]>,
    across: usize,
}

/// What the scans of an image said so far: samples, or coefficients if they come bit by bit.
///
/// Coefficients take two bytes for a sample, and each component's are given back when it has been transformed.
pub(super) struct Picture {
    planes: Vec<Plane>,
    coefficients: Vec<Coefficients>,
    /// The steps of each component that had a scan, which later tables leave as they are.
    steps: Vec<Option<[u16; 64]>>,
}

impl Plane {
    fn new(component: &Component, frame: &Frame) -> Self {
        let (across, down) = component.padded_blocks(frame);
        Self {
            samples: vec![MIDDLE; across * down * BLOCK * BLOCK],
            stride: across * BLOCK,
            width: component.width,
            height: component.height,
        }
    }

    /// Samples from one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Rows that belong to the image.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// A row, without what fills up its last block.
    pub(super) fn row(&self, row: usize) -> &[u8] {
        &self.samples[row * self.stride..][..self.width]
    }

    /// The samples from the first of a block on.
    pub(super) fn block_mut(&mut self, column: usize, row: usize) -> &mut [u8] {
        &mut self.samples[(row * self.stride + column) * BLOCK..]
    }
}

impl Coefficients {
    fn new(component: &Component, frame: &Frame) -> Self {
        let (across, down) = component.padded_blocks(frame);
        Self {
            blocks: vec![[0; 64]; across * down],
            across,
        }
    }

    /// A block.
    pub(super) fn block_mut(&mut self, column: usize, row: usize) -> &mut [i16; 64] {
        &mut self.blocks[row * self.across + column]
    }

    fn transform_into(&self, steps: &[u16; 64], plane: &mut Plane) {
        let stride = plane.stride;
        for (index, block) in self.blocks.iter().enumerate() {
            let (column, row) = (index % self.across, index / self.across);
            inverse_transform(block, steps, plane.block_mut(column, row), stride);
        }
    }
}

impl Picture {
    /// An image of which nothing is known but its frame.
    pub(super) fn new(frame: &Frame) -> Self {
        let components = frame.components.iter();
        let (planes, coefficients) = match frame.is_progressive {
            true => (
                Vec::new(),
                components.map(|one| Coefficients::new(one, frame)).collect(),
            ),
            false => (components.map(|one| Plane::new(one, frame)).collect(), Vec::new()),
        };
        Self {
            planes,
            coefficients,
            steps: vec![None; frame.components.len()],
        }
    }

    /// Reads the bits of a scan from a position on, and tells where they end.
    ///
    /// # Errors
    /// [`ImageDamage::Damaged`] when a table is lacking or wrong.
    pub(super) fn read_scan(
        &mut self,
        bytes: &[u8],
        position: usize,
        settings: &Settings,
        frame: &Frame,
        scan: &Scan,
    ) -> Result<usize, ImageDamage> {
        for part in &scan.parts {
            let steps = &mut self.steps[part.component];
            if steps.is_none() {
                *steps = Some(settings.quantization(frame.components[part.component].quantization)?);
            }
        }
        let mut bits = BitReader::new(bytes, position);
        let interval = settings.restart_interval;
        if frame.is_progressive {
            let mut reader = ProgressiveReader::new(scan, settings, &mut self.coefficients)?;
            scan.walk(frame, interval, &mut bits, &mut reader);
        } else {
            let mut reader = SequentialReader::new(scan, settings, &self.steps, &mut self.planes)?;
            scan.walk(frame, interval, &mut bits, &mut reader);
        }
        Ok(bits.end())
    }

    /// The samples of every component.
    pub(super) fn into_planes(self, frame: &Frame) -> Vec<Plane> {
        if !frame.is_progressive {
            return self.planes;
        }
        let parts = frame.components.iter().zip(self.coefficients).zip(self.steps);
        let planes = parts.map(|((component, coefficients), steps)| {
            let mut plane = Plane::new(component, frame);
            if let Some(steps) = steps {
                coefficients.transform_into(&steps, &mut plane);
            }
            plane
        });
        planes.collect()
    }
}
