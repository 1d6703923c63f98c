//! The inverse cosine transform of libjpeg's `jidctint.c`, and the rounding of its two passes.

use std::num::Wrapping;

use super::frame::BLOCK;

/// Bits behind the point of the factors.
const FACTOR_BITS: usize = 13;

/// Bits behind the point between the passes.
const PASS_BITS: usize = 2;

/// Damaged files may hold any coefficient: sums wrap, as they do there.
type Number = Wrapping<i32>;

/// Turns the coefficients of a block, row by row, into samples, the first of which is the first given.
#[inline]
pub(super) fn inverse_transform(
    coefficients: &[i16; 64],
    steps: &[u16; 64],
    samples: &mut [u8],
    stride: usize,
) {
    let lines = samples.chunks_mut(stride).take(BLOCK);
    let [dc, ac @ ..] = coefficients;
    if ac.iter().all(|coefficient| *coefficient == 0) {
        let value = sample(rounded(
            between(scaled(*dc, steps[0]) << PASS_BITS),
            PASS_BITS + 3,
        ));
        lines.for_each(|line| line[..BLOCK].fill(value));
        return;
    }
    let mut rows = [[Wrapping(0_i32); BLOCK]; BLOCK];
    for column in 0..BLOCK {
        let place = |row: usize| row * BLOCK + column;
        let input: [Number; BLOCK] =
            std::array::from_fn(|row| scaled(coefficients[place(row)], steps[place(row)]));
        let output = match input {
            [
                dc,
                Wrapping(0),
                Wrapping(0),
                Wrapping(0),
                Wrapping(0),
                Wrapping(0),
                Wrapping(0),
                Wrapping(0),
            ] => [dc << PASS_BITS; BLOCK],
            _ => transform(input).map(|sum| rounded(sum, FACTOR_BITS - PASS_BITS)),
        };
        for (row, value) in rows.iter_mut().zip(output) {
            row[column] = between(value);
        }
    }
    for (row, line) in rows.into_iter().zip(lines) {
        let output = transform(row).map(|sum| sample(rounded(sum, FACTOR_BITS + PASS_BITS + 3)));
        line[..BLOCK].copy_from_slice(&output);
    }
}

#[inline]
fn scaled(coefficient: i16, step: u16) -> Number {
    Wrapping(i32::from(coefficient.wrapping_mul(step as i16)))
}

/// The vector code of libjpeg-turbo keeps 16 bits between the passes.
#[inline]
fn between(value: Number) -> Number {
    Wrapping(value.0.clamp(i32::from(i16::MIN), i32::from(i16::MAX)))
}

#[inline]
fn rounded(value: Number, bits: usize) -> Number {
    (value + (Wrapping(1_i32) << (bits - 1))) >> bits
}

#[inline]
fn sample(value: Number) -> u8 {
    (value + Wrapping(128)).0.clamp(0, 255) as u8
}

/// The transform of eight numbers, scaled by the factors.
#[inline]
fn transform(input: [Number; BLOCK]) -> [Number; BLOCK] {
    let even = even_part([input[0], input[2], input[4], input[6]]);
    let odd = odd_part([input[1], input[3], input[5], input[7]]);
    [
        even[0] + odd[0],
        even[1] + odd[1],
        even[2] + odd[2],
        even[3] + odd[3],
        even[3] - odd[3],
        even[2] - odd[2],
        even[1] - odd[1],
        even[0] - odd[0],
    ]
}

#[inline]
fn even_part([first, third, fifth, seventh]: [Number; 4]) -> [Number; 4] {
    let common = (third + seventh) * Wrapping(4433);
    let lower = common - seventh * Wrapping(15137);
    let upper = common + third * Wrapping(6270);
    let (sum, difference) = ((first + fifth) << FACTOR_BITS, (first - fifth) << FACTOR_BITS);
    [sum + upper, difference + lower, difference - lower, sum - upper]
}

#[inline]
fn odd_part([second, fourth, sixth, eighth]: [Number; 4]) -> [Number; 4] {
    let common = (eighth + fourth + sixth + second) * Wrapping(9633);
    let outer = (eighth + second) * Wrapping(-7373);
    let inner = (sixth + fourth) * Wrapping(-20995);
    let early = common + (eighth + fourth) * Wrapping(-16069);
    let late = common + (sixth + second) * Wrapping(-3196);
    [
        second * Wrapping(12299) + outer + late,
        fourth * Wrapping(25172) + inner + early,
        sixth * Wrapping(16819) + inner + late,
        eighth * Wrapping(2446) + outer + early,
    ]
}
