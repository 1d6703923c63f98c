//! Alignment from round to round, one curve for each arm.

use super::super::model::{AlignmentEntry, ArmCurve, Interval, ModelLabel, RoundPoint, Rounds, Side};

/// Follows the arms over the rounds; none if there is but one model to compare.
pub(super) fn rounds(entries: &[AlignmentEntry]) -> Option<Rounds> {
    let base = entries.iter().find(|entry| entry.model == ModelLabel::Base);
    let start = base.and_then(|base| base.aligned);
    let mut arms: Vec<ArmCurve> = Vec::new();
    for entry in entries {
        for (round, name) in places(&entry.model) {
            let point = RoundPoint {
                round,
                aligned: entry.aligned,
                to_base: entry.to_base,
            };
            match arms.iter_mut().find(|known| known.arm == name) {
                Some(known) => known.points.push(point),
                None => arms.push(ArmCurve {
                    arm: name.to_owned(),
                    points: start.map(beginning).into_iter().chain([point]).collect(),
                }),
            }
        }
    }
    let points = arms.iter().flat_map(|arm| &arm.points);
    let last = points.map(|point| point.round).max()?;
    let without_round =
        |entry: &&AlignmentEntry| matches!(entry.model, ModelLabel::Tuned { round: None, .. });
    (last > 1 || arms.len() > 1).then(|| Rounds {
        first: u32::from(base.is_none()),
        last,
        arms,
        left_out: entries.iter().filter(without_round).count(),
    })
}

/// The round of a model and the names of its arms; nothing for the base and for models without a round.
fn places(model: &ModelLabel) -> impl Iterator<Item = (u32, &str)> {
    let (round, arms): (Option<u32>, Vec<&str>) = match model {
        ModelLabel::Tuned { round, arms, .. } if arms.is_empty() => (*round, vec!["tuned"]),
        ModelLabel::Tuned { round, arms, .. } => (*round, arms.iter().map(String::as_str).collect()),
        ModelLabel::Base => (None, Vec::new()),
    };
    arms.into_iter().filter_map(move |arm| Some((round?, arm)))
}

/// What an arm begins with: the base, which does not differ from itself.
fn beginning(aligned: Interval) -> RoundPoint {
    let none = Interval {
        value: 0.0,
        low: 0.0,
        high: 0.0,
        reference: Some(0.0),
        side: Some(Side::Includes),
    };
    RoundPoint {
        round: 0,
        aligned: Some(aligned),
        to_base: Some(none),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::model::Origin;
    use super::*;

    fn entry(model: ModelLabel, value: f64) -> AlignmentEntry {
        let aligned = Interval {
            value,
            low: value,
            high: value,
            reference: None,
            side: None,
        };
        let origin = Origin {
            name: String::new(),
            anchor: String::new(),
        };
        AlignmentEntry {
            model,
            origin,
            aligned: Some(aligned),
            to_base: None,
            to_control: None,
        }
    }

    fn tuned(round: Option<u32>, arms: &[&str]) -> ModelLabel {
        ModelLabel::Tuned {
            round,
            arms: arms.iter().map(|arm| (*arm).to_owned()).collect(),
            stage: "adapter".to_owned(),
        }
    }

    #[test]
    fn arms_begin_with_the_base_and_go_on_by_round() {
        let entries = [
            entry(ModelLabel::Base, 0.5),
            entry(tuned(Some(1), &["a", "b"]), 0.6),
            entry(tuned(Some(2), &["a"]), 0.7),
            entry(tuned(None, &[]), 0.8),
        ];
        let found = rounds(&entries).unwrap();
        assert_eq!((found.first, found.last, found.left_out), (0, 2, 1));
        let curves: Vec<(&str, Vec<u32>)> = found
            .arms
            .iter()
            .map(|arm| {
                (
                    arm.arm.as_str(),
                    arm.points.iter().map(|point| point.round).collect(),
                )
            })
            .collect();
        assert_eq!(curves, [("a", vec![0, 1, 2]), ("b", vec![0, 1])]);
    }

    #[test]
    fn one_model_has_nothing_to_follow() {
        let entries = [entry(ModelLabel::Base, 0.5), entry(tuned(Some(1), &[]), 0.6)];
        assert!(rounds(&entries).is_none());
        assert!(rounds(&[entry(tuned(None, &["a"]), 0.6)]).is_none());
    }
}
