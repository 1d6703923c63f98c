//! The vector instructions of each level, behind one interface.

use pulp::NullaryFnOnce;

use crate::cpu_level::CpuLevel;

/// Vector instructions of one level.
pub(super) trait Lanes: Copy + Send + Sync + 'static {
    /// Some f32.
    type Vector: Copy;
    /// Values of a vector.
    const WIDTH: usize;
    /// Most vectors that a row of a tile has.
    const VECTORS: usize;
    /// Rows of a tile.
    const ROWS: usize;
    /// Whether multiplication and addition are one instruction with one rounding.
    const FUSED: bool;

    fn splat(self, value: f32) -> Self::Vector;
    /// `a * b + c`.
    fn multiply_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The whole vectors of a slice.
    fn vectors(values: &[f32]) -> &[Self::Vector];
    fn vectors_mut(values: &mut [f32]) -> &mut [Self::Vector];
    /// Turns rows into columns.
    fn transpose(self, square: Square) -> Square {
        std::array::from_fn(|row| std::array::from_fn(|column| square[column][row]))
    }
    /// Runs `work` compiled with these instructions.
    fn vectorize<W: NullaryFnOnce>(self, work: W) -> W::Output;
    /// Runs tiles as tall and wide as the registers hold.
    fn run_tiles<W: TileWork>(self, vectors: usize, work: W);
}

/// Values that are turned at once.
pub(super) type Square = [[f32; 8]; 8];

/// Work on tiles of `M` rows and `N` vectors, whose sums stay in registers.
pub(super) trait TileWork {
    fn run<L: Lanes, const M: usize, const N: usize>(self, lanes: L);
}

/// Work to be compiled for every level.
pub(super) trait LevelWork {
    type Output;

    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// Runs `work` with the instructions of a level.
pub(super) fn dispatch<W: LevelWork>(level: CpuLevel, work: W) -> W::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx512 => match pulp::x86::V4::try_new() {
            Some(lanes) => work.run(lanes),
            None => work.run(Baseline),
        },
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx2 => match pulp::x86::V3::try_new() {
            Some(lanes) => work.run(lanes),
            None => work.run(Baseline),
        },
        #[cfg(target_arch = "aarch64")]
        CpuLevel::Neon => match pulp::aarch64::Neon::try_new() {
            Some(lanes) => work.run(lanes),
            None => work.run(Baseline),
        },
        _ => work.run(Baseline),
    }
}

/// How products and sums are rounded where the compiler makes the vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arithmetic {
    fused: bool,
}

impl Arithmetic {
    pub(super) fn of<L: Lanes>() -> Self {
        Self { fused: L::FUSED }
    }

    /// `a * b + c`. Without the instruction, fusing would be a call of the system's library for each value.
    #[inline(always)]
    pub(super) fn multiply_add(self, a: f32, b: f32, c: f32) -> f32 {
        match self.fused {
            true => a.mul_add(b, c),
            false => a * b + c,
        }
    }
}

/// Runs `work` compiled with the instructions of a level.
#[inline(always)]
pub(super) fn vectorised<R>(level: CpuLevel, work: impl FnOnce(Arithmetic) -> R) -> R {
    struct Closure<F>(F);
    impl<R, F: FnOnce(Arithmetic) -> R> LevelWork for Closure<F> {
        type Output = R;

        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> R {
            lanes.vectorize(
                #[inline(always)]
                || (self.0)(Arithmetic::of::<L>()),
            )
        }
    }
    dispatch(level, Closure(work))
}

/// Instructions of a token of `pulp`; the tile fits the registers of its processors.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! lanes_of {
    ($token:ty, $width:literal, $rows:literal x [$($fewer:literal),*; $most:literal] $(, $transpose:path)?) => {
        impl Lanes for $token {
            type Vector = <$token as pulp::Simd>::f32s;
            const WIDTH: usize = $width;
            const VECTORS: usize = $most;
            const ROWS: usize = $rows;
            const FUSED: bool = true;

            #[inline(always)]
            fn splat(self, value: f32) -> Self::Vector {
                pulp::Simd::splat_f32s(self, value)
            }

            #[inline(always)]
            fn multiply_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                pulp::Simd::mul_add_f32s(self, a, b, c)
            }

            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                pulp::Simd::add_f32s(self, a, b)
            }

            #[inline(always)]
            fn vectors(values: &[f32]) -> &[Self::Vector] {
                <$token as pulp::Simd>::as_simd_f32s(values).0
            }

            #[inline(always)]
            fn vectors_mut(values: &mut [f32]) -> &mut [Self::Vector] {
                <$token as pulp::Simd>::as_mut_simd_f32s(values).0
            }

            $(
                #[inline(always)]
                fn transpose(self, square: Square) -> Square {
                    $transpose(self, square)
                }
            )?

            #[inline(always)]
            fn vectorize<W: NullaryFnOnce>(self, work: W) -> W::Output {
                pulp::Simd::vectorize(self, work)
            }

            fn run_tiles<W: TileWork>(self, vectors: usize, work: W) {
                match vectors {
                    $($fewer => work.run::<Self, $rows, $fewer>(self),)*
                    _ => work.run::<Self, $rows, $most>(self),
                }
            }
        }
    };
}

// 24 sums, 3 vectors of the right-hand side and one of the left in 32 registers.
#[cfg(target_arch = "x86_64")]
lanes_of!(pulp::x86::V4, 16, 8 x [1, 2; 3], transpose_avx512);
// 12 sums, 2 vectors of the right-hand side and one of the left in 16 registers.
#[cfg(target_arch = "x86_64")]
lanes_of!(pulp::x86::V3, 8, 6 x [1; 2], transpose_avx);
#[cfg(target_arch = "aarch64")]
lanes_of!(pulp::aarch64::Neon, 4, 8 x [1, 2; 3]);

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose_avx512(lanes: pulp::x86::V4, square: Square) -> Square {
    transpose_avx(*lanes, square)
}

/// Turns pairs of values, then pairs of pairs, then the halves of vectors; the compiler makes single loads and stores of
/// the definition.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose_avx(lanes: pulp::x86::V3, square: Square) -> Square {
    let avx = lanes.avx;
    let [a, b, c, d, e, f, g, h] = square;
    let row = |row: [f32; 8]| pulp::cast::<[f32; 8], std::arch::x86_64::__m256>(row);
    let pair = |a, b| [avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b)];
    let ([ab, ab_high], [cd, cd_high]) = (pair(row(a), row(b)), pair(row(c), row(d)));
    let ([ef, ef_high], [gh, gh_high]) = (pair(row(e), row(f)), pair(row(g), row(h)));
    let quad = |a, b| {
        [
            avx._mm256_shuffle_ps::<0x44>(a, b),
            avx._mm256_shuffle_ps::<0xee>(a, b),
        ]
    };
    let ([upper0, upper1], [upper2, upper3]) = (quad(ab, cd), quad(ab_high, cd_high));
    let ([lower0, lower1], [lower2, lower3]) = (quad(ef, gh), quad(ef_high, gh_high));
    let first = |upper, lower| pulp::cast(avx._mm256_permute2f128_ps::<0x20>(upper, lower));
    let second = |upper, lower| pulp::cast(avx._mm256_permute2f128_ps::<0x31>(upper, lower));
    [
        first(upper0, lower0),
        first(upper1, lower1),
        first(upper2, lower2),
        first(upper3, lower3),
        second(upper0, lower0),
        second(upper1, lower1),
        second(upper2, lower2),
        second(upper3, lower3),
    ]
}

/// Vectors that every processor has, left to the compiler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Baseline;

impl Lanes for Baseline {
    type Vector = [f32; 4];
    const WIDTH: usize = 4;
    const VECTORS: usize = 2;
    const ROWS: usize = 4;
    const FUSED: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 4] {
        [value; 4]
    }

    #[inline(always)]
    fn multiply_add(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn vectors(values: &[f32]) -> &[[f32; 4]] {
        values.as_chunks().0
    }

    #[inline(always)]
    fn vectors_mut(values: &mut [f32]) -> &mut [[f32; 4]] {
        values.as_chunks_mut().0
    }

    #[inline(always)]
    fn vectorize<W: NullaryFnOnce>(self, work: W) -> W::Output {
        work.call()
    }

    /// Eight sums leave room for products, which are rounded before they are added.
    fn run_tiles<W: TileWork>(self, vectors: usize, work: W) {
        match vectors {
            1 => work.run::<Self, 4, 1>(self),
            _ => work.run::<Self, 4, 2>(self),
        }
    }
}
