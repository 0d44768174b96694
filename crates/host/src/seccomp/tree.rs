//! The search for a call's verdict by its number. It knows numbers and pieces of code, not what
//! they mean.

use super::program::Instruction;

/// What is done for one number; it does not go on behind its own end.
pub(super) struct Leaf {
    pub(super) number: u32,
    pub(super) code: Vec<Instruction>,
}

/// What is done for all numbers from `first` on, up to the next range.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    code: Vec<Instruction>,
}

/// The code that finds a number's leaf; numbers without one kill. The leaves are in order.
pub(super) fn search(leaves: Vec<Leaf>) -> Vec<Instruction> {
    descend(&ranges(leaves))
}

fn ranges(leaves: Vec<Leaf>) -> Vec<Range> {
    let gap = |first| Range { first, code: vec![Instruction::answer(None)] };
    let mut ranges = vec![gap(0)];
    for Leaf { number, code } in leaves {
        // The gap that was supposed to begin here has no width.
        ranges.pop_if(|last| last.first == number);
        ranges.push(Range { first: number, code });
        ranges.extend(number.checked_add(1).map(gap));
    }
    ranges.dedup_by(|next, before| next.code == before.code);
    ranges
}

fn descend(ranges: &[Range]) -> Vec<Instruction> {
    match ranges {
        [] => Vec::new(),
        [only] => only.code.clone(),
        more => {
            let (low, high) = more.split_at(more.len() / 2);
            let below = descend(low);
            let pivot = high.first().map_or(0, |range| range.first);
            let mut code = Instruction::split(pivot, below.len());
            code.extend(below);
            code.extend(descend(high));
            code
        }
    }
}
