//! From values to places on a chart.

/// A range of values on a range of pixels; either may fall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) values: [f64; 2],
    pub(super) pixels: [f64; 2],
}

impl Scale {
    /// Returns where a value lies; values outside are moved to the nearest end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let [from, to] = self.values;
        let share = if from == to {
            0.5
        } else {
            (value - from) / (to - from)
        };
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.5
        };
        self.pixels[0] + share * (self.pixels[1] - self.pixels[0])
    }
}

/// Returns the range of values, widened where it is empty; none without a finite value.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> Option<[f64; 2]> {
    let mut range: Option<[f64; 2]> = None;
    for value in values.into_iter().filter(|value| value.is_finite()) {
        let [low, high] = range.unwrap_or([value, value]);
        range = Some([low.min(value), high.max(value)]);
    }
    let [low, high] = range?;
    let margin = if low == high {
        low.abs().max(1.0) * 0.05
    } else {
        0.0
    };
    Some([low - margin, high + margin])
}

/// Returns round values inside a range, about `count` of them, and how many decimals they need.
pub(super) fn ticks([low, high]: [f64; 2], count: usize) -> (Vec<f64>, usize) {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return (vec![low], 2);
    }
    let rough = span / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let ticks = (first..=last.min(first.saturating_add(50))).map(|number| number as f64 * step);
    (ticks.collect(), decimals)
}

/// Returns round values inside a range with their labels.
pub(super) fn labelled(range: [f64; 2], count: usize) -> Vec<(f64, String)> {
    let (values, decimals) = ticks(range, count);
    let label = |value: f64| match value.abs() {
        large if large >= 1e6 => super::format::number(value),
        _ if decimals > 5 => super::format::number(value),
        _ => super::format::decimal(value, decimals),
    };
    values.into_iter().map(|value| (value, label(value))).collect()
}

/// Widens a range to round values.
pub(super) fn rounded([low, high]: [f64; 2], count: usize) -> [f64; 2] {
    let (ticks, _) = ticks([low, high], count);
    let step = match ticks[..] {
        [first, second, ..] => second - first,
        _ => return [low, high],
    };
    [
        (low / step + 1e-9).floor() * step,
        (high / step - 1e-9).ceil() * step,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks([0.0, 1.0], 5).0.len(), 6);
        let (values, decimals) = ticks([0.43, 0.71], 4);
        let texts: Vec<String> = values.iter().map(|value| format!("{value:.decimals$}")).collect();
        assert_eq!(texts, ["0.5", "0.6", "0.7"]);
        assert_eq!(ticks([0.0, 950.0], 5).0, [0.0, 200.0, 400.0, 600.0, 800.0]);
        assert_eq!(ticks([3.0, 3.0], 5).0, [3.0]);
        assert_eq!(ticks([f64::NAN, 1.0], 5).0.len(), 1);
        for [low, high] in [[-3.2, 17.9], [1e-9, 3e-9], [-1e12, 5.0]] {
            let (values, _) = ticks([low, high], 5);
            assert!((3..=7).contains(&values.len()), "{values:?}");
            assert!(
                values
                    .iter()
                    .all(|value| *value >= low - 1e-9 * high.abs() && *value <= high * 1.000001)
            );
            let [from, to] = rounded([low, high], 5);
            assert!(from <= low + 1e-8 * (high - low) && to >= high - 1e-8 * (high - low));
        }
    }

    #[test]
    fn scales_map_ends_to_ends_and_clamp() {
        let scale = Scale {
            values: [1000.0, 0.0],
            pixels: [10.0, 110.0],
        };
        assert_eq!(
            (scale.at(1000.0), scale.at(250.0), scale.at(-5.0)),
            (10.0, 85.0, 110.0)
        );
        assert_eq!(range([2.0, f64::NAN, 1.0]), Some([1.0, 2.0]));
        assert_eq!(range([]), None);
        assert!(range([3.0]).is_some_and(|[low, high]| low < 3.0 && 3.0 < high));
    }
}
