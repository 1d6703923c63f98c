//! Kinds of values in a scheduler file, and keys that are not read.

use serde_json::Value;

use crate::config_fields::{number, text, whole};

/// A kind of value in the file.
pub(super) trait Setting: Sized {
    /// What is expected, for messages.
    const EXPECTED: &'static str;
    fn read(value: &Value) -> Option<Self>;
}

impl Setting for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Setting for usize {
    const EXPECTED: &'static str = "a whole number from 0";
    fn read(value: &Value) -> Option<Self> {
        whole(value)
    }
}

impl Setting for f64 {
    const EXPECTED: &'static str = "a number";
    fn read(value: &Value) -> Option<Self> {
        number(value)
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a name";
    fn read(value: &Value) -> Option<Self> {
        text(value)
    }
}

impl Setting for Vec<f64> {
    const EXPECTED: &'static str = "a list of numbers";
    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(number).collect()
    }
}

/// Settings that are only read by schedulers that are not supported, or that only matter where those below are on.
pub(super) const OF_OTHERS: [&str; 12] = [
    "base_image_seq_len",
    "base_shift",
    "disable_corrector",
    "flow_shift",
    "max_image_seq_len",
    "max_shift",
    "original_inference_steps",
    "predict_x0",
    "shift",
    "solver_p",
    "time_shift_type",
    "timestep_scaling",
];

/// Settings of DPM-Solver++ that are not supported, with the values that switch them off.
pub(super) const SWITCHED_OFF: [(&str, Value); 1] = [("use_dynamic_shifting", Value::Bool(false))];
