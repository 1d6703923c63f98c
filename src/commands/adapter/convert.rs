//! `mitune adapter convert`

use mitune_stages::adapter_tools::{ConvertedForm, convert};
use mitune_stages::adapters::adapter_file::AdapterFile;
use serde_json::json;

use super::{ConvertArguments, Form};
use crate::failure::Failure;
use crate::ui::{line, print_json};

pub(super) fn run(arguments: &ConvertArguments, json: bool) -> Result<(), Failure> {
    let file = AdapterFile {
        path: arguments.file.clone(),
        scale: 1.0,
    };
    let form = match arguments.form {
        Form::Peft => ConvertedForm::Peft,
        Form::Kohya => ConvertedForm::Kohya,
    };
    let dtype = arguments.dtype.map(Into::into);
    let dtype = convert(&file, &arguments.out, form, dtype)?;
    if json {
        return print_json(&json!({"adapter": arguments.out, "dtype": dtype.name()}));
    }
    line(format!("Wrote `{}` in {}", arguments.out.display(), dtype.name()))
}
