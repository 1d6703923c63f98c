//! Numbers of every element type that files hold, as floats.

use safetensors::Dtype;

/// A number that is rounded once on its way to a float.
pub(super) trait Number: Copy {
    /// The nearest f32.
    fn single(self) -> f32;
    /// The nearest f64.
    fn double(self) -> f64;
}

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(impl Number for $kind {
            fn single(self) -> f32 {
                self as f32
            }

            fn double(self) -> f64 {
                self as f64
            }
        })*
    };
}

numbers!(f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

/// Evaluates an expression in which `$element` turns an element's bytes into a [`Number`], `None` for types that have
/// none.
macro_rules! with_element {
    ($dtype:expr, |$element:ident| $body:expr) => {{
        use $crate::nn::weights::element as of;
        match $dtype {
            ::safetensors::Dtype::F64 => with_element!(@ $element, f64::from_le_bytes, $body),
            ::safetensors::Dtype::F32 => with_element!(@ $element, f32::from_le_bytes, $body),
            ::safetensors::Dtype::F16 => with_element!(@ $element, of::half, $body),
            ::safetensors::Dtype::BF16 => with_element!(@ $element, of::brain, $body),
            ::safetensors::Dtype::F8_E4M3 => with_element!(@ $element, of::e4m3, $body),
            ::safetensors::Dtype::F8_E5M2 => with_element!(@ $element, of::e5m2, $body),
            ::safetensors::Dtype::F8_E4M3FNUZ => with_element!(@ $element, of::e4m3fnuz, $body),
            ::safetensors::Dtype::F8_E5M2FNUZ => with_element!(@ $element, of::e5m2fnuz, $body),
            ::safetensors::Dtype::F8_E8M0 => with_element!(@ $element, of::e8m0, $body),
            ::safetensors::Dtype::I64 => with_element!(@ $element, i64::from_le_bytes, $body),
            ::safetensors::Dtype::I32 => with_element!(@ $element, i32::from_le_bytes, $body),
            ::safetensors::Dtype::I16 => with_element!(@ $element, i16::from_le_bytes, $body),
            ::safetensors::Dtype::I8 => with_element!(@ $element, i8::from_le_bytes, $body),
            ::safetensors::Dtype::U64 => with_element!(@ $element, u64::from_le_bytes, $body),
            ::safetensors::Dtype::U32 => with_element!(@ $element, u32::from_le_bytes, $body),
            ::safetensors::Dtype::U16 => with_element!(@ $element, u16::from_le_bytes, $body),
            ::safetensors::Dtype::U8 => with_element!(@ $element, u8::from_le_bytes, $body),
            ::safetensors::Dtype::BOOL => with_element!(@ $element, of::truth, $body),
            _ => None,
        }
    }};
    (@ $element:ident, $read:expr, $body:expr) => {{
        let $element = $read;
        Some($body)
    }};
}

pub(super) use with_element;

/// Whether elements of a type are numbers that floats stand for: bool, integers and floats of 8 to 64 bits.
pub(super) fn is_number(dtype: Dtype) -> bool {
    fn known<const N: usize, T: Number>(_: impl Fn([u8; N]) -> T) {}
    with_element!(dtype, |element| known(element)).is_some()
}

pub(super) fn half(bytes: [u8; 2]) -> f32 {
    half::f16::from_le_bytes(bytes).to_f32()
}

pub(super) fn brain(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}

pub(super) fn truth([byte]: [u8; 1]) -> u8 {
    u8::from(byte != 0)
}

pub(super) fn e4m3([byte]: [u8; 1]) -> f32 {
    E4M3[usize::from(byte)]
}

pub(super) fn e5m2([byte]: [u8; 1]) -> f32 {
    E5M2[usize::from(byte)]
}

pub(super) fn e4m3fnuz([byte]: [u8; 1]) -> f32 {
    E4M3FNUZ[usize::from(byte)]
}

pub(super) fn e5m2fnuz([byte]: [u8; 1]) -> f32 {
    E5M2FNUZ[usize::from(byte)]
}

pub(super) fn e8m0([byte]: [u8; 1]) -> f32 {
    match byte {
        u8::MAX => f32::NAN,
        // Half the smallest normal f32.
        0 => f32::from_bits(1 << 22),
        exponent => f32::from_bits(u32::from(exponent) << 23),
    }
}

/// Which codes of an 8-bit float are no numbers.
#[derive(Clone, Copy)]
enum Special {
    /// All ones are NaN (`float8_e4m3fn`).
    AllOnes,
    /// The highest exponent is infinity and NaN, as in IEEE 754 (`float8_e5m2`).
    HighestExponent,
    /// Negative zero is NaN (`fnuz`).
    NegativeZero,
}

/// 8-bit floats of the Open Compute Project's specification (Micikevicius et al. 2022).
static E4M3: [f32; 256] = table(3, 7, Special::AllOnes);
static E5M2: [f32; 256] = table(2, 15, Special::HighestExponent);
/// The same without negative zero and infinities (Noune et al. 2022).
static E4M3FNUZ: [f32; 256] = table(3, 8, Special::NegativeZero);
static E5M2FNUZ: [f32; 256] = table(2, 16, Special::NegativeZero);

/// What every code of an 8-bit float stands for, exactly.
const fn table(fraction_bits: u32, bias: i32, special: Special) -> [f32; 256] {
    let mut values = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        let magnitude = (code & 0x7f) as u32;
        let (exponent, fraction) = (magnitude >> fraction_bits, magnitude & ((1 << fraction_bits) - 1));
        let highest = exponent == 0x7f >> fraction_bits;
        let value = match special {
            Special::AllOnes if magnitude == 0x7f => f32::NAN,
            Special::HighestExponent if highest && fraction == 0 => f32::INFINITY,
            Special::HighestExponent if highest => f32::NAN,
            Special::NegativeZero if code == 0x80 => f32::NAN,
            _ => {
                let (whole, exponent) = match exponent {
                    0 => (fraction, 1),
                    exponent => (fraction | 1 << fraction_bits, exponent as i32),
                };
                let power = exponent - bias - fraction_bits as i32;
                whole as f32 * f32::from_bits(((127 + power) as u32) << 23)
            }
        };
        values[code] = if code < 0x80 { value } else { -value };
        code += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
        fn collect<const N: usize, T: Number>(bytes: &[u8], element: impl Fn([u8; N]) -> T) -> Vec<f64> {
            let (elements, _) = bytes.as_chunks::<N>();
            elements.iter().map(|bytes| element(*bytes).double()).collect()
        }
        with_element!(dtype, |element| collect(bytes, element)).unwrap()
    }

    #[test]
    fn integers_of_every_width_are_exact() {
        for (dtype, width, signed) in [
            (Dtype::I8, 1, true),
            (Dtype::I16, 2, true),
            (Dtype::I32, 4, true),
            (Dtype::I64, 8, true),
            (Dtype::U8, 1, false),
            (Dtype::U16, 2, false),
            (Dtype::U32, 4, false),
            (Dtype::U64, 8, false),
        ] {
            for value in [0_i64, 1, 2, 100, -1, -128] {
                if value >= 0 || signed {
                    let bytes = &value.to_le_bytes()[..width];
                    assert_eq!(decoded(dtype, bytes), [value as f64], "{dtype:?}");
                }
            }
        }
        assert_eq!(decoded(Dtype::BOOL, &[0, 1, 255]), [0.0, 1.0, 1.0]);
        assert_eq!(
            (u64::MAX.single(), i64::MIN.single()),
            (2.0_f32.powi(64), -2.0_f32.powi(63))
        );
        // Rounded once: by way of f64 this would end at the even neighbour below.
        assert_eq!(
            ((1_i64 << 60) + (1 << 36) + 1).single(),
            2.0_f32.powi(60) + 2.0_f32.powi(37)
        );
    }

    /// Numbers of `float8_e4m3fn`, `float8_e5m2` and their `fnuz` forms in ml_dtypes 0.6.
    #[test]
    fn eight_bit_floats_are_those_of_the_specification() {
        let cases: [(Dtype, [(u8, f64); 8]); 4] = [
            (
                Dtype::F8_E4M3,
                [
                    (0x00, 0.0),
                    (0x01, 0.001_953_125),
                    (0x07, 0.013_671_875),
                    (0x08, 0.015_625),
                    (0x38, 1.0),
                    (0x3c, 1.5),
                    (0x7e, 448.0),
                    (0xc0, -2.0),
                ],
            ),
            (
                Dtype::F8_E5M2,
                [
                    (0x00, 0.0),
                    (0x01, 1.525_878_906_25e-5),
                    (0x03, 4.577_636_718_75e-5),
                    (0x04, 6.103_515_625e-5),
                    (0x3c, 1.0),
                    (0x3e, 1.5),
                    (0x7b, 57344.0),
                    (0xc0, -2.0),
                ],
            ),
            (
                Dtype::F8_E4M3FNUZ,
                [
                    (0x00, 0.0),
                    (0x01, 0.000_976_562_5),
                    (0x07, 0.006_835_937_5),
                    (0x08, 0.007_812_5),
                    (0x40, 1.0),
                    (0x44, 1.5),
                    (0x7f, 240.0),
                    (0xc8, -2.0),
                ],
            ),
            (
                Dtype::F8_E5M2FNUZ,
                [
                    (0x00, 0.0),
                    (0x01, 7.629_394_531_25e-6),
                    (0x03, 2.288_818_359_375e-5),
                    (0x04, 3.051_757_812_5e-5),
                    (0x40, 1.0),
                    (0x42, 1.5),
                    (0x7f, 57344.0),
                    (0xc4, -2.0),
                ],
            ),
        ];
        for (dtype, numbers) in cases {
            for (code, expected) in numbers {
                assert_eq!(decoded(dtype, &[code]), [expected], "{dtype:?} {code:02x}");
            }
        }
        let not_finite = |dtype| {
            let codes: Vec<u8> = (0..=255).collect();
            let values = decoded(dtype, &codes);
            let wrong = (0..=255_u8).filter(|code| !values[usize::from(*code)].is_finite());
            wrong.collect::<Vec<u8>>()
        };
        assert_eq!(not_finite(Dtype::F8_E4M3), [0x7f, 0xff]);
        assert_eq!(
            not_finite(Dtype::F8_E5M2),
            [0x7c, 0x7d, 0x7e, 0x7f, 0xfc, 0xfd, 0xfe, 0xff]
        );
        assert_eq!(not_finite(Dtype::F8_E4M3FNUZ), [0x80]);
        assert_eq!(not_finite(Dtype::F8_E8M0), [0xff]);
        assert_eq!(
            decoded(Dtype::F8_E8M0, &[0, 127, 254]),
            [2.0_f64.powi(-127), 1.0, 2.0_f64.powi(127)]
        );
    }

    #[test]
    fn what_floats_cannot_stand_for_is_said() {
        for dtype in [Dtype::F4, Dtype::F6_E2M3, Dtype::F6_E3M2, Dtype::C64] {
            assert!(!is_number(dtype));
        }
        assert!(is_number(Dtype::BOOL) && is_number(Dtype::U64) && is_number(Dtype::F8_E5M2));
    }
}
