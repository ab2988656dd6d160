//! How far long work is.

use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;

/// Long work that shows how far it is. Made by [`Output::progress`].
#[derive(Debug)]
pub struct Progress(Shown);

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines { what: String, total: Option<u64>, done: u64, told: u64, output: Output },
}

impl Progress {
    pub(super) fn bar(what: String, total: Option<u64>) -> Self {
        let (bar, style) = match total {
            Some(total) => (ProgressBar::new(total), "{msg}: [{wide_bar}] {pos} of {len}, {eta} left"),
            None => (ProgressBar::new_spinner(), "{msg}: {pos}, {elapsed}"),
        };
        // The templates are constants; one that indicatif refused would show its own default.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(Shown::Bar(bar))
    }

    pub(super) fn lines(what: String, total: Option<u64>, output: Output) -> Self {
        Self(Shown::Lines { what, total, done: 0, told: 0, output })
    }

    /// So many more are done.
    pub fn advance(&mut self, by: u64) {
        match &mut self.0 {
            Shown::Bar(bar) => bar.inc(by),
            Shown::Lines { what, total, done, told, output } => {
                *done += by;
                // A line for every tenth, or for every doubling: few, however much there is to do.
                let next = total.map_or(told.saturating_mul(2).max(1_000), |total| *told + total.div_ceil(10));
                if *done >= next && total.is_none_or(|total| *done < total) {
                    *told = *done;
                    output.progress_line(what, *done, *total);
                }
            }
        }
    }

    /// The work is over.
    pub fn finish(self) {
        match self.0 {
            Shown::Bar(bar) => bar.finish_and_clear(),
            Shown::Lines { what, total, done, output, .. } => output.progress_line(&what, done, total),
        }
    }
}
