//! What another tool, or a store that was lost, left on images: found, said, and put right.
//!
//! Nothing of a machine that runs is touched: neither of one of this state directory, which the store
//! knows, nor of another, whose label somebody on this host has.

use crate::{Code, Engine, Failure, supervisor::is_somebodys};
use std::{
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};
use svirt_host::{
    Doing,
    apply::fresh,
    known,
    mac::{
        Lsm,
        attribute::{AttributeError, Attributes, PutBack, Xattr},
        process, selinux,
    },
    pin::{Pin, Purpose},
    remembered::Remembered,
};
use svirt_model::{
    Attribute, Known, MachineName, Value,
    label::{Context, SecurityModel},
};
use svirt_store::{Recorded, Sought, Store};

/// So many entries of the ledger are asked of one object.
const ENTRIES: u32 = 1_000;

/// What was found on one image.
#[derive(Debug)]
pub struct Repair {
    /// The image.
    pub path: PathBuf,
    /// What was found, for people.
    pub found: Vec<String>,
    /// What is to be done about it, for people; nothing where it is left.
    pub would: Vec<String>,
    pin: Pin,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Label { attribute: Xattr, from: Vec<u8>, to: Option<Vec<u8>> },
    Owner(Remembered),
    Forget(Remembered),
}

impl Repair {
    /// Whether there is something to do.
    pub fn is_due(&self) -> bool {
        !self.steps.is_empty()
    }
}

impl Engine {
    /// Looks at images; those of which there is nothing to say are not among what is returned.
    ///
    /// # Errors
    /// One of them is not there, or cannot be looked at.
    pub fn damage(&self, paths: &[PathBuf]) -> Result<Vec<Repair>, Failure> {
        self.recover()?;
        let mut store = self.store()?;
        let mut all = Vec::new();
        for path in paths {
            let repair = self.look(&mut store, path)?;
            all.extend(Some(repair).filter(|repair| !repair.found.is_empty()));
        }
        Ok(all)
    }

    /// Does what was said, unless something is otherwise by now; says what could not be done.
    ///
    /// # Errors
    /// The store cannot be used.
    pub fn repair(&self, repairs: &[Repair]) -> Result<Vec<Failure>, Failure> {
        let mut store = self.store()?;
        let still = store.still()?;
        let mut failures = Vec::new();
        for repair in repairs.iter().filter(|repair| repair.is_due()) {
            let (file, id) = (known::known(repair.pin.as_fd())?, identity(&repair.pin));
            let done = match still.user_of(file.as_ref(), id)? {
                Some(user) => Err(used(&repair.path, &user)),
                None => repair.steps.iter().try_for_each(|step| take(step, &repair.pin)),
            };
            failures.extend(done.err());
        }
        Ok(failures)
    }

    fn look(&self, store: &mut Store, path: &Path) -> Result<Repair, Failure> {
        let pin = Pin::new(path, Purpose::Any)?;
        let file = known::known(pin.as_fd())?;
        let path = pin.object().path.clone();
        let mut repair =
            Repair { path, found: Vec::new(), would: Vec::new(), pin, steps: Vec::new() };
        let remembered = Remembered::read(repair.pin.as_fd())?;
        let stale = match &remembered {
            Some(remembered) => remembered.is_of_another_boot()? == Some(true),
            None => false,
        };
        let believed = remembered.as_ref().filter(|_| stale);
        self.labels(store, &mut repair, file.as_ref(), believed)?;
        if let Some(remembered) = remembered {
            of_libvirt(&mut repair, remembered)?;
        }
        if let Some(user) = store.still()?.user_of(file.as_ref(), identity(&repair.pin))? {
            if !repair.found.is_empty() {
                repair.found.push(format!("machine {user} uses it: left"));
            }
            (repair.would, repair.steps) = (Vec::new(), Vec::new());
        }
        Ok(repair)
    }

    fn labels(
        &self,
        store: &Store,
        repair: &mut Repair,
        file: Option<&Known>,
        remembered: Option<&Remembered>,
    ) -> Result<(), Failure> {
        let attributes = Attributes::open()?;
        for model in [SecurityModel::Selinux, SecurityModel::Smack] {
            let Some(attribute) = Xattr::of(model) else { continue };
            let label = match attributes.read(&repair.pin, attribute) {
                Ok(Some(label)) => label,
                // Where there are no such attributes, there is no such label.
                Ok(None) | Err(AttributeError::Unsupported { .. }) => continue,
                Err(e) => Err(io::Error::other(e)).on("read the label of", &repair.path)?,
            };
            let text = String::from_utf8_lossy(&label).trim_end_matches('\0').to_owned();
            if !self.is_of_a_machine(model, &label) {
                continue;
            }
            if self.runs(model, &label)? {
                repair.found.push(format!("the label {text} of a machine that runs: left"));
                continue;
            }
            repair.found.push(format!("the label {text} of a machine that does not run"));
            let (to, whence) = self.before(store, repair, (model, &label), file, remembered)?;
            let words = to.as_deref().map(|to| String::from_utf8_lossy(to).into_owned());
            let words =
                words.map_or_else(|| "none".into(), |to| to.trim_end_matches('\0').to_owned());
            repair.would.push(format!("-> the label {words}, {whence}"));
            repair.steps.push(Step::Label { attribute, from: label, to });
        }
        Ok(())
    }

    /// Whether a label is one that a machine's objects have, of sVirt's or of libvirt's.
    fn is_of_a_machine(&self, model: SecurityModel, label: &[u8]) -> bool {
        match model {
            SecurityModel::Selinux => Context::from_kernel(label).is_ok_and(|context| {
                let types = self.facts().labels.selinux.as_ref().and_then(|s| s.types.as_ref());
                let own = types.is_some_and(|types| types.image == context.kind());
                (own || context.kind() == "svirt_image_t") && !context.categories().is_empty()
            }),
            _ => label.starts_with(b"svirt-"),
        }
    }

    /// Whether a machine that has this label runs, of whatever state directory or tool.
    fn runs(&self, model: SecurityModel, label: &[u8]) -> Result<bool, Failure> {
        let labels = &self.facts().labels;
        match model {
            SecurityModel::Selinux => {
                let Ok(context) = Context::from_kernel(label) else { return Ok(false) };
                let categories = context.categories();
                let mut shown = Vec::new();
                if labels.selinux.is_some() {
                    shown = selinux::running()?;
                }
                // A user's session is cleared for every category, and is no machine.
                let has = |(_, process): &(u32, Context)| {
                    let own = process.categories();
                    process.kind().starts_with("svirt")
                        && categories.iter().all(|c| own.contains(c))
                };
                Ok(is_somebodys(&categories)? || shown.iter().any(has))
            }
            _ if labels.smack.is_some() => {
                let shown = process::all(Lsm::Smack)?;
                Ok(shown.iter().any(|shown| shown.label.as_bytes() == label))
            }
            _ => Ok(false),
        }
    }

    /// What was there before the label, and how that is known.
    fn before(
        &self,
        store: &Store,
        repair: &Repair,
        (model, label): (SecurityModel, &[u8]),
        file: Option<&Known>,
        remembered: Option<&Remembered>,
    ) -> Result<(Option<Vec<u8>>, &'static str), Failure> {
        let sought = Sought { file: file.cloned(), ..Sought::default() };
        let entries = if file.is_some() { store.sought(&sought, ENTRIES)? } else { Vec::new() };
        let recorded = self.recorded(entries, (model, label));
        if let Some(before) = recorded {
            return Ok((before, "which the ledger has of it"));
        }
        let theirs = remembered.and_then(|remembered| remembered.label.as_ref());
        if let Some(theirs) = theirs.filter(|_| model == SecurityModel::Selinux) {
            let bytes = [theirs.as_bytes(), b"\0"].concat();
            return Ok((Some(bytes), "which libvirt remembers"));
        }
        let labels = &self.facts().labels;
        let active = match model {
            SecurityModel::Selinux => labels.selinux.is_some(),
            _ => labels.smack.is_some(),
        };
        match active {
            true => Ok((fresh(model, &repair.path)?, "which a new file there gets")),
            false => Ok((None, "since nobody knows which it had")),
        }
    }

    /// What the ledger has of an object before a label, of entries the newest of which is the first: where that
    /// is the label of an earlier machine, what was before that.
    fn recorded(
        &self,
        entries: Vec<Recorded>,
        (model, label): (SecurityModel, &[u8]),
    ) -> Option<Option<Vec<u8>>> {
        let mut label = label.to_vec();
        for entry in entries.into_iter().filter_map(Recorded::whole) {
            let of_model =
                matches!(entry.op.attribute, Attribute::Label { model: of, .. } if of == model);
            let after = Value::Label(Some(label.clone()));
            match entry.op.before {
                _ if !of_model || entry.op.after != after => {}
                Value::Label(Some(before)) if self.is_of_a_machine(model, &before) => {
                    label = before;
                }
                Value::Label(before) => return Some(before),
                _ => {}
            }
        }
        None
    }
}

fn of_libvirt(repair: &mut Repair, remembered: Remembered) -> Result<(), Failure> {
    let owner = |(uid, gid): (u32, u32)| format!("owner {uid}:{gid}");
    let what = remembered.owner.map_or_else(|| "a label".into(), owner);
    let users = remembered.users;
    match remembered.is_of_another_boot()? {
        Some(true) => {}
        Some(false) => {
            repair
                .found
                .push(format!("libvirt remembers {what} for {users} users in this boot: left"));
            return Ok(());
        }
        None => {
            repair.found.push(format!(
                "libvirt remembers {what} for {users} users, and does not say since when: left"
            ));
            return Ok(());
        }
    }
    repair.found.push(format!("libvirt remembers {what} since another boot"));
    if let Some(before) = remembered.owner
        && remembered.is_anothers(repair.pin.as_fd())?
    {
        repair.would.push(format!("-> {}", owner(before)));
        repair.steps.push(Step::Owner(remembered.clone()));
    }
    repair.would.push("-> trusted.libvirt.security.* is removed".into());
    repair.steps.push(Step::Forget(remembered));
    Ok(())
}

/// Takes one step, by the descriptor that was looked at.
fn take(step: &Step, pin: &Pin) -> Result<(), Failure> {
    let path = &pin.object().path;
    match step {
        Step::Label { attribute, from, to } => {
            let put = Attributes::open()?.put_back(pin, *attribute, to.as_deref(), from);
            match put.map_err(io::Error::other).on("put the label back of", path)? {
                PutBack::Restored => Ok(()),
                PutBack::Left(_) => Err(Failure::new(
                    Code::InUse,
                    format!("somebody else has labelled {} meanwhile", path.display()),
                )),
            }
        }
        Step::Owner(remembered) => Ok(remembered.give_back(pin.as_fd())?),
        Step::Forget(remembered) => Ok(remembered.forget(pin.as_fd())?),
    }
}

fn identity(pin: &Pin) -> svirt_model::FileId {
    svirt_plan::identity(pin.object())
}

fn used(path: &Path, user: &MachineName) -> Failure {
    let message = format!("{} is used by machine {user} by now", path.display());
    Failure::new(Code::InUse, message).hint("repair it when that has ended")
}
