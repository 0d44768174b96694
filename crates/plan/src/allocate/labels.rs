//! From a base label and a machine's categories to the labels of its process and its objects.

use super::AllocateError;
use svirt_model::label::{CategorySet, Context, Level, Pair, Pool};

/// What a machine's process and its objects are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The process: its own pair and the categories of its groups.
    pub process: Context,
    /// What is the machine's alone: its pair.
    pub private: Context,
    /// What each of its groups shares, in the order in which they were given: the group's category.
    pub groups: Vec<Context>,
}

/// The labels of a machine. The base label is its process's without categories; its sensitivity is
/// kept, and the launcher must be cleared for it.
///
/// # Errors
/// The base label has no level, or one that cannot be had; `image_kind` is no type's name.
pub fn label(
    base: &Context,
    image_kind: &str,
    pool: &Pool,
    pair: Pair,
    groups: &[u16],
) -> Result<Labels, AllocateError> {
    let low = base.range().ok_or_else(|| AllocateError::NoLevel(base.to_string()))?.low();
    let sensitivity = low.sensitivity;
    // A range up to the launcher's clearance is what a policy's default contexts may say; a category
    // on the low level would be on every machine of this base.
    if !low.categories.is_empty() {
        return Err(AllocateError::BaseCategories(low.categories.clone()));
    }
    if !pool.has_sensitivity(sensitivity) {
        let range = pool.range().to_string();
        return Err(AllocateError::Sensitivity { sensitivity, range });
    }
    let at = |categories| base.at(Level { sensitivity, categories });
    let all = pair.set().with(&groups.iter().copied().collect());
    let shared = |group: &u16| at(CategorySet::span(*group, *group)).object(image_kind);
    Ok(Labels {
        process: at(all),
        private: at(pair.set()).object(image_kind)?,
        groups: groups.iter().map(shared).collect::<Result<_, _>>()?,
    })
}
