//! What a user's own QEMU command line names, looked up: each word that names something on the host
//! becomes a device of the machine, under the name by which QEMU will look for it.

use crate::{
    Code, Failure, accelerator,
    image::{Named as NamedImage, absolute},
    program,
    resolve::{Resolver, device_of},
};
use std::path::{Path, PathBuf};
use svirt_formats::{
    command_line::{Below, Found, ImageFile, ReadError, Thing},
    qemu,
    spec::GuestSpec,
};
use svirt_host::pin::Purpose;
use svirt_model::{
    Access, Argument, DeviceKind, FileKind, Image, Listen, Named, Origin, Program, Sharing,
};

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Failure::from_error(Code::Data, &error).hint(error.hint())
    }
}

impl Resolver<'_> {
    /// Reads QEMU's arguments: the program with its modules, the arguments as they will be passed,
    /// and whether QEMU will write memory and execute it.
    pub(crate) fn read_qemu(
        &mut self,
        path: &Path,
        words: &[String],
        directory: &Path,
    ) -> Result<(Program, Vec<Argument>, bool), Failure> {
        let mut reading = qemu::read(words)?;
        refuse_what_needs_more(&reading)?;
        let modules = program::modules_for(path);
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        let program = program::resolve_qemu(&mut self.pins, self.store, path, &modules, true)?;
        for number in 0..reading.found.len() {
            let Some(found) = reading.found.get(number).cloned() else { break };
            if let Some(format) = self.found(&found, directory, &program)? {
                reading.state_format(number, format);
            }
        }
        if reading.kvm && Path::new(accelerator::DEVICE).exists() {
            let object = self.pins.pin(Path::new(accelerator::DEVICE), Purpose::Device)?;
            self.add(DeviceKind::Kvm(object), "the accelerator");
        }
        let mut arguments = reading.arguments;
        if reading.default_display {
            // QEMU would open a window, or listen for VNC on TCP; the machine has neither.
            arguments.extend(["-display".into(), "none".into()]);
        }
        Ok((program, arguments, reading.executable_memory))
    }

    /// Reads arguments that stand beside those that are written for a guest.
    pub(crate) fn read_extra(
        &mut self,
        guest: &GuestSpec,
        program: &Program,
    ) -> Result<Vec<Argument>, Failure> {
        if guest.extra.is_empty() {
            return Ok(Vec::new());
        }
        let mut reading = qemu::read_beside(&guest.extra)?;
        refuse_what_needs_more(&reading)?;
        for number in 0..reading.found.len() {
            let Some(mut found) = reading.found.get(number).cloned() else { break };
            if matches!(found.what, Thing::Stream(_)) {
                return refuse(&found, "a guest has no streams of its command's");
            }
            if let Some(path) = found.what.path()
                && let Some(words) = guest.origins.get(&Path::new("/").join(path))
            {
                found.origin = words.as_str().into();
            }
            if let Some(format) = self.found(&found, Path::new("/"), program)? {
                reading.state_format(number, format);
            }
        }
        Ok(reading.arguments)
    }

    /// Adds one thing; answers the format of an image for which the command line states none.
    fn found(
        &mut self,
        found: &Found,
        directory: &Path,
        program: &Program,
    ) -> Result<Option<svirt_model::ImageFormat>, Failure> {
        let at = |path: &Path| absolute(&directory.join(path));
        let origin = &found.origin;
        match &found.what {
            Thing::Image(image) => return self.image_file(image, &at(&image.path)?, origin),
            Thing::File { path, access } => self.file(&at(path)?, *access, origin)?,
            Thing::Firmware { path } => self.firmware(path, &at(path)?, program, origin)?,
            Thing::Directory { path, access } => {
                let named = self.pin_named(&at(path)?, Purpose::Directory, *access)?;
                self.add(DeviceKind::Directory(named), origin);
            }
            Thing::Memory { path, access } if at(path)?.exists() => {
                self.file(&at(path)?, *access, origin)?;
            }
            Thing::Memory { path, .. } | Thing::Output { path } => {
                self.output(&at(path)?, origin)?;
            }
            Thing::HostDevice { path, access } => {
                let named = self.pin_named(&at(path)?, Purpose::Device, *access)?;
                self.add(DeviceKind::HostDevice(named), origin);
            }
            Thing::Connect { path } => {
                let named = self.pin_named(&at(path)?, Purpose::Socket, Access::Write)?;
                self.add(DeviceKind::Connect(named), origin);
            }
            Thing::Listen { number, path } => {
                let listen = Listen { number: *number, path: self.future_output(&at(path)?)?.path };
                self.add(DeviceKind::Listen(listen), origin);
            }
            Thing::Pipe { path } => self.pipes(&at(path)?, origin)?,
            // Every machine of a command has the streams of that command.
            Thing::Stream(_) => {}
            Thing::Library { .. } => {
                return refuse(found, "a module of the user's own cannot be loaded");
            }
            Thing::Passthrough { .. } => {
                return refuse(found, "devices of the host cannot be passed through yet");
            }
            Thing::Descriptor { .. } => {
                return refuse(found, "descriptors of the command cannot be handed on yet");
            }
        }
        Ok(None)
    }

    fn image_file(
        &mut self,
        file: &ImageFile,
        path: &Path,
        origin: &Origin,
    ) -> Result<Option<svirt_model::ImageFormat>, Failure> {
        let ImageFile { format, access, backing, .. } = *file;
        let follow = backing == Below::Header;
        let named = NamedImage { path, format, access, follow, below: None };
        let image = self.image(&named)?;
        let unstated = format.is_none().then_some(image.format);
        self.images(&image, access, origin);
        Ok(unstated)
    }

    fn images(&mut self, image: &Image, access: Access, origin: &Origin) {
        let (name, object) = (image.name.clone(), image.object.clone());
        let disk = object.kind == FileKind::BlockDevice;
        let named = Named { name, object, access, sharing: Sharing::Private, labels: Vec::new() };
        self.add(
            if disk { DeviceKind::HostDevice(named) } else { DeviceKind::File(named) },
            origin,
        );
        if let Some(below) = &image.backing {
            self.images(below, Access::Read, origin);
        }
    }

    fn file(&mut self, path: &Path, access: Access, origin: &Origin) -> Result<(), Failure> {
        let named = self.pin_named(path, Purpose::Any, access)?;
        self.add(device_of(named)?, origin);
        Ok(())
    }

    /// A bare name may be one of QEMU's own, whose directories the machine has anyway.
    fn firmware(
        &mut self,
        word: &Path,
        path: &Path,
        program: &Program,
        origin: &Origin,
    ) -> Result<(), Failure> {
        let own = |part: &svirt_model::Part| part.name.join(word).exists();
        let bare = word.components().count() == 1;
        if bare && !path.exists() && program.data.iter().any(own) {
            return Ok(());
        }
        self.file(path, Access::Read, origin)
    }

    fn output(&mut self, path: &Path, origin: &Origin) -> Result<(), Failure> {
        if path.exists() {
            return self.file(path, Access::Write, origin);
        }
        let output = self.future_output(path)?;
        self.add(DeviceKind::Output(output), origin);
        Ok(())
    }

    fn pipes(&mut self, path: &Path, origin: &Origin) -> Result<(), Failure> {
        let ends = [".in", ".out"].map(|end| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        });
        if ends.iter().all(|end| end.exists()) {
            return ends.iter().try_for_each(|end| self.file(end, Access::Write, origin));
        }
        self.file(path, Access::Write, origin)
    }
}

fn refuse<T>(found: &Found, why: &str) -> Result<T, Failure> {
    let message = format!("{}: {why}", found.origin);
    Err(Failure::new(Code::Data, message).hint("leave it out"))
}

fn refuse_what_needs_more(reading: &qemu::Reading) -> Result<(), Failure> {
    if reading.temporary_files {
        let message = "QEMU would write its temporary images to the host's directory for them";
        return Err(Failure::new(Code::Data, message)
            .hint("svirt run --ephemeral keeps an image unchanged"));
    }
    if reading.own_descriptors {
        let message = "QEMU's 9p server needs procfs, which a machine does not have";
        return Err(Failure::new(Code::Data, message).hint("leave the shared directory out"));
    }
    Ok(())
}
