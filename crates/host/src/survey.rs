//! What a host is like beyond what planning asks for. It reads, judges nothing, and changes nothing.

use crate::text;
use rustix::fs::{Access, access};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use svirt_model::{DeviceNode, Survey};

const PROCESSOR: &str = "/sys/devices/system/cpu/vulnerabilities";
const KVM: &str = "/dev/kvm";
const TPM: &str = "/sys/class/tpm";
const IMA: &str = "/sys/kernel/security/ima";
/// No file that is read here says more, in bytes.
const SAYS_MAX: usize = 4096;

/// Looks at the host; `files` are small files of the kernel's that whoever judges wants to know.
pub fn look(files: &[&str]) -> Survey {
    let said = |path: &Path| text::at(path).ok().map(|text| line(&text));
    let files = files.iter().filter_map(|path| Some(((*path).to_owned(), said(path.as_ref())?)));
    let processor = names(Path::new(PROCESSOR)).into_iter().filter_map(|(name, path)| {
        let says = said(&path)?;
        Some((name, says))
    });
    Survey {
        files: files.collect(),
        processor: processor.collect(),
        kvm: node(KVM),
        tpms: names(Path::new(TPM)).into_keys().collect(),
        ima: Path::new(IMA).is_dir(),
    }
}

fn line(text: &str) -> String {
    let text = text.trim();
    let end = (0..=text.len().min(SAYS_MAX)).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

fn names(directory: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}

fn node(path: &str) -> Option<DeviceNode> {
    let found = fs::metadata(path).ok()?;
    let usable = access(path, Access::READ_OK | Access::WRITE_OK).is_ok();
    let (uid, gid, mode) = (found.uid(), found.gid(), found.mode() & 0o7777);
    Some(DeviceNode { uid, gid, mode, usable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_left_out() {
        let (there, gone) = ("/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/no_such");
        let survey = look(&[there, gone]);
        let says = fs::read_to_string(there).unwrap();
        assert_eq!(survey.files.get(there).map(String::as_str), Some(says.trim()));
        assert!(!survey.files.contains_key(gone));
        assert_eq!(survey.kvm.is_some(), Path::new(KVM).exists());
    }

    #[test]
    fn what_says_too_much_is_cut_at_a_character() {
        let long = "ä".repeat(SAYS_MAX);
        assert_eq!(line(&long), "ä".repeat(SAYS_MAX / 2));
        assert_eq!(line(" a\n"), "a");
    }
}
