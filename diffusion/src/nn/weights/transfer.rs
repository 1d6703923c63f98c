//! From a source's bytes to a tensor's, converted and checked on the way.
//!
//! A tensor is read in parts by all threads, and each part is checked while it is in the cache: a
//! second pass over gigabytes would take as long as reading them. There is no copy of a tensor but
//! the one that stays, save one part per thread.

use burn::tensor::{Bytes, DType, FloatDType};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

use super::WeightsError;
use super::element::{Number, e4m3, e4m3fnuz, e5m2, e5m2fnuz, e8m0, with_element};
use super::source::PartReader;

/// Elements of a part.
const PART: usize = 1 << 18;

/// A tensor's elements in the type asked for, and how many of them cannot be used.
#[derive(Debug)]
pub(super) struct Transferred {
    pub(super) bytes: Bytes,
    pub(super) faults: Faults,
}

/// Elements that cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// NaN or infinite in the source.
    pub(super) not_finite: usize,
    /// Finite in the source, infinite in the type asked for.
    pub(super) out_of_range: usize,
}

impl Faults {
    fn and(self, other: Self) -> Self {
        Self {
            not_finite: self.not_finite + other.not_finite,
            out_of_range: self.out_of_range + other.out_of_range,
        }
    }
}

/// Reads `count` elements that are [numbers](super::element::is_number) as elements of type `dtype`.
pub(super) fn transfer(
    reader: &dyn PartReader,
    stored: Dtype,
    count: usize,
    dtype: FloatDType,
) -> Result<Transferred, WeightsError> {
    let (mut bytes, width) = match dtype {
        FloatDType::F64 => (Bytes::from_elems(vec![0_u64; count]), 8),
        FloatDType::F16 | FloatDType::BF16 => (Bytes::from_elems(vec![0_u16; count]), 2),
        _ => (Bytes::from_elems(vec![0_u32; count]), 4),
    };
    let stored_width = stored.bitsize() / 8;
    let direct = same(stored, dtype);
    let faults = bytes
        .par_chunks_mut(PART * width)
        .enumerate()
        .map(|(part, out)| {
            let begin = (part * PART * stored_width) as u64;
            if direct {
                reader.read_part(begin, out)?;
                return Ok::<_, WeightsError>(Faults {
                    not_finite: not_finite(stored, out),
                    out_of_range: 0,
                });
            }
            let mut raw = vec![0; out.len() / width * stored_width];
            reader.read_part(begin, &mut raw)?;
            let before = not_finite(stored, &raw);
            convert(stored, &raw, dtype, out);
            Ok(Faults {
                not_finite: before,
                // Less where NaN and infinities are not kept, see `widened`.
                out_of_range: not_finite(as_stored(dtype), out).saturating_sub(before),
            })
        })
        .try_reduce(Faults::default, |one, other| Ok(one.and(other)))?;
    Ok(Transferred { bytes, faults })
}

/// The element type of a tensor made by [`transfer`].
pub(super) fn element_type(dtype: FloatDType) -> DType {
    match dtype {
        FloatDType::F64 => DType::F64,
        FloatDType::F16 => DType::F16,
        FloatDType::BF16 => DType::BF16,
        _ => DType::F32,
    }
}

fn as_stored(dtype: FloatDType) -> Dtype {
    match dtype {
        FloatDType::F64 => Dtype::F64,
        FloatDType::F16 => Dtype::F16,
        FloatDType::BF16 => Dtype::BF16,
        _ => Dtype::F32,
    }
}

/// Whether bytes can be taken as they are: files are little-endian.
fn same(stored: Dtype, dtype: FloatDType) -> bool {
    cfg!(target_endian = "little") && stored == as_stored(dtype)
}

/// Counts elements whose exponent has all its bits set, which NaN and infinities have; bytes as in
/// memory where `same` let them through, and both are little-endian there.
fn not_finite(stored: Dtype, bytes: &[u8]) -> usize {
    fn count<const N: usize>(bytes: &[u8], bad: impl Fn([u8; N]) -> bool) -> usize {
        let (elements, _) = bytes.as_chunks::<N>();
        // Few enough elements at a time for a narrow counter, which is what makes this vectors.
        let bad_of = |part: &[[u8; N]]| part.iter().map(|e| u32::from(bad(*e))).sum::<u32>() as usize;
        elements.chunks(1 << 12).map(bad_of).sum()
    }
    match stored {
        Dtype::F16 => count(bytes, |e| u16::from_ne_bytes(e) & 0x7c00 == 0x7c00),
        Dtype::BF16 => count(bytes, |e| u16::from_ne_bytes(e) & 0x7f80 == 0x7f80),
        Dtype::F64 => count(bytes, |e| !f64::from_ne_bytes(e).is_finite()),
        Dtype::F32 => count(bytes, |e| u32::from_ne_bytes(e) & 0x7f80_0000 == 0x7f80_0000),
        Dtype::F8_E4M3 => count(bytes, |e| !e4m3(e).is_finite()),
        Dtype::F8_E5M2 => count(bytes, |e| !e5m2(e).is_finite()),
        Dtype::F8_E4M3FNUZ => count(bytes, |e| !e4m3fnuz(e).is_finite()),
        Dtype::F8_E5M2FNUZ => count(bytes, |e| !e5m2fnuz(e).is_finite()),
        Dtype::F8_E8M0 => count(bytes, |e| !e8m0(e).is_finite()),
        // Integers are all finite.
        _ => 0,
    }
}

fn convert(stored: Dtype, raw: &[u8], dtype: FloatDType, out: &mut [u8]) {
    // The one type that whole models are published in besides f32 has a way of its own, without branches.
    if stored == Dtype::F16 {
        return store(raw, |e| widened(u16::from_le_bytes(e)), dtype, out);
    }
    // Types that are no numbers were refused before.
    let _ = with_element!(stored, |element| store(raw, element, dtype, out));
}

fn store<const N: usize, T: Number>(
    raw: &[u8],
    element: impl Fn([u8; N]) -> T,
    dtype: FloatDType,
    out: &mut [u8],
) {
    fn write<const N: usize, const M: usize>(
        raw: &[u8],
        out: &mut [u8],
        element: impl Fn([u8; N]) -> [u8; M],
    ) {
        let (raw, _) = raw.as_chunks::<N>();
        let (out, _) = out.as_chunks_mut::<M>();
        for (out, raw) in out.iter_mut().zip(raw) {
            *out = element(*raw);
        }
    }
    match dtype {
        FloatDType::F64 => write(raw, out, |e| element(e).double().to_ne_bytes()),
        FloatDType::F16 => write(raw, out, |e| f16::from_f32(element(e).single()).to_ne_bytes()),
        FloatDType::BF16 => write(raw, out, |e| bf16::from_f32(element(e).single()).to_ne_bytes()),
        _ => write(raw, out, |e| element(e).single().to_ne_bytes()),
    }
}

/// An f16 as f32, exactly, without a branch: exponent and fraction are moved into an f32's place,
/// which is 2^-112 times the number, subnormal or not. NaN and infinities become finite: they are
/// counted before.
fn widened(bits: u16) -> f32 {
    const TWO_TO_112: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * TWO_TO_112;
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use super::super::HostTensor;
    use super::*;

    fn through(tensor: &HostTensor, dtype: FloatDType) -> (Vec<u8>, Faults) {
        let count = tensor.shape.iter().product();
        let found = transfer(tensor, tensor.dtype, count, dtype).unwrap();
        (found.bytes.to_vec(), found.faults)
    }

    #[test]
    fn every_half_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let expected = f16::from_bits(bits);
            if expected.is_finite() {
                assert_eq!(widened(bits).to_bits(), expected.to_f32().to_bits(), "{bits:04x}");
            }
        }
    }

    #[test]
    fn equals_the_plain_conversion_over_several_parts() {
        let count = 2 * PART + 17;
        let values: Vec<f32> = (0..count)
            .map(|i| (i as f32 * 0.37).sin() * 10.0_f32.powi(i as i32 % 9 - 6))
            .collect();
        let wide = HostTensor::from_f32(&values, vec![count]);
        for stored in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            let source = wide.cast(stored).unwrap();
            for (dtype, target) in [
                (FloatDType::F32, Dtype::F32),
                (FloatDType::F16, Dtype::F16),
                (FloatDType::BF16, Dtype::BF16),
            ] {
                let (bytes, faults) = through(&source, dtype);
                assert_eq!(faults, Faults::default());
                assert!(
                    bytes == source.cast(target).unwrap().data,
                    "{stored:?} {target:?}"
                );
            }
        }
    }

    #[test]
    fn every_element_type_is_converted_as_one_value_at_a_time() {
        for (stored, width) in [
            (Dtype::BOOL, 1),
            (Dtype::U8, 1),
            (Dtype::I8, 1),
            (Dtype::F8_E4M3, 1),
            (Dtype::F8_E5M2, 1),
            (Dtype::F8_E4M3FNUZ, 1),
            (Dtype::F8_E5M2FNUZ, 1),
            (Dtype::I16, 2),
            (Dtype::U16, 2),
            (Dtype::I32, 4),
            (Dtype::U32, 4),
            (Dtype::I64, 8),
            (Dtype::U64, 8),
            (Dtype::F64, 8),
        ] {
            let source = HostTensor {
                dtype: stored,
                shape: vec![256],
                data: (0..256 * width)
                    .map(|i| (i / width * (1 + 17 * (i % width))) as u8)
                    .collect(),
            };
            let expected = source.to_f32().unwrap();
            let (bytes, faults) = through(&source, FloatDType::F32);
            let (found, _) = bytes.as_chunks();
            let found: Vec<f32> = found.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
            assert!(
                found
                    .iter()
                    .zip(&expected)
                    .all(|(a, b)| a.to_bits() == b.to_bits()),
                "{stored:?}"
            );
            let wrong = source
                .to_f64()
                .unwrap()
                .iter()
                .filter(|value| !value.is_finite())
                .count();
            assert_eq!(faults.not_finite, wrong, "{stored:?}");
            let (bytes, _) = through(&source, FloatDType::F64);
            let (found, _) = bytes.as_chunks();
            let expected = source.to_f64().unwrap();
            let same = |(a, b): (&[u8; 8], &f64)| f64::from_ne_bytes(*a).to_bits() == b.to_bits();
            assert!(found.iter().zip(&expected).all(same), "{stored:?}");
        }
    }

    #[test]
    fn elements_that_cannot_be_used_are_counted() {
        let mut values = vec![0.5; PART + 5];
        values[0] = f32::NAN;
        values[PART] = f32::INFINITY;
        values[PART + 4] = f32::NEG_INFINITY;
        values[3] = -7e4;
        let wide = HostTensor::from_f32(&values, vec![PART + 5]);
        let faults = |not_finite, out_of_range| Faults {
            not_finite,
            out_of_range,
        };
        assert_eq!(through(&wide, FloatDType::F32).1, faults(3, 0));
        assert_eq!(through(&wide, FloatDType::F16).1, faults(3, 1));
        let brain = wide.cast(Dtype::BF16).unwrap();
        assert_eq!(through(&brain, FloatDType::BF16).1, faults(3, 0));
        assert_eq!(through(&brain, FloatDType::F32).1, faults(3, 0));
        let half = wide.cast(Dtype::F16).unwrap();
        assert_eq!(through(&half, FloatDType::F32).1, faults(4, 0));
    }
}
