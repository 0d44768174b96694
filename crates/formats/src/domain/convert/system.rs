//! What a domain says beside its devices.

use super::{Convert, Done, refused};
use crate::{
    domain::{
        DomainError, Problem,
        os::{Loader, Named, Nvram},
        resources::Thing,
        storage::{Place, Source},
        words::{DomainType, Event, Format, LoaderType, MemorySource},
    },
    qemu,
    spec::FirmwareSpec,
};
use std::path::PathBuf;
use svirt_model::Accelerator;

impl Convert<'_> {
    pub(super) fn system(&mut self) -> Done {
        let domain = self.domain;
        self.guest.memory = domain.memory;
        self.guest.cpus = domain.current_processors.unwrap_or(domain.processors);
        self.guest.accelerator = Some(match domain.kind {
            DomainType::Kvm => Accelerator::Kvm,
            DomainType::Qemu => Accelerator::Tcg,
        });
        let board = domain.os.machine.as_deref().filter(|name| name.starts_with("pc-q35-"));
        self.guest.machine = board.map(str::to_owned);
        self.guest.no_reboot = domain.events[1] == Some(Event::Destroy);
        self.memory()?;
        self.whole()?;
        self.boot()?;
        self.otherwise();
        Ok(())
    }

    /// What a balloon leaves the guest, which may be said of one that has none: then it has all, as with libvirt.
    pub(super) fn current_memory(&mut self) {
        let domain = self.domain;
        let less = domain.current_memory.filter(|now| *now < domain.memory && now.0 > 0);
        match self.guest.balloon {
            true => self.guest.current_memory = less,
            false if less.is_some() => {
                let line = domain.line_of("currentMemory");
                self.note(line, "without a balloon the guest has all of its memory");
            }
            false => {}
        }
    }

    /// Memory is anonymous, and nobody else shares it.
    fn memory(&mut self) -> Done {
        let backing = &self.domain.memory_backing;
        let line = backing.line;
        if backing.huge.is_some() {
            return self.refuse(line, &refused::HUGE_PAGES);
        }
        if backing.source == Some(MemorySource::File) {
            return self.refuse(line, &refused::MEMORY_FILE);
        }
        if backing.locked {
            return self.refuse(line, &refused::LOCKED);
        }
        if backing.no_merging {
            return self.refuse(line, &refused::NOT_MERGED);
        }
        Ok(())
    }

    /// What concerns the whole domain and sVirt does not have.
    fn whole(&mut self) -> Done {
        let domain = self.domain;
        if let Some(protection) = &domain.protection {
            return self.refuse(protection.line, &refused::PROTECTION);
        }
        if let Some(file) = domain.firmware_files.first() {
            return self.refuse(file.line, &refused::FIRMWARE_FILES);
        }
        self.arguments()?;
        match domain.os.arch.as_deref() {
            None | Some("x86_64") => Ok(()),
            Some(_) => self.refuse(domain.os.line, &refused::ARCHITECTURE),
        }
    }

    /// Arguments of the VMM's own stand beside those that sVirt writes, where they may. Of variables
    /// only harmless ones come so far.
    fn arguments(&mut self) -> Done {
        let line = &self.domain.command_line;
        for (_, _, line) in &line.environment {
            self.note(*line, "a machine's environment is empty");
        }
        let words: Vec<String> = line.arguments.iter().map(|(word, _)| word.clone()).collect();
        let reading = qemu::read_beside(&words).map_err(|error| {
            let problem = Problem::Argument { text: error.text, problem: Box::new(error.problem) };
            let place = "qemu:commandline/qemu:arg";
            self.domain.error(line.line_of(error.number), place, problem)
        })?;
        for found in &reading.found {
            let (thing, _) = Thing::of_argument(&found.what);
            if let Some(path) = thing.path() {
                self.origin(path, &line.origin(&self.domain.document, found));
            }
        }
        self.guest.extra = words;
        Ok(())
    }

    fn boot(&mut self) -> Done {
        let os = &self.domain.os;
        for named in [&os.kernel, &os.initrd, &os.dtb].into_iter().flatten() {
            self.origin(&named.path, &named.origin);
        }
        let path = |named: &Option<Named>| named.as_ref().map(|named| named.path.clone());
        (self.guest.kernel, self.guest.initrd) = (path(&os.kernel), path(&os.initrd));
        (self.guest.dtb, self.guest.append) = (path(&os.dtb), os.cmdline.clone());
        if let Some(shim) = &os.shim {
            return self.refuse(shim.line, &refused::SHIM);
        }
        if let Some(table) = os.tables.first() {
            return self.refuse(table.line, &refused::TABLES);
        }
        if os.host_smbios {
            return self.refuse(os.line, &refused::HOST_SMBIOS);
        }
        let loader = os.loader.as_ref().and_then(|loader| Some((loader, loader.image.as_ref()?)));
        match (loader, &os.nvram) {
            (Some((loader, image)), nvram) => self.loader(loader, image, nvram.as_ref()),
            (None, Some(nvram)) => self.refuse(nvram.line, &refused::VARIABLES_ALONE),
            (None, None) => Ok(()),
        }
    }

    fn loader(&mut self, loader: &Loader, image: &Named, nvram: Option<&Nvram>) -> Done {
        let rom = loader.kind == LoaderType::Rom;
        if loader.secure {
            return self.refuse(image.line, &refused::SECURE);
        }
        if loader.format != Format::Raw {
            return self.refuse(image.line, &refused::FIRMWARE_FORMAT);
        }
        if !loader.read_only {
            return self.refuse(image.line, &refused::WRITTEN_FIRMWARE);
        }
        if let Some(nvram) = nvram.filter(|_| rom) {
            return self.refuse(nvram.line, &refused::VARIABLES_OF_ROM);
        }
        self.origin(&image.path, &image.origin);
        let vars = nvram.map(|nvram| self.vars(nvram)).transpose()?;
        self.guest.firmware = Some(FirmwareSpec { code: image.path.clone(), rom, vars });
        Ok(())
    }

    fn vars(&mut self, nvram: &Nvram) -> Result<PathBuf, DomainError> {
        let Some(source) = &nvram.source else {
            return self.refuse(nvram.line, &refused::VARIABLES_UNNAMED);
        };
        let raw = matches!(source.format, None | Some(Format::Raw));
        let path = match &source.place {
            Place::File { path, group: None } if raw && !more(source) => path.clone(),
            _ => return self.refuse(nvram.line, &refused::VARIABLES_ELSEWHERE),
        };
        self.labels(&path, &source.labels, "os/nvram/source/seclabel")?;
        if nvram.template.is_some() {
            self.note(nvram.line, "the file of variables must be there: no template is copied");
        }
        self.origin(&path, &source.origin);
        Ok(path)
    }

    /// What makes no difference to what the machine reaches.
    fn otherwise(&mut self) {
        let domain = self.domain;
        if let Some(emulator) = &domain.emulator {
            self.note(emulator.line, "the host's usual QEMU is used");
        }
        let machine = domain.os.machine.as_deref();
        if machine.is_some_and(|machine| machine != "q35" && !machine.starts_with("pc-q35-")) {
            self.note(domain.os.line, "the guest's board is QEMU's q35");
        }
        let firmware = domain.os.loader.as_ref().is_some_and(|loader| loader.image.is_none());
        if firmware {
            self.note(domain.os.line, "the firmware is QEMU's own");
        }
        let restarts = |event: &Option<Event>| !matches!(event, None | Some(Event::Destroy));
        let begins =
            |event: &Option<Event>| !matches!(event, None | Some(Event::Destroy | Event::Restart));
        let [off, reboot, crash] = &domain.events;
        for (name, differs, text) in [
            ("cpu", true, "the guest's processor is what the accelerator offers in full"),
            ("clock", domain.clock.as_deref() != Some("utc"), "the guest's clock shows UTC"),
            ("maxMemory", true, "no memory can be added while the guest runs"),
            ("on_poweroff", restarts(off), "a machine that powers off has ended"),
            ("on_reboot", begins(reboot), "a guest that begins anew does so in the same machine"),
            ("on_crash", restarts(crash), "a machine whose guest panics has ended"),
            ("blkiotune", !domain.tuned_devices.is_empty(), "the bandwidth of disks has no limit"),
        ] {
            if let Some(line) = domain.lines.get(name).copied().filter(|_| differs) {
                self.note(line, text);
            }
        }
    }
}

/// Whether more is asked of a source than to be opened.
pub(super) fn more(source: &Source) -> bool {
    source.slice.is_some()
        || source.data.is_some()
        || source.reservations.is_some()
        || source.encryption.is_some()
}
