//! The figures, as a table and as JSON, with the machine that they were taken on.

use std::process::Command;
use std::{fmt, fs};

use serde_json::{Value, json};

use super::series::Series;
use crate::command::output;
use crate::error::{Error, Result};

/// What the figures depend on besides sVirt.
#[derive(Debug)]
pub(super) struct Host {
    cpu: String,
    cores: usize,
    kernel: String,
    qemu: String,
    bubblewrap: String,
    /// The one-minute load before and after.
    load: (f64, f64),
}

impl Host {
    pub(super) fn look() -> Result<Self> {
        let cpus = read("/proc/cpuinfo")?;
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
        let load = load()?;
        Ok(Self {
            cpu: model.unwrap_or_default().trim_start_matches(['\t', ' ', ':']).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            qemu: version("qemu-system-x86_64")?,
            bubblewrap: version("bwrap")?,
            load: (load, load),
        })
    }

    /// The same, after the measurements.
    pub(super) fn afterwards(self) -> Result<Self> {
        Ok(Self { load: (self.load.0, load()?), ..self })
    }

    fn line(&self) -> String {
        let Self { cpu, cores, kernel, qemu, bubblewrap, load } = self;
        format!(
            "{cpu}, {cores} cores, Linux {kernel}\n{qemu}; {bubblewrap}\n\
             load {:.2} before, {:.2} after (with the measurements' own)\n",
            load.0, load.1
        )
    }
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).map_err(Error::file(file))
}

fn load() -> Result<f64> {
    let text = read("/proc/loadavg")?;
    Ok(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN))
}

fn version(program: &str) -> Result<String> {
    let text = output(Command::new(program).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// What half of the samples do not exceed.
pub(super) const MEDIAN: f64 = 0.5;

/// What ninety-nine in a hundred do not exceed.
pub(super) const WORST: f64 = 0.99;

/// What is aimed at: of the ratio or, without a peer, of sVirt's own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// Of what costs.
    AtMost(f64),
    /// Of what is achieved.
    AtLeast(f64),
}

impl Target {
    fn is_kept(self, figure: f64) -> bool {
        match self {
            Target::AtMost(most) => figure <= most,
            Target::AtLeast(least) => figure >= least,
        }
    }

    fn json(self) -> Value {
        match self {
            Target::AtMost(most) => json!({ "at_most": most }),
            Target::AtLeast(least) => json!({ "at_least": least }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::AtMost(most) => write!(f, "<= {most}"),
            Target::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

/// One thing measured, for one person.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) name: String,
    /// Who ran it.
    pub(super) person: String,
    pub(super) unit: &'static str,
    /// Which of the samples the figure is taken from, as a part of them: [`MEDIAN`] or [`WORST`].
    pub(super) quantile: f64,
    pub(super) target: Option<Target>,
    /// Whether the second series is a peer that sVirt is compared with.
    pub(super) compared: bool,
    /// sVirt first, then its peer if it has one, then what is only shown.
    pub(super) series: Vec<Series>,
}

impl Measurement {
    /// sVirt's for one of the peer's; without a peer, its own.
    fn figure(&self) -> f64 {
        let of = |series: &Series| series.quantile(self.quantile);
        match self.series.as_slice() {
            [ours, peer, ..] if self.compared => of(ours) / of(peer),
            [ours, ..] => of(ours),
            [] => f64::NAN,
        }
    }

    fn verdict(&self) -> String {
        let Some(target) = self.target else { return String::new() };
        let kept = if target.is_kept(self.figure()) { "kept" } else { "MISSED" };
        format!("target {target}: {kept}")
    }

    fn rows(&self) -> String {
        let unit = if self.compared { "x" } else { self.unit };
        let figure = format!("{:.2} {unit}", self.figure());
        let head = format!("{} ({})", self.name, self.person);
        let mut text = format!("{head:<48} {figure:>10}   {}\n", self.verdict());
        for series in &self.series {
            text += &format!(
                "    {:<36} {:>10.2} {:<3} {:>10.2} ..{:>9.2} {:>10.2}   n {}\n",
                series.name,
                series.median(),
                self.unit,
                series.quantile(0.25),
                series.quantile(0.75),
                series.quantile(WORST),
                series.samples.len(),
            );
        }
        text
    }

    fn json(&self) -> Value {
        let series = |s: &Series| {
            json!({
                "name": s.name,
                "median": s.median(),
                "quartiles": [s.quantile(0.25), s.quantile(0.75)],
                "p99": s.quantile(WORST),
                "samples": s.samples,
            })
        };
        json!({
            "name": self.name,
            "person": self.person,
            "unit": self.unit,
            "figure": self.figure(),
            "quantile": self.quantile,
            "target": self.target.map(Target::json),
            "series": self.series.iter().map(series).collect::<Vec<_>>(),
        })
    }
}

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) host: Host,
    pub(super) measurements: Vec<Measurement>,
}

impl Report {
    pub(super) fn table(&self) -> String {
        let heading = "\nsVirt for one of the peer; below, each one's median, quartiles, what 99 in 100 do not \
             exceed, and samples\n";
        let rows: String = self.measurements.iter().map(Measurement::rows).collect();
        format!("\n{}{heading}\n{rows}", self.host.line())
    }

    pub(super) fn json(&self) -> String {
        let Host { cpu, cores, kernel, qemu, bubblewrap, load } = &self.host;
        let all = json!({
            "machine": {
                "cpu": cpu, "cores": cores, "kernel": kernel, "qemu": qemu,
                "bubblewrap": bubblewrap, "load": [load.0, load.1],
            },
            "measurements": self.measurements.iter().map(Measurement::json).collect::<Vec<_>>(),
        });
        format!("{all:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(series: &[(&str, f64)]) -> Measurement {
        let one = |(name, value): &(&str, f64)| Series {
            name: (*name).to_owned(),
            samples: vec![*value],
        };
        Measurement {
            compared: series.len() > 1,
            quantile: MEDIAN,
            name: "m".to_owned(),
            person: "p".to_owned(),
            unit: "ms",
            target: Some(Target::AtMost(1.5)),
            series: series.iter().map(one).collect(),
        }
    }

    #[test]
    fn the_figure_is_a_ratio_to_the_first_peer() {
        let two = measurement(&[("svirt", 3.0), ("bwrap", 2.0), ("alone", 1.0)]);
        assert_eq!(two.figure(), 1.5);
        assert!(two.verdict().ends_with("kept"));
        let slow = measurement(&[("svirt", 4.0), ("bwrap", 2.0)]);
        assert!(slow.verdict().ends_with("MISSED"));
    }

    #[test]
    fn of_what_is_achieved_more_is_better() {
        let rate = |ours| Measurement {
            target: Some(Target::AtLeast(0.9)),
            ..measurement(&[("svirt", ours), ("qemu", 10.0)])
        };
        assert!(rate(9.5).verdict().ends_with("target >= 0.9: kept"));
        assert!(rate(8.5).verdict().ends_with("MISSED"));
        assert_eq!(rate(8.5).json()["target"], json!({ "at_least": 0.9 }));
        assert!(measurement(&[]).json()["target"]["at_most"].is_f64());
    }

    #[test]
    fn what_has_no_peer_is_its_own_figure() {
        assert_eq!(measurement(&[("svirt", 1.25)]).figure(), 1.25);
        let parts = [("svirt", 1.25), ("a part of that", 1.0)];
        assert_eq!(Measurement { compared: false, ..measurement(&parts) }.figure(), 1.25);
    }

    #[test]
    fn the_figure_can_be_that_of_the_worst() {
        let ours = Series { name: "svirt".to_owned(), samples: vec![1.0, 1.0, 9.0] };
        let mut one = measurement(&[("svirt", 1.0), ("peer", 2.0)]);
        one.series[0] = ours;
        assert_eq!(one.figure(), 0.5);
        assert_eq!(Measurement { quantile: 1.0, ..one }.figure(), 4.5);
    }

    #[test]
    fn without_samples_no_target_is_kept() {
        assert!(measurement(&[]).verdict().ends_with("MISSED"));
    }
}
