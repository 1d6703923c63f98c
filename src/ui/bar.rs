//! A bar on standard error, which shows only what a terminal does not obey.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printable::{one_line, printable};

/// A bar that is drawn on standard error until it is dropped.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Draws a bar in a layout of indicatif's, with a name in front.
    pub(super) fn start(template: &str, name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(one_line(name));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Writes a line above the bar, which stays.
    pub(super) fn say(&self, text: &str) {
        self.0.println(printable(text));
    }

    /// Shows how far the work is.
    pub(super) fn show(&self, done: u64, total: u64, remark: &str) {
        self.0.set_length(total);
        self.0.set_position(done);
        self.remark(remark);
    }

    /// Shows a remark beside the bar.
    pub(super) fn remark(&self, text: &str) {
        self.0.set_message(one_line(text));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
