//! Values with parts: `PATH,key=value,flag`, a comma in a part being written twice, as QEMU has it.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::{num::NonZeroU32, path::PathBuf, time::Duration};
use svirt_engine::probe::{ATTEMPTS, Attempt, find};
use svirt_engine::spec::{DiskSpec, LabelKind, RelabelSpec, SeclabelSpec, ShareSpec};
use svirt_model::label::SecurityModel;

/// One attempt of a drill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptWord(pub(crate) &'static Attempt);

/// Reads the word of an attempt.
pub(crate) fn attempt() -> impl TypedValueParser<Value = AttemptWord> {
    let words = PossibleValuesParser::new(ATTEMPTS.iter().map(|attempt| attempt.word));
    words.try_map(|word| find(&word).map(AttemptWord).ok_or("there is no such attempt"))
}

/// The parts between single commas.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match parts.last_mut() {
            Some(part) if c != ',' || rest.next_if_eq(&',').is_some() => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts
}

/// Sets what may be said once.
fn once<T>(place: &mut Option<T>, value: T, what: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{what} is said twice")),
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: T::Err| e.to_string())
}

fn unknown(part: &str, path: &str, known: &str) -> String {
    format!("{part:?} is no {known}; a comma in a path is written twice: {path},,{part}")
}

/// A disk: `PATH[,format=F][,ro][,share=GROUP]` or `new:SIZE[,ro]`.
///
/// # Errors
/// A part is not known, is said twice or has no such value.
pub(crate) fn disk(text: &str) -> Result<DiskSpec, String> {
    let parts = parts(text);
    let (what, options) = parts.split_first().ok_or("it is empty")?;
    let mut disk = DiskSpec::default();
    match what.strip_prefix("new:") {
        Some(size) => disk.new = Some(parse(size)?),
        None if what.is_empty() => return Err("it has no path".into()),
        None => disk.path = Some(PathBuf::from(what)),
    }
    for option in options {
        match option.split_once('=') {
            Some(("format", format)) => once(&mut disk.format, parse(format)?, "the format")?,
            Some(("share", group)) => once(&mut disk.share, parse(group)?, "the group")?,
            None if option == "ro" && !disk.ro => disk.ro = true,
            None if option == "ro" => return Err("'ro' is said twice".into()),
            _ => match relabel(option) {
                Some(label) => once(&mut disk.seclabel, label, "what becomes of its label")?,
                None => {
                    let known = "'ro', 'format=FORMAT', 'share=GROUP' or 'seclabel=LABEL'";
                    return Err(unknown(option, what, known));
                }
            },
        }
    }
    if let Some(label) = &disk.seclabel {
        label.read().map_err(|e| e.to_string())?;
    }
    if disk.new.is_some() && disk.format.is_some() {
        return Err("a new disk has no format: sVirt makes it".into());
    }
    if disk.new.is_some() && disk.share.is_some() {
        return Err(
            "a new disk is its machine's alone: to share one, make an image and name it".into()
        );
    }
    Ok(disk)
}

fn relabel(option: &str) -> Option<RelabelSpec> {
    let usual = RelabelSpec::default();
    match (option, option.strip_prefix("seclabel=")) {
        ("relabel=no", _) => Some(RelabelSpec { relabel: Some(false), ..usual }),
        ("labelskip", _) => Some(RelabelSpec { labelskip: true, ..usual }),
        (_, Some(label)) => Some(RelabelSpec { label: Some(label.to_owned()), ..usual }),
        _ => None,
    }
}

/// A machine's label: `[type=T][,model=M][,relabel=yes|no][,label=TEXT|,baselabel=TEXT]`. A label
/// has commas of its own, so that it comes last and is all that is left.
///
/// # Errors
/// A part is not known, is said twice or has no such value; or the label cannot be.
pub(crate) fn seclabel(text: &str) -> Result<SeclabelSpec, String> {
    let mut kind = None;
    let mut spec = SeclabelSpec::default();
    let mut rest = Some(text).filter(|text| !text.is_empty());
    while let Some(left) = rest {
        let (part, after) = left.split_once(',').map_or((left, None), |(p, r)| (p, Some(r)));
        let all = |key: &str| left.strip_prefix(key).map(str::to_owned);
        rest = after;
        match part.split_once('=') {
            Some(("type", word)) => once(&mut kind, label_kind(word)?, "the type")?,
            Some(("model", word)) => {
                let model = SecurityModel::from_word(word).map_err(|e| e.to_string())?;
                once(&mut spec.model, model, "the model")?;
            }
            Some(("relabel", "yes")) => once(&mut spec.relabel, true, "relabel")?,
            Some(("relabel", "no")) => once(&mut spec.relabel, false, "relabel")?,
            Some(("label", _)) => (spec.label, rest) = (all("label="), None),
            Some(("baselabel", _)) => (spec.baselabel, rest) = (all("baselabel="), None),
            _ => {
                let known = "type=TYPE, model=MODEL, relabel=yes, relabel=no, label=TEXT and \
                    baselabel=TEXT";
                return Err(format!("{part:?} is none of {known}"));
            }
        }
    }
    spec.kind = kind.unwrap_or_default();
    match spec.read() {
        Ok(_) => Ok(spec),
        Err(error) if has_more(&spec) => Err(format!("{error}; label= and baselabel= come last")),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether what was meant as a further part stands in the label.
fn has_more(spec: &SeclabelSpec) -> bool {
    let words = [",type=", ",model=", ",relabel=", ",label=", ",baselabel="];
    let labels = || spec.label.iter().chain(&spec.baselabel);
    words.iter().any(|word| labels().any(|label| label.contains(word)))
}

fn label_kind(given: &str) -> Result<LabelKind, String> {
    let known = LabelKind::ALL.iter().find(|(word, _)| *word == given);
    let kind = known.map(|(_, kind)| *kind);
    kind.ok_or_else(|| format!("{given:?} is none of dynamic, static and none"))
}

/// Something shared: `PATH,with=GROUP`.
///
/// # Errors
/// It has no path or no group, or another part.
pub(crate) fn share(text: &str) -> Result<ShareSpec, String> {
    let parts = parts(text);
    let (path, options) = parts.split_first().ok_or("it is empty")?;
    if path.is_empty() {
        return Err("it has no path".into());
    }
    let mut with = None;
    for option in options {
        match option.split_once('=') {
            Some(("with", group)) => once(&mut with, parse(group)?, "the group")?,
            _ => return Err(unknown(option, path, "'with=GROUP'")),
        }
    }
    let with = with.ok_or("it names no group: write PATH,with=GROUP")?;
    Ok(ShareSpec { path: path.into(), with })
}

/// A number of seconds, at least one.
///
/// # Errors
/// It is none.
pub(crate) fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse::<NonZeroU32>().map(|seconds| Duration::from_secs(seconds.get().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_model::{Bytes, ImageFormat};

    #[test]
    fn a_comma_in_a_part_is_written_twice() {
        assert_eq!(parts("a"), ["a"]);
        assert_eq!(parts("a,b"), ["a", "b"]);
        assert_eq!(parts("a,,b,c"), ["a,b", "c"]);
        assert_eq!(parts(",,,,,a"), [",,", "a"]);
        assert_eq!(parts("a,"), ["a", ""]);
        assert_eq!(parts(""), [""]);
    }

    #[test]
    fn a_disk_has_its_options() {
        let given = disk("/srv/a,,b\n.img,format=raw,ro,share=web").unwrap();
        assert_eq!(given.path.as_deref(), Some("/srv/a,b\n.img".as_ref()));
        assert_eq!(given.format, Some(ImageFormat::Raw));
        assert!(given.ro);
        assert_eq!(given.share.unwrap().as_str(), "web");
    }

    #[test]
    fn a_new_disk_has_a_size_and_no_format() {
        assert_eq!(disk("new:20G").unwrap().new, Some(Bytes(20 << 30)));
        assert_eq!(disk("./new:20G").unwrap().path, Some("./new:20G".into()));
        assert!(disk("new:").unwrap_err().contains("is not a size"));
        assert!(disk("new:1G,format=raw").unwrap_err().contains("no format"));
        assert!(disk("new:1G,share=pair").unwrap_err().contains("its machine's alone"));
    }

    #[test]
    fn what_is_misspelt_said_twice_or_empty_is_refused() {
        for (bad, why) in [
            ("", "no path"),
            (",ro", "no path"),
            ("a,r0", "written twice: a,,r0"),
            ("a,", "is no 'ro'"),
            ("a,ro=yes", "is no 'ro'"),
            ("a,ro,ro", "twice"),
            ("a,format=raw,format=qcow2", "twice"),
            ("a,format=RAW", "no image format"),
            ("a,share=", "it is empty"),
            ("a,share=x\ny", "only letters"),
        ] {
            assert!(disk(bad).unwrap_err().contains(why), "{bad:?}: {:?}", disk(bad));
        }
    }

    #[test]
    fn a_label_is_the_last_part_and_keeps_its_commas() {
        let given =
            "type=static,model=selinux,relabel=yes,label=system_u:system_r:svirt_t:s0:c1,c2";
        let spec = seclabel(given).unwrap();
        assert_eq!((spec.kind, spec.model), (LabelKind::Static, Some(SecurityModel::Selinux)));
        assert_eq!(spec.relabel, Some(true));
        assert_eq!(spec.label.as_deref(), Some("system_u:system_r:svirt_t:s0:c1,c2"));
        let spec = seclabel("model=selinux,baselabel=system_u:system_r:svirt_t:s0").unwrap();
        assert_eq!(spec.kind, LabelKind::Dynamic);
        assert_eq!(spec.baselabel.as_deref(), Some("system_u:system_r:svirt_t:s0"));
        assert_eq!(seclabel("type=none").unwrap().kind, LabelKind::None);
    }

    #[test]
    fn a_label_that_cannot_be_is_refused() {
        for (bad, why) in [
            ("type=sometimes", "none of dynamic"),
            ("type=none,type=none", "twice"),
            ("model=yama", "no security model"),
            ("relabel=perhaps", "none of type=TYPE"),
            ("type=static", "needs a label"),
            ("type=static,label=", "empty"),
            ("type=none,label=x", "has no label"),
            ("label=x", "has no label of the user's"),
            ("type=static,model=selinux,label=svirt_t", "not usable"),
            ("type=static,model=selinux,label=a:b:c:s0,relabel=yes", "come last"),
        ] {
            assert!(seclabel(bad).unwrap_err().contains(why), "{bad:?}: {:?}", seclabel(bad));
        }
    }

    #[test]
    fn a_disks_label_has_its_commas_twice_like_all_its_parts() {
        let label = |text: &str| disk(text).unwrap().seclabel.unwrap();
        let given = label("a,seclabel=system_u:object_r:svirt_image_t:s0:c1,,c2,ro");
        assert_eq!(given.label.as_deref(), Some("system_u:object_r:svirt_image_t:s0:c1,c2"));
        assert_eq!(label("a,relabel=no").relabel, Some(false));
        assert!(label("a,labelskip").labelskip);
        for (bad, why) in [
            ("a,relabel=yes", "is no 'ro'"),
            ("a,relabel=no,labelskip", "twice"),
            ("a,seclabel=", "empty"),
        ] {
            assert!(disk(bad).unwrap_err().contains(why), "{bad:?}: {:?}", disk(bad));
        }
    }

    #[test]
    fn a_share_names_its_group() {
        let given = share("dir,,a,with=web").unwrap();
        assert_eq!((given.path, given.with.as_str()), ("dir,a".into(), "web"));
        for bad in ["", "a", "a,with", "a,group=x", "a,with=x,with=y", ",with=x"] {
            assert!(share(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn seconds_are_whole_and_not_none() {
        assert_eq!(seconds("5").unwrap(), Duration::from_secs(5));
        for bad in ["0", "-1", "1.5", "", "99999999999"] {
            assert!(seconds(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
