//! What a person sees, hears and touches the guest through.

use super::{Thing, Walk};
use crate::domain::{
    screen::{Audio, Graphics, Input, Listen, Video},
    words::{AudioType, GraphicsType},
};
use std::path::PathBuf;
use svirt_model::Origin;

impl Walk {
    pub(super) fn input(&mut self, input: &Input) {
        let device = input.device.iter();
        device.for_each(|path| self.write(Thing::Device(path.clone()), &input.origin));
    }

    pub(super) fn graphics(&mut self, graphics: &Graphics) {
        let origin = &graphics.origin;
        match graphics.kind {
            GraphicsType::Vnc | GraphicsType::Spice | GraphicsType::Rdp => self.listens(graphics),
            GraphicsType::Sdl | GraphicsType::Desktop => {
                let display = graphics.display.clone().unwrap_or_else(|| "DISPLAY".into());
                self.write(Thing::Desktop(display), origin);
            }
            GraphicsType::Dbus => {
                let bus = graphics.bus.clone();
                self.write(bus.map_or(Thing::Listen(None), Thing::Desktop), origin);
            }
            GraphicsType::EglHeadless => {}
        }
        let authority = graphics.authority.iter();
        authority.for_each(|path| self.read(Thing::Key(path.clone()), origin));
        self.render(graphics.render_node.as_ref(), graphics.accelerated, origin);
    }

    fn listens(&mut self, graphics: &Graphics) {
        let origin = &graphics.origin;
        let usual = [Listen::Address(None)];
        let listens = if graphics.listens.is_empty() { &usual } else { &graphics.listens[..] };
        let mut port_of = |host: &str| {
            let ports = graphics.ports.iter().flatten().map(i32::to_string);
            let ports: Vec<String> = ports.collect();
            let ports = if ports.is_empty() { "-1".into() } else { ports.join(",") };
            let (protocol, address) = (graphics.kind.word(), format!("{host}:{ports}"));
            self.write(Thing::Port { protocol, address, listen: true }, origin);
        };
        for listen in listens {
            match listen {
                Listen::Address(address) => port_of(address.as_deref().unwrap_or("127.0.0.1")),
                Listen::Network(network) => port_of(network),
                Listen::Socket(_) | Listen::Nothing => {}
            }
        }
        for listen in listens {
            if let Listen::Socket(path) = listen {
                self.write(Thing::Listen(path.clone()), origin);
            }
        }
    }

    fn render(&mut self, node: Option<&PathBuf>, accelerated: bool, origin: &Origin) {
        match node {
            Some(path) => self.write(Thing::Device(path.clone()), origin),
            None if accelerated => self.write(Thing::AnyRenderNode, origin),
            None => {}
        }
    }

    pub(super) fn video(&mut self, video: &Video) {
        if video.own_process {
            self.write(Thing::Listen(None), &video.origin);
        }
        self.render(video.render_node.as_ref(), video.accelerated, &video.origin);
    }

    pub(super) fn audio(&mut self, audio: &Audio) {
        let origin = &audio.origin;
        match audio.kind {
            AudioType::File => {
                let path = audio.file.iter();
                path.for_each(|path| self.write(Thing::Output(path.clone()), origin));
            }
            AudioType::Oss => {
                let usual = ["/dev/dsp".to_owned()];
                let devices = if audio.devices.is_empty() { &usual } else { &audio.devices[..] };
                devices.iter().for_each(|path| self.write(Thing::Device(path.into()), origin));
            }
            AudioType::Alsa => self.write(Thing::Directory("/dev/snd".into()), origin),
            // The socket's usual name (`pipewire.conf(5)`, `core.name`).
            AudioType::Pipewire if audio.runtime.is_some() => {
                let name = audio.server.as_deref().unwrap_or("pipewire-0");
                let path = audio.runtime.iter().map(|directory| directory.join(name));
                path.for_each(|path| self.write(Thing::Connect(path), origin));
            }
            AudioType::Jack | AudioType::PulseAudio | AudioType::Pipewire | AudioType::Sdl => {
                let server = audio.server.clone();
                let server = server.unwrap_or_else(|| audio.kind.word().to_owned());
                self.write(Thing::Desktop(server), origin);
            }
            AudioType::None | AudioType::CoreAudio | AudioType::Spice | AudioType::Dbus => {}
        }
    }
}
