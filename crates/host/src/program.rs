//! Which files a program needs to be executed: its linker, its libraries and theirs. Read from the
//! ELF headers with the linker's own rules (`ld.so(8)`), without running anything.

use crate::{Doing, HostError};
use elf::{ElfStream, abi, endian::AnyEndian};
use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// No program has more libraries than this.
const LIBRARIES_MAX: usize = 1024;

/// The files of a program, by the names under which they are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Closure {
    /// The linker and every library: the name that is opened, and where it is on this host, links
    /// and all, so that whoever pins it judges them.
    pub libraries: BTreeMap<PathBuf, PathBuf>,
}

/// The interpreter of a script: what follows `#!` in its first line, and the one argument that may
/// follow (`execve(2)`). `None` for anything else.
///
/// # Errors
/// The file cannot be read.
pub fn interpreter(path: &Path) -> Result<Option<(PathBuf, Option<String>)>, HostError> {
    let mut first = [0; 256];
    let length = open_regular(path).and_then(|mut f| f.read(&mut first)).on("read", path)?;
    let Some(line) = first.get(..length).and_then(|bytes| bytes.strip_prefix(b"#!")) else {
        return Ok(None);
    };
    let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(io::Error::other).on("read", path)?.trim();
    let mut words = line.splitn(2, [' ', '\t']);
    let program = words.next().unwrap_or_default();
    Ok(Some((program.into(), words.next().map(|w| w.trim().to_owned()))))
}

/// Opens a regular file, and never waits for somebody at the other end of a pipe.
fn open_regular(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let regular = file.metadata()?.is_file();
    if regular { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Finds everything that these programs and modules need to be loaded.
///
/// # Errors
/// A file that cannot be read or is no ELF file, or a library that is not on this host.
pub fn closure(roots: &[&Path]) -> Result<Closure, HostError> {
    let mut search = Search { cache: cache(), found: Closure::default(), ahead: VecDeque::new() };
    for root in roots {
        search.examine(root)?;
    }
    while let Some(path) = search.ahead.pop_front() {
        search.examine(&path)?;
        if search.found.libraries.len() > LIBRARIES_MAX {
            return Err(io::Error::other("too many libraries")).on("load", &path);
        }
    }
    Ok(search.found)
}

struct Search {
    cache: BTreeMap<String, PathBuf>,
    found: Closure,
    ahead: VecDeque<PathBuf>,
}

/// What an ELF file asks of the linker.
#[derive(Default)]
struct Needs {
    linker: Option<PathBuf>,
    libraries: Vec<String>,
    search: Vec<PathBuf>,
}

impl Search {
    fn examine(&mut self, path: &Path) -> Result<(), HostError> {
        let needs = needs(path).on("read the ELF header of", path)?;
        if let Some(linker) = &needs.linker {
            self.add(linker.clone(), linker)?;
        }
        for name in &needs.libraries {
            let (asked, place) = self.locate(name, &needs.search).on("find a library of", path)?;
            self.add(asked, &place)?;
        }
        Ok(())
    }

    fn add(&mut self, name: PathBuf, place: &Path) -> Result<(), HostError> {
        if self.found.libraries.contains_key(&name) {
            return Ok(());
        }
        self.ahead.push_back(place.to_owned());
        self.found.libraries.insert(name, place.to_owned());
        Ok(())
    }

    /// The name that the linker will open in the private root, and where it leads here. There is no
    /// cache in that root, so a library outside the linker's own directories stands in one of them.
    fn locate(&self, name: &str, search: &[PathBuf]) -> io::Result<(PathBuf, PathBuf)> {
        if name.contains('/') {
            return Ok((name.into(), name.into()));
        }
        let own = search.iter().map(|directory| directory.join(name)).find(|p| p.exists());
        if let Some(own) = own {
            return Ok((own.clone(), own));
        }
        if let Some(place) = self.cache.get(name) {
            let standard =
                place.parent().is_some_and(|d| STANDARD.iter().any(|s| d == Path::new(s)));
            let asked = if standard { place.clone() } else { Path::new("/usr/lib").join(name) };
            return Ok((asked, place.clone()));
        }
        let standard = STANDARD.iter().map(|d| Path::new(d).join(name)).find(|p| p.exists());
        standard
            .map(|p| (p.clone(), p))
            .ok_or_else(|| io::Error::other(format!("{name} is missing")))
    }
}

/// Where linkers look without a cache, on the distributions that are known.
const STANDARD: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// What is no ELF file of a kind that can be executed here.
fn malformed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn needs(path: &Path) -> io::Result<Needs> {
    let mut file =
        ElfStream::<AnyEndian, _>::open_stream(open_regular(path)?).map_err(malformed)?;
    let mut needs = Needs::default();
    let linker = file.segments().iter().find(|s| s.p_type == abi::PT_INTERP).copied();
    if let Some(segment) = linker {
        let bytes = file.segment_data(&segment).map_err(malformed)?;
        let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        needs.linker = Some(std::str::from_utf8(text).map_err(malformed)?.into());
    }
    let dynamic = match file.dynamic().map_err(malformed)? {
        Some(table) => table.iter().map(|entry| (entry.d_tag, entry.d_val())).collect::<Vec<_>>(),
        None => return Ok(needs),
    };
    let Some((_, strings)) = file.dynamic_symbol_table().map_err(malformed)? else {
        return Ok(needs);
    };
    for (tag, value) in dynamic {
        let text = || strings.get(usize::try_from(value).unwrap_or(usize::MAX)).map_err(malformed);
        match tag {
            abi::DT_NEEDED => needs.libraries.push(text()?.to_owned()),
            abi::DT_RUNPATH | abi::DT_RPATH => needs.search.extend(directories(text()?, path)),
            _ => {}
        }
    }
    Ok(needs)
}

fn directories(text: &str, program: &Path) -> Vec<PathBuf> {
    let origin = program.parent().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let expand = |d: &str| d.replace("$ORIGIN", &origin).replace("${ORIGIN}", &origin);
    text.split(':').filter(|d| !d.is_empty()).map(|d| expand(d).into()).collect()
}

/// `/etc/ld.so.cache` in the form that glibc has written since 2.32: a header of 48 bytes, entries of
/// 24 (flags, offset of the name, offset of the path, ...), then the strings. Where it cannot be
/// read in this form, the standard directories must do.
fn cache() -> BTreeMap<String, PathBuf> {
    let bytes = std::fs::read("/etc/ld.so.cache").unwrap_or_default();
    parse_cache(&bytes).unwrap_or_default()
}

/// `FLAG_ELF_LIBC6` with the bits of the 64-bit architecture this program was built for.
const WANTED_FLAGS: u32 = if cfg!(target_arch = "aarch64") { 0x0a03 } else { 0x0303 };

fn parse_cache(bytes: &[u8]) -> Option<BTreeMap<String, PathBuf>> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    let start = bytes.windows(MAGIC.len()).position(|window| window == MAGIC)?;
    let table = bytes.get(start..)?;
    let number = |at: usize| Some(u32::from_ne_bytes(table.get(at..at + 4)?.try_into().ok()?));
    let text = |at: u32| {
        let rest = table.get(usize::try_from(at).ok()?..)?;
        std::str::from_utf8(rest.split(|b| *b == 0).next()?).ok()
    };
    let mut all = BTreeMap::new();
    for index in 0..usize::try_from(number(20)?).ok()?.min(65_536) {
        let entry = 48 + index * 24;
        // An entry for a processor's special abilities (the last eight bytes) is passed over.
        let plain = number(entry + 16)? == 0 && number(entry + 20)? == 0;
        if number(entry)? == WANTED_FLAGS && plain {
            let (name, path) = (text(number(entry + 4)?)?, text(number(entry + 8)?)?);
            all.entry(name.to_owned()).or_insert_with(|| path.into());
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The linker itself is the judge.
    #[test]
    fn the_closure_is_what_the_linker_loads() {
        let program = std::env::current_exe().unwrap();
        let listed = std::process::Command::new("ldd").arg(&program).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let closure = closure(&[&program]).unwrap();
        for line in listed.lines().filter(|l| l.contains('/')) {
            let path = line.split_whitespace().find(|w| w.starts_with('/')).unwrap();
            let real = std::fs::canonicalize(path).unwrap();
            let leads_there = |p: &PathBuf| std::fs::canonicalize(p).is_ok_and(|c| c == real);
            assert!(closure.libraries.values().any(leads_there), "{path} is missing: {closure:?}");
        }
        assert!(closure.libraries.len() >= 2);
    }

    #[test]
    fn a_cut_cache_is_no_cache() {
        let bytes = std::fs::read("/etc/ld.so.cache").unwrap();
        assert!(parse_cache(&bytes).unwrap().contains_key("libc.so.6"));
        for length in [0, 10, 47, 60, 1000] {
            let _ = parse_cache(&bytes[..length.min(bytes.len())]);
        }
    }

    #[test]
    fn a_script_names_its_interpreter() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        std::fs::write(&path, "#!/usr/bin/env  python3 -u\nx").unwrap();
        let expected = ("/usr/bin/env".into(), Some("python3 -u".to_owned()));
        assert_eq!(interpreter(&path).unwrap(), Some(expected));
        std::fs::write(&path, "\x7fELF").unwrap();
        assert_eq!(interpreter(&path).unwrap(), None);
    }
}
