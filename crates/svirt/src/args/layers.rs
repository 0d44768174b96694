//! What the user says about layers.

use super::value;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use svirt_engine::spec::SeclabelSpec;
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
    /// How the machine is labelled: type=static,label=LABEL; may be repeated
    #[arg(long, value_name = "LABEL", value_parser = value::seclabel,
        long_help = "How the machine is labelled by a security model, in libvirt's words: \
            [type=dynamic|static|none][,model=MODEL][,relabel=yes|no][,label=TEXT|,baselabel=TEXT]. \
            May be repeated, once for each model: selinux, apparmor, smack, dac.\n\n\
            dynamic, which is meant where nothing is said, gives the machine a label that no other \
            has, made from baselabel where that is said; static gives it this label; none gives the \
            model up, as --weaken does.\n\
            label= and baselabel= come last: what follows is the label, with its commas.")]
    pub(crate) seclabel: Vec<SeclabelSpec>,
}

fn layer() -> impl TypedValueParser<Value = Layer> {
    PossibleValuesParser::new(Layer::ALL.iter().map(|l| l.word())).try_map(|w| w.parse::<Layer>())
}

fn long_help(text: &str) -> String {
    let layers: Vec<_> = Layer::ALL.iter().map(|l| format!("  {l:<18} {}", l.what())).collect();
    format!("{text}\n\nThe layers:\n{}", layers.join("\n"))
}
