//! What the loaded policy answers about one access, and about many at once.

use super::{Class, Selinux, odd};
use crate::HostError;
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap, btree_map::Entry};
use svirt_model::label::Context;

/// What the policy says of one access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The permissions that were asked for and are refused, or that the policy does not have.
    pub refused: Vec<String>,
    /// Whether the source's domain is permissive: then nothing of it is refused in effect.
    pub permissive_domain: bool,
}

impl Decision {
    /// Whether everything that was asked for is allowed by a rule.
    pub fn allows(&self) -> bool {
        self.refused.is_empty()
    }
}

/// Everything that the policy says of one source, target and class.
#[derive(Debug, Clone, Copy)]
struct Vector {
    allowed: u32,
    permissive_domain: bool,
}

impl Selinux {
    /// Whether the policy lets `source` do this to `target`. What a permissive mode would let pass
    /// does not count.
    ///
    /// # Errors
    /// The kernel's, above all that it does not know one of the contexts.
    pub fn decide(
        &self,
        source: &Context,
        target: &Context,
        class: &Class,
        permissions: &[&str],
    ) -> Result<Decision, HostError> {
        let vector = self.vector(source, target, class)?;
        let vector = vector.map_err(|e| HostError::new(doing(source, target, class), e))?;
        let granted = |p: &&&str| class.bit(p).is_some_and(|bit| vector.allowed & bit != 0);
        let refused = permissions.iter().filter(|p| !granted(p)).map(|p| (*p).to_owned()).collect();
        Ok(Decision { refused, permissive_domain: vector.permissive_domain })
    }

    /// Of each object, class and permissions, whether the policy lets `source` do all of that to it:
    /// as the kernel would decide while it enforces. Nothing is asked twice, however often it stands
    /// there.
    ///
    /// An object's context that the policy does not know is permitted to nobody: the kernel takes
    /// such an object for an unlabelled one. Of a class or a permission that the policy does not
    /// have, its own word on those decides (`deny_unknown`).
    ///
    /// # Errors
    /// The kernel's; the policy does not know `source`; a name that is no class's.
    pub fn permitted(
        &self,
        source: &Context,
        questions: &[(Context, &str, &[&str])],
    ) -> Result<Vec<bool>, HostError> {
        if self.canonical(source)?.is_none() {
            let doing = format!("ask what {source} may reach");
            return Err(odd(&doing, "the loaded policy has no such context"));
        }
        let unknown = self.files.number("deny_unknown")? == 0;
        let (classes, answers) = (BTreeMap::new(), HashMap::new());
        let mut asked = Asked { selinux: self, source, unknown, classes, answers };
        questions.iter().map(|(target, class, what)| asked.permits(target, class, what)).collect()
    }

    /// The kernel's answer; its error is one too, above all that it knows no such context.
    fn vector(
        &self,
        source: &Context,
        target: &Context,
        class: &Class,
    ) -> Result<Result<Vector, Errno>, HostError> {
        let question = format!("{source} {target} {}", class.number);
        let doing = || doing(source, target, class);
        let answer = match self.files.ask("access", question.as_bytes())? {
            Ok(answer) => answer,
            Err(e) => return Ok(Err(e)),
        };
        let text = std::str::from_utf8(&answer).map_err(|e| odd(&doing(), e))?;
        // allowed decided auditallow auditdeny sequence flags; all but the sequence in hexadecimal.
        let fields: Vec<&str> = text.trim_end_matches(['\n', '\0']).split(' ').collect();
        let hexadecimal = |at: usize| fields.get(at).and_then(|f| u32::from_str_radix(f, 16).ok());
        let (Some(allowed), Some(flags)) = (hexadecimal(0), hexadecimal(5)) else {
            return Err(odd(&doing(), format!("the answer {text:?} is of no known form")));
        };
        Ok(Ok(Vector { allowed, permissive_domain: flags & 1 != 0 }))
    }
}

fn doing(source: &Context, target: &Context, class: &Class) -> String {
    format!("ask whether {source} may reach {target} as {}", class.name)
}

/// What was asked already.
struct Asked<'a> {
    selinux: &'a Selinux,
    source: &'a Context,
    /// What holds of what the policy does not have.
    unknown: bool,
    classes: BTreeMap<&'a str, Option<Class>>,
    /// The bits that are allowed; `None` where the policy does not know the context.
    answers: HashMap<(&'a Context, &'a str), Option<u32>>,
}

impl<'a> Asked<'a> {
    fn permits(
        &mut self,
        target: &'a Context,
        name: &'a str,
        permissions: &[&str],
    ) -> Result<bool, HostError> {
        let Self { selinux, source, unknown, classes, answers } = self;
        let class = match classes.entry(name) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(selinux.class(name)?),
        };
        let Some(class) = class else { return Ok(*unknown) };
        let allowed = match answers.get(&(target, name)) {
            Some(answer) => *answer,
            None => match selinux.vector(source, target, class)? {
                Ok(vector) => Some(vector.allowed),
                Err(Errno::INVAL) => None,
                Err(e) => return Err(HostError::new(doing(source, target, class), e)),
            },
        };
        answers.insert((target, name), allowed);
        let Some(allowed) = allowed else { return Ok(false) };
        let one = |p: &&str| class.bit(p).map_or(*unknown, |bit| allowed & bit != 0);
        Ok(permissions.iter().all(one))
    }
}
