//! `svirt verify`: machines that run, beside their plans.

use super::print_json;
use crate::{
    args::VerifyArgs,
    error::Outcome,
    output::{Style, print, say},
    render::{self, json},
};
use svirt_engine::{Code, Engine};

/// `svirt verify`.
pub(crate) fn verify(args: &VerifyArgs) -> Outcome {
    let all = Engine::new()?.verify(&args.name)?;
    let holds = all.iter().all(|machine| machine.holds());
    if args.json {
        let machines = all.iter().map(json::verification).collect();
        print_json(&json::versioned([("holds", holds.into()), ("machines", machines)]))?;
    } else if all.is_empty() {
        say("no machine runs");
    } else {
        print(&render::verifications(&all, args.verbose, Style::of_output()))?;
    }
    Ok(if holds { 0 } else { Code::Unconfined as u8 })
}
