//! Shares of images by model: what they are right in, and how they fail.

use std::collections::BTreeSet;

use mitune_stages::evaluate::measures::comparison::Comparison;
use mitune_stages::evaluate::measures::summary::EvaluationSummary;
use mitune_stages::statistics::bootstrap::Estimate;

use super::super::model::{Interval, ShareCell, ShareRow, ShareTable};
use super::judged::Measured;

type Attribute = (
    &'static str,
    fn(&EvaluationSummary) -> Option<Estimate>,
    fn(&Comparison) -> Option<Estimate>,
);

/// Binding is a share among images of the right colours and shapes, others in each evaluation, so it is not paired.
const ATTRIBUTES: [Attribute; 4] = [
    ("objects", |summary| summary.objects, |change| change.objects),
    ("colours", |summary| summary.colours, |change| change.colours),
    ("shapes", |summary| summary.shapes, |change| change.shapes),
    ("binding", |summary| summary.binding, |_| None),
];

/// Lists in what the images of each model are right.
pub(super) fn attributes(measured: &[Measured<'_>]) -> ShareTable {
    let row = |one: &Measured<'_>| -> Vec<ShareCell> {
        let cells = ATTRIBUTES.iter().map(|(_, share, change)| {
            let share = share(&one.summary);
            cell(share, one.to_base.as_ref().and_then(change))
        });
        cells.collect()
    };
    let columns = ATTRIBUTES.iter().map(|(name, _, _)| (*name).to_owned());
    table(columns.collect(), measured, row)
}

/// Lists how the images of each model fail, in the kinds of failure that occur; none if there are none.
pub(super) fn failures(measured: &[Measured<'_>]) -> Option<ShareTable> {
    let all = measured.iter().flat_map(|one| &one.summary.failures);
    let occurring = all.filter(|(_, share)| share.value > 0.0);
    let kinds: BTreeSet<_> = occurring.map(|(kind, _)| *kind).collect();
    let row = |one: &Measured<'_>| -> Vec<ShareCell> {
        let cells = kinds.iter().map(|kind| {
            let share = one.summary.failures.get(kind).copied();
            let change = one.to_base.as_ref().and_then(|change| change.failures.get(kind));
            cell(share, change.copied())
        });
        cells.collect()
    };
    let columns: Vec<String> = kinds.iter().map(|kind| kind.name().to_owned()).collect();
    (!columns.is_empty()).then(|| table(columns, measured, row))
}

fn table(
    columns: Vec<String>,
    measured: &[Measured<'_>],
    row: impl Fn(&Measured<'_>) -> Vec<ShareCell>,
) -> ShareTable {
    let rows = measured.iter().map(|one| ShareRow {
        model: one.judged.pool.model.clone(),
        cells: row(one),
    });
    ShareTable {
        columns,
        rows: rows.collect(),
    }
}

fn cell(share: Option<Estimate>, to_base: Option<Estimate>) -> ShareCell {
    ShareCell {
        share: share.map(Interval::of),
        to_base: to_base.map(Interval::difference),
    }
}
