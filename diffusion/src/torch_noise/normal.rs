//! Uniform to normal values as PyTorch's vectorised path computes them, to the last bit.
//!
//! The polynomials for logarithm, sine and cosine in `f32` are those of the Cephes library (Moshier 1989: `logf`,
//! `sincosf`). Which products and sums share one rounding decides the last bit; they are those of PyTorch's builds for
//! AVX2 and AVX-512, found by comparing with 2.15 and the same in every value of the tests.

/// Values that are transformed together: the first half paired with the second.
pub(super) const BLOCK: usize = 16;

/// Turns sixteen uniform values into normal ones (Box and Muller 1958).
pub(super) fn transform(block: &mut [f32]) {
    let (lengths, turns) = block.split_at_mut(BLOCK / 2);
    for (length, turn) in lengths.iter_mut().zip(turns) {
        let radius = (-2.0 * logarithm(1.0 - *length)).sqrt();
        let (sine, cosine) = sine_cosine(std::f32::consts::TAU * *turn);
        *length = radius * cosine;
        *turn = radius * sine;
    }
}

/// Natural logarithm of a normal positive number.
fn logarithm(x: f32) -> f32 {
    const SERIES: [f32; 9] = [
        0.070_376_836,
        -0.115_146_1,
        0.116_769_984,
        -0.124_201_41,
        0.142_493_23,
        -0.166_680_58,
        0.200_007_14,
        -0.249_999_94,
        0.333_333_3,
    ];
    // ln 2 in two parts, the first with few bits so that its product with an exponent is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let bits = x.to_bits();
    let mut exponent = ((bits >> 23) as i32 - 126) as f32;
    let mut mantissa = f32::from_bits(bits & 0x007f_ffff | 0x3f00_0000);
    if mantissa < std::f32::consts::FRAC_1_SQRT_2 {
        exponent -= 1.0;
        mantissa += mantissa - 1.0;
    } else {
        mantissa -= 1.0;
    }
    let square = mantissa * mantissa;
    let series = polynomial(&SERIES, mantissa) * mantissa;
    let mut tail = series.mul_add(square, exponent * LN_2_LOW);
    tail = (-square).mul_add(0.5, tail);
    exponent.mul_add(LN_2_HIGH, mantissa + tail)
}

/// Sine and cosine of an angle from 0 to a few turns.
fn sine_cosine(angle: f32) -> (f32, f32) {
    const SINE: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];
    const COSINE: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];
    // A quarter of pi in three parts.
    const EIGHTH: [f32; 3] = [0.785_156_25, 2.418_756_5e-4, 3.774_895e-8];
    let octant = ((angle * (4.0 / std::f32::consts::PI)) as u32 + 1) & !1;
    let reduced = EIGHTH
        .iter()
        .fold(angle, |rest, part| (-(octant as f32)).mul_add(*part, rest));
    let square = reduced * reduced;
    let cosine = polynomial(&COSINE, square) * square;
    let cosine = cosine.mul_add(square, -(square * 0.5)) + 1.0;
    let sine = (polynomial(&SINE, square) * square).mul_add(reduced, reduced);
    match octant % 8 {
        0 => (sine, cosine),
        2 => (cosine, -sine),
        4 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

/// Horner's scheme, one rounding per term.
fn polynomial<const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    coefficients
        .iter()
        .copied()
        .reduce(|sum, term| sum.mul_add(x, term))
        .unwrap_or_default()
}
