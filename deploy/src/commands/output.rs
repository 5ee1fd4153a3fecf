//! Progress for whoever watches `up`: a bar on a terminal, plain lines
//! elsewhere; always on standard error, so that standard output stays clean.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use local_cluster::{Progress, ProgressSink};

/// What is shown while something takes its time.
#[derive(Clone)]
pub(crate) struct Watcher {
    bar: Option<ProgressBar>,
    waiting: Arc<Mutex<BTreeSet<String>>>,
}

impl Watcher {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, waiting: Arc::new(Mutex::new(BTreeSet::new())) }
    }

    pub(crate) fn sink(&self) -> ProgressSink {
        let watcher = self.clone();
        Arc::new(move |progress| watcher.show(progress))
    }

    fn show(&self, progress: Progress) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Planned { nodes } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(nodes.len() as u64);
                }
            }
            Progress::Started { node } => {
                waiting.insert(node);
            }
            Progress::Adopted { node } => {
                self.line(&format!("{node:18} runs already"));
                waiting.insert(node);
            }
            Progress::Ready { node, after } => {
                waiting.remove(&node);
                self.line(&format!("{node:18} ready after {:.1} s", after.as_secs_f32()));
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                }
            }
            Progress::Note(text) => self.line(&format!("note: {text}")),
        }
        if let Some(bar) = &self.bar {
            bar.set_message(waiting.iter().cloned().collect::<Vec<_>>().join(" "));
        }
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
