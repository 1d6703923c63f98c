//! Defaults of settings, stated beside the field: `#[serde(default = "whole::<u32, 50>")]`.

use std::num::NonZeroU32;

/// A whole number, for a setting of any type of numbers.
pub(crate) fn whole<T: From<u16>, const VALUE: u16>() -> T {
    T::from(VALUE)
}

/// A whole number for a setting that cannot be 0.
pub(crate) fn nonzero<const VALUE: u32>() -> NonZeroU32 {
    const { NonZeroU32::new(VALUE).unwrap() }
}

/// A fraction; it is the number that the same fraction is as a decimal, because both are rounded once.
pub(crate) fn fraction<const ABOVE: u32, const BELOW: u32>() -> f64 {
    f64::from(ABOVE) / f64::from(BELOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_numbers_that_stand_beside_the_fields() {
        assert_eq!(whole::<u32, 50>(), 50);
        assert_eq!(whole::<usize, 256>(), 256);
        assert_eq!(whole::<f64, 32>().to_bits(), 32.0_f64.to_bits());
        assert_eq!(nonzero::<400>().get(), 400);
        let fractions = [
            (fraction::<99, 100>(), 0.99),
            (fraction::<3, 10>(), 0.3),
            (fraction::<1, 10_000>(), 1e-4),
            (fraction::<1, 1_000_000>(), 1e-6),
        ];
        for (fraction, decimal) in fractions {
            assert_eq!(fraction.to_bits(), f64::to_bits(decimal));
        }
    }
}
