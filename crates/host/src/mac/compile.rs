//! From the text of an AppArmor profile to what the kernel loads, by `apparmor_parser`, at most once
//! for each text.
//!
//! The parser gets its text on a descriptor, an empty environment, no configuration and no shell,
//! and loads nothing. What it makes is kept with everything that it was made from, so that what is
//! found again is compared and not trusted to a hash.

use super::{
    apparmor::Apparmor,
    tool::{self, Refused},
};
use crate::{Doing, HostError, pin::PinError};
use rustix::{
    fs::{CWD, MemfdFlags, Mode, OFlags, ResolveFlags, fstat, memfd_create, openat, openat2},
    io::Errno,
};
use std::{
    fmt::Write as _,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Seek, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use svirt_model::label::ApparmorAbi;

/// The longest text of a profile in bytes.
const SOURCE_MAX: usize = 1 << 20;
/// The longest compiled profile in bytes.
const BINARY_MAX: u64 = 16 << 20;
/// So many compiled profiles are kept; beyond them the one unused for longest goes.
const KEPT_MAX: usize = 256;
/// How a kept file begins.
const MAGIC: &[u8] = b"svirt apparmor 1\n";
/// Where distributions have the parser.
const PARSERS: [&str; 2] = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"];

/// Where they have what the parser reads.
const SETTINGS: &str = "/etc/apparmor.d";

/// The newest features for which the distribution's parser can compile; none where there is no
/// parser.
pub fn abi() -> Option<ApparmorAbi> {
    PARSERS.iter().find(|path| Path::new(path).is_file())?;
    let there = |abi: &ApparmorAbi| Path::new(SETTINGS).join(abi.file()).is_file();
    ApparmorAbi::ALL.into_iter().rev().find(there)
}

/// A profile cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// There is no parser.
    #[error("there is no apparmor_parser at {}", PARSERS.join(" or "))]
    NoParser,
    /// Somebody else could have put it there.
    #[error("{} can be changed by others than root, so it is not run", .0.display())]
    Untrusted(PathBuf),
    /// The parser cannot be opened.
    #[error("apparmor_parser cannot be used")]
    Parser(#[from] PinError),
    /// The text is too long.
    #[error("the profile has {0} bytes, and at most {SOURCE_MAX} are compiled")]
    TooLong(usize),
    /// The parser refused the text.
    #[error("apparmor_parser refuses the profile: {0}")]
    Refused(String),
    /// Others can write where compiled profiles are kept.
    #[error("{} is not private to this user, so no compiled profile is taken from it", .0.display())]
    Exposed(PathBuf),
    /// Anything else.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl CompileError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoParser => Some("install the distribution's package apparmor"),
            Self::Untrusted(_) => Some("give it back to root, without write permission for others"),
            Self::Exposed(_) => Some("give the directory the mode 0700"),
            Self::TooLong(_) => Some("give the machine fewer files, or the directory they are in"),
            Self::Refused(_) | Self::Parser(_) | Self::Host(_) => None,
        }
    }
}

impl From<Refused> for CompileError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Changeable(path) => Self::Untrusted(path),
            Refused::Unusable(error) => Self::Parser(error),
        }
    }
}

/// A compiled profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// What the kernel loads.
    pub binary: Vec<u8>,
    /// Whether it was made now, and not before.
    pub fresh: bool,
}

/// The parser, and what it has made.
#[derive(Debug)]
pub struct Compiler {
    program: PathBuf,
    features: PathBuf,
    /// Everything that a binary depends on besides its text.
    circumstances: String,
    kept: OwnedFd,
    directory: PathBuf,
    runs: usize,
}

impl Compiler {
    /// The distribution's parser, for the kernel that runs. `directory` is where compiled profiles
    /// are kept; it is made if it is not there.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub fn new(apparmor: &Apparmor, directory: &Path) -> Result<Self, CompileError> {
        let found = PARSERS.into_iter().map(Path::new).find(|path| path.exists());
        Self::with_parser(found.ok_or(CompileError::NoParser)?, apparmor, directory)
    }

    /// The same with the parser at this path.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub fn with_parser(
        program: &Path,
        apparmor: &Apparmor,
        directory: &Path,
    ) -> Result<Self, CompileError> {
        let parser = tool::trusted(program)?;
        let stat = rustix::fs::stat(&parser.path).on("look at", &parser.path)?;
        let mut circumstances = String::new();
        let identity =
            (parser.id.device, parser.id.inode, parser.size, stat.st_mtime, stat.st_mtime_nsec);
        let _ = writeln!(circumstances, "{} {identity:?}", parser.path.display());
        for (name, text) in apparmor.features()? {
            let _ = writeln!(circumstances, "{name}={text:?}");
        }
        let kept = private(directory)?;
        let (features, directory) = (apparmor.features_path(), directory.to_owned());
        Ok(Self { program: parser.path, features, circumstances, kept, directory, runs: 0 })
    }

    /// How often the parser was run.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// The profile of this text, made now or before.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub fn compile(&mut self, source: &str) -> Result<Compiled, CompileError> {
        if source.len() > SOURCE_MAX {
            return Err(CompileError::TooLong(source.len()));
        }
        let key = format!("{}\n{source}", self.circumstances);
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        if let Some(binary) = self.find(&name, key.as_bytes()) {
            return Ok(Compiled { binary, fresh: false });
        }
        let binary = self.run(source)?;
        self.keep(&name, key.as_bytes(), &binary)?;
        Ok(Compiled { binary, fresh: true })
    }

    fn run(&mut self, source: &str) -> Result<Vec<u8>, CompileError> {
        let doing = || format!("run {}", self.program.display());
        let text = input(source).doing(|| "pass a profile to apparmor_parser")?;
        let mut command = Command::new(&self.program);
        // No configuration, no cache of its own, nothing loaded; the binary goes to the output.
        command.args(["--config-file", "/dev/null", "--skip-cache", "--skip-kernel-load"]);
        command.args(["--quiet", "--stdout", "--features-file"]).arg(&self.features);
        command.env_clear().current_dir("/");
        command.stdin(text).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.runs += 1;
        let mut child = command.spawn().doing(doing)?;
        let binary = child.stdout.take().map(|output| limited(output, BINARY_MAX));
        // Its complaints are a few lines, which fit into the pipe however long the binary was.
        let complaints = child.stderr.take().map(|errors| limited(errors, 4096));
        let status = child.wait().doing(doing)?;
        let binary = binary.transpose().doing(doing)?.unwrap_or_default();
        let complaints = complaints.transpose().doing(doing)?.unwrap_or_default();
        if status.success() && !binary.is_empty() {
            return Ok(binary);
        }
        let words =
            String::from_utf8_lossy(&complaints).split_whitespace().collect::<Vec<_>>().join(" ");
        Err(CompileError::Refused(words.chars().take(400).collect()))
    }

    /// What was made of this key, if it is there and whole.
    fn find(&self, name: &str, key: &[u8]) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.kept, name, flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
        let own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0;
        if !regular || !own {
            return None;
        }
        let most = BINARY_MAX + u64::try_from(key.len() + MAGIC.len() + 16).ok()?;
        let bytes = limited(File::from(file), most).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (lengths, rest) = rest.split_at_checked(16)?;
        let (of_key, of_binary) = lengths.split_at_checked(8)?;
        let number = |b: &[u8]| Some(u64::from_le_bytes(b.try_into().ok()?));
        let (found, binary) = rest.split_at_checked(usize::try_from(number(of_key)?).ok()?)?;
        let whole = u64::try_from(binary.len()).ok() == number(of_binary);
        (whole && found == key && !binary.is_empty()).then(|| binary.to_vec())
    }

    fn keep(&self, name: &str, key: &[u8], binary: &[u8]) -> Result<(), HostError> {
        let new = format!("{name}.{}", std::process::id());
        let write = || -> io::Result<()> {
            let _ = rustix::fs::unlinkat(&self.kept, &new, rustix::fs::AtFlags::empty());
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let file = openat(&self.kept, &new, flags, Mode::from_raw_mode(0o600))?;
            let mut file = File::from(file);
            file.write_all(MAGIC)?;
            for part in [key, binary] {
                file.write_all(
                    &u64::try_from(part.len()).map_err(io::Error::other)?.to_le_bytes(),
                )?;
            }
            file.write_all(key)?;
            file.write_all(binary)?;
            file.sync_data()?;
            rustix::fs::renameat(&self.kept, &new, &self.kept, name)?;
            self.forget_the_oldest()
        };
        write().on("keep a compiled profile in", &self.directory)
    }

    fn forget_the_oldest(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.kept)? {
            let name = entry?.file_name().to_owned();
            let stat = rustix::fs::statat(&self.kept, &name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
            // Another process may have removed it.
            let Ok(stat) = stat else { continue };
            if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
                kept.push((stat.st_mtime, stat.st_mtime_nsec, name));
            }
        }
        kept.sort_unstable();
        for (_, _, name) in kept.iter().take(kept.len().saturating_sub(KEPT_MAX)) {
            let _ = rustix::fs::unlinkat(&self.kept, name, rustix::fs::AtFlags::empty());
        }
        Ok(())
    }
}

/// A directory that nobody else can reach into.
fn private(path: &Path) -> Result<OwnedFd, CompileError> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => Err(e).on("make the directory", path)?,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let directory = opened.on("open", path)?;
    let stat = fstat(&directory).on("look at", path)?;
    let own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0;
    if own { Ok(directory) } else { Err(CompileError::Exposed(path.to_owned())) }
}

/// A nameless file with this text, at its beginning.
fn input(source: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create("profile", MemfdFlags::CLOEXEC)?);
    file.write_all(source.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn limited(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= most);
    if fits { Ok(bytes) } else { Err(io::Error::other(format!("more than {most} bytes"))) }
}
