//! That a machine worked without being refused anything: a confinement that denies what its own
//! machine needs is the one that people switch off.

use svirt_testkit::{Capture, Process};

/// Watches the kernel's refusals from now on, where this process may.
pub(crate) struct Watch(Option<Capture>);

impl Watch {
    pub(crate) fn begin() -> Self {
        // What is not root cannot know; the same claim as root does.
        Self(Capture::begin().map_err(|why| eprintln!("denials not watched: {}", why.0)).ok())
    }

    /// Goes on only where the kernel refused these processes nothing.
    #[track_caller]
    pub(crate) fn nothing_was_refused_to(&self, processes: &[Process]) {
        assert!(!processes.is_empty(), "nobody was watched");
        if let Some(capture) = &self.0 {
            let refused = capture.refusals_of(processes);
            assert!(refused.is_empty(), "the kernel refused {refused:#?}");
        }
    }

    /// Goes on only where this model refused something that mentions this text.
    #[track_caller]
    pub(crate) fn was_refused_by(&self, model: &str, text: &str) {
        if let Some(capture) = &self.0 {
            let all = capture.refusals();
            assert!(
                all.iter().any(|d| d.by == model && d.mentions(text)),
                "no {text:?} in {all:#?}"
            );
        }
    }
}
