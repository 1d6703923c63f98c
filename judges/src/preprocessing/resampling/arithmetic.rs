//! How samples are weighed and summed: in the numbers of the references, for their rounding is part of the result.

/// One way to sum.
pub(in crate::preprocessing) trait Arithmetic: Sync {
    /// What an image is made of.
    type Sample: Copy + Default + Send + Sync;
    /// What a sample is multiplied by.
    type Weight: Copy + Send + Sync;
    /// What products are summed in.
    type Sum: Copy + Send;

    /// The sum of nothing.
    fn start(&self) -> Self::Sum;

    /// One more product.
    fn add(sum: Self::Sum, sample: Self::Sample, weight: Self::Weight) -> Self::Sum;

    /// The sample that a sum stands for.
    fn finish(&self, sum: Self::Sum) -> Self::Sample;
}

/// 8 bits with whole weights that have this many binary digits behind the point.
#[derive(Debug, Clone, Copy)]
pub(in crate::preprocessing) struct FixedPoint {
    /// The digits.
    pub(in crate::preprocessing) bits: u32,
}

impl Arithmetic for FixedPoint {
    type Sample = u8;
    type Weight = i32;
    type Sum = i32;

    fn start(&self) -> i32 {
        1 << (self.bits - 1)
    }

    fn add(sum: i32, sample: u8, weight: i32) -> i32 {
        // Weights add up to one, and those below zero to less than its half: nothing wraps, and nothing need be checked.
        sum.wrapping_add(i32::from(sample).wrapping_mul(weight))
    }

    fn finish(&self, sum: i32) -> u8 {
        (sum >> self.bits).clamp(0, 255) as u8
    }
}

/// 32-bit samples summed in 64 bits, Pillow's mode F.
#[derive(Debug, Clone, Copy)]
pub(in crate::preprocessing) struct Doubles;

impl Arithmetic for Doubles {
    type Sample = f32;
    type Weight = f64;
    type Sum = f64;

    fn start(&self) -> f64 {
        0.0
    }

    fn add(sum: f64, sample: f32, weight: f64) -> f64 {
        sum + f64::from(sample) * weight
    }

    fn finish(&self, sum: f64) -> f32 {
        sum as f32
    }
}

/// Greys of 16 bits, Pillow's mode I;16.
#[derive(Debug, Clone, Copy)]
pub(in crate::preprocessing) struct DeepGreys;

impl Arithmetic for DeepGreys {
    type Sample = u16;
    type Weight = f64;
    type Sum = f64;

    fn start(&self) -> f64 {
        0.0
    }

    fn add(sum: f64, sample: u16, weight: f64) -> f64 {
        sum + f64::from(sample) * weight
    }

    fn finish(&self, sum: f64) -> u16 {
        // What is below zero becomes zero, as in Pillow, which rounds away from zero and cuts off.
        (sum + 0.5) as u16
    }
}

/// 32-bit samples, weights and sums, as torch has them.
#[derive(Debug, Clone, Copy)]
pub(in crate::preprocessing) struct Floats;

impl Arithmetic for Floats {
    type Sample = f32;
    type Weight = f32;
    type Sum = f32;

    fn start(&self) -> f32 {
        0.0
    }

    fn add(sum: f32, sample: f32, weight: f32) -> f32 {
        sum + sample * weight
    }

    fn finish(&self, sum: f32) -> f32 {
        sum
    }
}
