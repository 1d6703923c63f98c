//! The vertical axis of charts of MI over timesteps.

use super::format::decimal;
use super::scale::{labelled, range, rounded};

/// From which ratio of the largest to the smallest value the axis is logarithmic.
///
/// The weight of a step grows without bound towards the image, and on a linear axis all other steps would lie at 0.
const RATIO: f64 = 100.0;

/// An axis that is linear from 0, or logarithmic where steps differ by orders of magnitude.
pub(super) struct MiAxis {
    logarithmic: bool,
    pub(super) label: &'static str,
    /// Ends, as [`MiAxis::place`] returns them.
    pub(super) ends: [f64; 2],
    pub(super) ticks: Vec<(f64, String)>,
}

impl MiAxis {
    /// Chooses the axis of some values; none without a finite value.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let [low, high] = range(values.iter().copied())?;
        // Negative values and zeros have no logarithm.
        if low > 0.0 && high / low >= RATIO {
            let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
            let step = ((last - first) as usize).div_ceil(6).max(1);
            let ticks = (first..=last).step_by(step);
            return Some(Self {
                logarithmic: true,
                label: "MI of the step, logarithmic",
                ends: [f64::from(first), f64::from(last)],
                ticks: ticks
                    .map(|power| (f64::from(power), power_of_ten(power)))
                    .collect(),
            });
        }
        let ends = rounded(range([low, high, 0.0])?, 4);
        Some(Self {
            logarithmic: false,
            label: "MI of the step",
            ends,
            ticks: labelled(ends, 4),
        })
    }

    /// Returns where a value stands on the axis.
    pub(super) fn place(&self, value: f64) -> f64 {
        if self.logarithmic { value.log10() } else { value }
    }
}

fn power_of_ten(power: i32) -> String {
    match power {
        -4..=5 => decimal(10_f64.powi(power), power.min(0).unsigned_abs() as usize),
        _ => format!("1e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::MiAxis;

    #[test]
    fn orders_of_magnitude_make_the_axis_logarithmic() {
        let axis = MiAxis::of(&[0.02, 3.0, 450.0]).expect("values");
        assert_eq!(axis.ends, [-2.0, 3.0]);
        assert_eq!(axis.place(100.0), 2.0);
        assert_eq!(axis.ticks.len(), 6);
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["0.01", "0.1", "1", "10", "100", "1000"]);
        let wide = MiAxis::of(&[1e-9, 1e9]).expect("values");
        assert!(wide.ticks.len() <= 7, "{:?}", wide.ticks);
    }

    #[test]
    fn other_values_stand_on_a_linear_axis_from_0() {
        for values in [[2.0, 3.0], [-1.0, 1e6], [0.0, 1e6], [5.0, 5.0]] {
            let axis = MiAxis::of(&values).expect("values");
            assert!(axis.ends[0] <= values[0].min(0.0) && axis.ends[1] >= values[1]);
            assert_eq!(axis.place(7.5), 7.5);
        }
        assert!(MiAxis::of(&[f64::NAN]).is_none());
    }
}
