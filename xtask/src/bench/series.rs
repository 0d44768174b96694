//! Samples of one thing, and what is said of them.

use std::time::Duration;

/// Samples of one contender.
#[derive(Debug)]
pub(super) struct Series {
    /// Who.
    pub(super) name: String,
    /// In the order in which they were taken.
    pub(super) samples: Vec<f64>,
}

impl Series {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), samples: Vec::new() }
    }

    /// A time, in milliseconds.
    pub(super) fn add(&mut self, time: Duration) {
        self.samples.push(time.as_secs_f64() * 1000.0);
    }

    /// A time; who waits for what failed waits for ever.
    pub(super) fn add_or_failure(&mut self, time: Option<Duration>) {
        match time {
            Some(time) => self.add(time),
            None => self.samples.push(f64::INFINITY),
        }
    }

    /// The value below which this part of the samples lies, between two samples by interpolation.
    /// Without samples there is none.
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let at = part.clamp(0.0, 1.0) * last as f64;
        let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        // Between what never came to an end and itself there is nothing to interpolate.
        if below == above { below } else { below + (above - below) * at.fract() }
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_samples() {
        let series = Series { name: String::new(), samples: vec![4.0, 1.0, 3.0, 2.0] };
        assert_eq!(series.median(), 2.5);
        assert_eq!(series.quantile(0.0), 1.0);
        assert_eq!(series.quantile(1.0), 4.0);
        assert_eq!(series.quantile(0.25), 1.75);
    }

    #[test]
    fn what_failed_is_slower_than_anything() {
        let mut series = Series { name: String::new(), samples: vec![1.0, 2.0, 3.0] };
        series.add_or_failure(None);
        series.add_or_failure(None);
        assert_eq!((series.median(), series.quantile(0.99)), (3.0, f64::INFINITY));
    }

    #[test]
    fn one_sample_is_its_own_spread_and_none_is_no_number() {
        let mut series = Series::new("x");
        assert!(series.median().is_nan());
        series.add(Duration::from_millis(7));
        assert_eq!((series.quantile(0.25), series.quantile(0.75)), (7.0, 7.0));
    }
}
