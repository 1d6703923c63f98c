//! The computation of the stage.

use super::config::Agree;
use super::measure::{Column, Measure};
use super::pools::Pool;
use super::report::AgreementReport;
use crate::contract::{StageContext, StageError, StageOutput, Work};

impl Agree {
    pub(super) fn agree(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let config = &self.config;
        config.check().map_err(StageError::configuration)?;
        let pools = self.pools(context)?;
        let report = self.measured(context, &pools)?;
        let summary = context.store().artifacts().put_json(&report)?;
        Ok(StageOutput::one("summary", summary)
            .with_metric("headline", report.headline())
            .with_metric("prompts", report.prompts)
            .with_metric("candidates", report.candidates)
            .with_metric("tau_a", report.by_pair(|pair| pair.tau_a.as_ref()))
            .with_metric("tau_b", report.by_pair(|pair| pair.tau_b.as_ref()))
            .with_metric("same_best", report.by_pair(|pair| pair.same_best.as_ref())))
    }

    fn measured(&self, context: &StageContext<'_>, pools: &[Pool]) -> Result<AgreementReport, StageError> {
        let config = &self.config;
        let columns: Vec<Column<'_>> = config
            .columns
            .iter()
            .enumerate()
            .map(|(position, name)| Column {
                name,
                position,
                direction: config.direction(name),
            })
            .collect();
        let measure = Measure {
            pools,
            bootstrap: &config.bootstrap,
        };
        let pairs = columns.len() * columns.len().saturating_sub(1) / 2;
        context.progress().begin(Work {
            total: pairs as u64,
            reused: 0,
            unit: "pairs of columns",
        });
        let (mut agreements, mut curves) = (Vec::new(), Vec::new());
        for (position, &first) in columns.iter().enumerate() {
            for &second in &columns[position + 1..] {
                context.check_cancelled()?;
                agreements.push(measure.agreement(first, second).map_err(StageError::failed)?);
                for (chooser, judge) in [(first, second), (second, first)] {
                    context.check_cancelled()?;
                    curves.push(measure.curve(chooser, judge).map_err(StageError::failed)?);
                }
                context.progress().advance(1);
            }
        }
        let random = columns.iter().map(|&judge| measure.random(judge));
        Ok(AgreementReport {
            columns: config.columns.clone(),
            lower_is_better: config.lower_is_better.clone(),
            ranks: config.ranks.iter().map(|rank| rank.get()).collect(),
            bootstrap: config.bootstrap,
            prompts: pools.len() as u64,
            candidates: pools.iter().map(|pool| pool.candidates() as u64).sum(),
            agreements,
            random: random.collect::<Result<_, _>>().map_err(StageError::failed)?,
            curves,
        })
    }
}
