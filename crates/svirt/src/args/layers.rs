//! What the user says about layers.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use svirt_model::Layer;

/// The flags about layers.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LayerArgs {
    /// Do not start unless this layer is fully enforced; may be repeated
    #[arg(long, value_name = "LAYER", value_parser = layer(), hide_possible_values = true,
        long_help = long_help("Do not start unless this layer is fully enforced. May be repeated."))]
    pub(crate) require: Vec<Layer>,
    /// Give this layer up, which every status will show; may be repeated
    #[arg(long, value_name = "LAYER", value_parser = layer(), hide_possible_values = true,
        long_help = long_help("Give this layer up. It is recorded, and every status shows it. May be repeated."))]
    pub(crate) weaken: Vec<Layer>,
}

fn layer() -> impl TypedValueParser<Value = Layer> {
    PossibleValuesParser::new(Layer::ALL.iter().map(|l| l.word())).try_map(|w| w.parse::<Layer>())
}

fn long_help(text: &str) -> String {
    let layers: Vec<_> = Layer::ALL.iter().map(|l| format!("  {l:<18} {}", l.what())).collect();
    format!("{text}\n\nThe layers:\n{}", layers.join("\n"))
}
