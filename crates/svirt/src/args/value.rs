//! Values with parts: `PATH,key=value,flag`, a comma in a part being written twice, as QEMU has it.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};
use svirt_engine::spec::{DiskSpec, ShareSpec};

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

/// A disk: `PATH[,format=F][,ro][,share=GROUP]` or `new:SIZE[,ro][,share=GROUP]`.
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
            _ => return Err(unknown(option, what, "'ro', 'format=FORMAT' or 'share=GROUP'")),
        }
    }
    if disk.new.is_some() && disk.format.is_some() {
        return Err("a new disk has no format: sVirt makes it".into());
    }
    Ok(disk)
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
