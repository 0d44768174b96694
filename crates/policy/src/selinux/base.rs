//! The small policy that carries the module where no distribution's policy is loaded.

use std::fmt::Write;

const BASE: &str = include_str!("../../selinux/base.cil");

/// How many categories there are: as many as distributions have.
const CATEGORIES: u32 = 1024;

/// A policy with 1024 categories in which everything is permitted to whatever is not a machine's.
/// With `module(Naming::Plain)` behind it, it is a whole policy for `secilc`.
pub fn base() -> String {
    let mut text = String::from(BASE);
    let mut order = String::new();
    for category in 0..CATEGORIES {
        let _ = writeln!(text, "(category c{category})");
        let _ = write!(order, " c{category}");
    }
    let _ = writeln!(text, "(categoryorder ({}))", order.trim_start());
    let _ = writeln!(text, "(sensitivitycategory s0 (range c0 c{}))", CATEGORIES - 1);
    text
}
