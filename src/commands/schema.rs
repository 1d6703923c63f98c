//! `mitune schema`

use clap::Args;

use crate::failure::Failure;
use crate::pipeline;
use crate::ui::print_json;

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {}

pub(crate) fn run(_: &SchemaArguments) -> Result<(), Failure> {
    print_json(&pipeline::schema())
}
