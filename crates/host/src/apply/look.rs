//! What an op has made, as it is now, beside what it was made as. It changes nothing.

use super::{Means, label, profile, rules};
use crate::{Doing, HostError, mac::apparmor::Comparison, text};
use rustix::{
    fs::{AtFlags, FileType},
    io::Errno,
};
use std::{fs, io, path::Path};
use svirt_model::{Attribute, Finding, Layer, Op, Value, label::SecurityModel};

const AS_MADE: &str = "as it was made";
const GONE: &str = "it is not there";

/// One row about what an op has made.
///
/// # Errors
/// The kernel's.
pub fn look(op: &Op, means: &Means<'_>) -> Result<Finding, HostError> {
    let path = &op.object;
    let row = |layer, what: &str, expected: String, observed: String| Finding {
        layer,
        what: format!("{what} {}", path.display()),
        expected,
        observed,
    };
    let made = |layer, what, observed: &str| row(layer, what, AS_MADE.into(), observed.into());
    Ok(match (&op.attribute, &op.after) {
        (Attribute::Label { model, file }, Value::Label(after)) => {
            let observed = label::now(op, *model, file.as_ref())?;
            row(layer(*model), "label of", label::words(after.as_deref()), observed)
        }
        (_, Value::Profile(_)) => {
            made(Layer::Apparmor, "profile", of_profile(path, means.profiles)?)
        }
        (_, Value::Rules(lines)) => {
            let found = rules::now(path, lines)?;
            row(Layer::Smack, "rules of", lines.join("; "), found.join("; "))
        }
        (_, Value::Cgroup(limits)) => {
            let say = |(file, text): &(String, String)| format!("{file} {text}");
            let expected = limits.iter().map(say).collect::<Vec<_>>().join(", ");
            row(Layer::Cgroup, "limits of", expected, limits_of(path, limits)?)
        }
        (_, Value::Embedded(which)) => {
            made(Layer::Root, "file", of_file(path, (means.contents)(*which))?)
        }
        (_, Value::Directory { uid, gid, mode }) => {
            let expected = directory(*uid, *gid, *mode);
            row(Layer::Root, "directory", expected, of_directory(path)?)
        }
        (_, Value::Link(text)) => {
            let found = fs::read_link(path).unwrap_or_default();
            let say = |path: &Path| format!("it leads to {}", path.display());
            row(Layer::Root, "link", say(text), say(&found))
        }
        (_, Value::EmptyFile | Value::Absent | Value::Label(_) | Value::Tree(_)) => {
            let there = fs::symlink_metadata(path).is_ok();
            row(Layer::Root, "file", "there".into(), if there { "there" } else { GONE }.into())
        }
    })
}

fn layer(model: SecurityModel) -> Layer {
    match model {
        SecurityModel::Selinux => Layer::Selinux,
        SecurityModel::Apparmor => Layer::Apparmor,
        SecurityModel::Smack => Layer::Smack,
        SecurityModel::Dac => Layer::User,
    }
}

fn of_profile(name: &Path, profiles: &Path) -> Result<&'static str, HostError> {
    Ok(match profile::loaded(&name.to_string_lossy(), profiles)? {
        Some(Comparison::Same | Comparison::Unknown) => AS_MADE,
        Some(Comparison::Different) => "another profile, or none",
        None => "nothing is known of it",
    })
}

fn of_file(path: &Path, bytes: &[u8]) -> Result<&'static str, HostError> {
    match fs::read(path) {
        Ok(found) if found == bytes => Ok(AS_MADE),
        Ok(_) => Ok("it was changed"),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(GONE),
        Err(e) => Err(e).on("read", path),
    }
}

fn directory(uid: u32, gid: u32, mode: u32) -> String {
    format!("of {uid}:{gid}, mode {mode:o}")
}

fn of_directory(path: &Path) -> Result<String, HostError> {
    match rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            Ok(directory(stat.st_uid, stat.st_gid, stat.st_mode & 0o7777))
        }
        Ok(_) => Ok("it was replaced".into()),
        Err(Errno::NOENT) => Ok(GONE.into()),
        Err(e) => Err(e).on("look at", path),
    }
}

fn limits_of(group: &Path, limits: &[(String, String)]) -> Result<String, HostError> {
    let say = |(file, _): &(String, String)| {
        let path = group.join(file);
        let text = text::at(&path).on("read", &path)?;
        Ok(format!("{file} {}", text.trim()))
    };
    Ok(limits.iter().map(say).collect::<Result<Vec<_>, HostError>>()?.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply;
    use svirt_model::Embedded;

    fn means() -> Means<'static> {
        let watch = crate::apply::Watcher::NONE;
        Means { contents: |_| b"guest", profiles: Path::new("/nonexistent"), watch }
    }

    fn op(path: &Path, after: Value) -> Op {
        let object = path.to_owned();
        Op { object, attribute: Attribute::Presence, before: Value::Absent, after }
    }

    #[test]
    fn what_is_as_it_was_made_holds_and_what_was_changed_does_not() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let ops = [
            op(&at("directory"), Value::Directory { uid, gid, mode: 0o700 }),
            op(&at("link"), Value::Link("/one".into())),
            op(&at("file"), Value::Embedded(Embedded::Guest)),
            op(&at("empty"), Value::EmptyFile),
        ];
        let holds = |op| look(op, &means()).unwrap().holds();
        for op in &ops {
            assert!(!holds(op), "{op:?} before it is made");
            apply::make(op, &means()).unwrap();
            assert!(holds(op), "{:?}", look(op, &means()));
        }
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(at("directory"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(at("link")).unwrap();
        std::os::unix::fs::symlink("/other", at("link")).unwrap();
        fs::remove_file(at("file")).unwrap();
        fs::write(at("file"), "other").unwrap();
        fs::remove_file(at("empty")).unwrap();
        assert!(!ops.iter().any(holds));
    }
}
