//! What a person sees, hears and touches: `<graphics>`, `<video>`, `<audio>`, `<input>`
//! (<https://libvirt.org/formatdomain.html#graphical-framebuffers>).

use super::{
    error::Problem,
    view::{Read, View},
    words::{AudioType, Bus, GraphicsType, InputType, ListenType},
};
use std::path::PathBuf;
use svirt_model::Origin;

/// A way to see the guest's screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graphics {
    /// How it is seen.
    pub kind: GraphicsType,
    /// What it listens on.
    pub listens: Vec<Listen>,
    /// The ports it listens on, of a host address: the plain one, the encrypted one, and the one
    /// for web sockets. -1 means that one is chosen.
    pub ports: [Option<i32>; 3],
    /// The device that draws.
    pub render_node: Option<PathBuf>,
    /// Whether the host's devices that draw are used, whichever they are.
    pub accelerated: bool,
    /// The file with the key for the X server on whose screen it is seen.
    pub authority: Option<PathBuf>,
    /// The X server on whose screen it is seen.
    pub display: Option<String>,
    /// The bus on which it is served.
    pub bus: Option<String>,
    /// Whether a password is set in the document.
    pub password: bool,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

/// What a screen is served on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An address of the host; the usual one without it.
    Address(Option<String>),
    /// The address of a network of libvirt's.
    Network(String),
    /// A unix socket; one of libvirt's choice without a path.
    Socket(Option<PathBuf>),
    /// Nothing.
    Nothing,
}

pub(super) fn graphics(view: &View<'_>) -> Read<Graphics> {
    let kind: GraphicsType = view.need_word("type")?;
    let gl = view.child("gl");
    let gl_node = gl.map_or(Ok(None), |gl: &View<'_>| gl.path_in("rendernode"))?;
    let enabled = gl.map_or(Ok(None), |gl| gl.flag("enable"))?;
    view.flag("autoport")?;
    let ports = [view.number("port")?, view.number("tlsPort")?, view.number("websocket")?];
    keymap(view)?;
    let text = |name| view.attr(name).map(str::to_owned);
    let display = text("display");
    let (bus, password) = (text("address"), text("passwd").is_some());
    Ok(Graphics {
        kind,
        listens: listens(view)?,
        ports,
        render_node: gl_node,
        accelerated: enabled.unwrap_or(kind == GraphicsType::EglHeadless),
        authority: view.path_in("xauth")?,
        display,
        bus,
        password,
        origin: view.origin("type"),
        line: view.element.line(),
    })
}

/// QEMU looks a keymap up in its own directory, but would open any path.
fn keymap(view: &View<'_>) -> Read<()> {
    let Some(name) = view.attr("keymap") else { return Ok(()) };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match name.chars().all(plain) {
        true => Ok(()),
        false => Err(view.error_of("keymap", Problem::form(name, "the name of a keymap"))),
    }
}

/// The `<listen>` elements. The attributes `listen` and `socket` of `<graphics>` itself are the
/// first of them said again, and count only where there is no element.
fn listens(view: &View<'_>) -> Read<Vec<Listen>> {
    let socket = view.path_in("socket")?.map(|path| Listen::Socket(Some(path)));
    let address = view.attr("listen").map(|address| Listen::Address(Some(address.to_owned())));
    let mut all = view.each("listen").map(listen).collect::<Read<Vec<_>>>()?;
    match (all.is_empty(), socket) {
        (true, socket) => all.extend(socket.or(address)),
        (false, Some(said)) if !all.contains(&said) => {
            let why = "the attribute socket and the <listen> elements name different sockets";
            return Err(view.error(Problem::Contradiction(why)));
        }
        (false, _) => {}
    }
    Ok(all)
}

fn listen(view: &View<'_>) -> Read<Listen> {
    match view.need_word("type")? {
        ListenType::Address => Ok(Listen::Address(view.attr("address").map(str::to_owned))),
        ListenType::Network => {
            view.attr("address");
            Ok(Listen::Network(view.need("network")?.to_owned()))
        }
        ListenType::Socket => view.path_in("socket").map(Listen::Socket),
        ListenType::None => Ok(Listen::Nothing),
    }
}

/// A graphics adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// Its model, such as `virtio` or `none`.
    pub model: Option<String>,
    /// Whether a process of its own draws.
    pub own_process: bool,
    /// Whether the host's devices that draw are used.
    pub accelerated: bool,
    /// The device that draws.
    pub render_node: Option<PathBuf>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn video(view: &View<'_>) -> Read<Video> {
    let model = view.child("model");
    let acceleration = model.and_then(|model| model.child("acceleration"));
    let driver = view.child("driver").and_then(|driver| driver.attr("name"));
    Ok(Video {
        model: model.and_then(|model| model.attr("type")).map(str::to_owned),
        own_process: driver == Some("vhostuser"),
        accelerated: acceleration.map_or(Ok(None), |a| a.flag("accel3d"))?.unwrap_or(false),
        render_node: acceleration.map_or(Ok(None), |a| a.path_in("rendernode"))?,
        origin: model.unwrap_or(view).origin("type"),
        line: view.element.line(),
    })
}

/// Where a sound card's sound goes and comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// Its number, by which sound cards name it.
    pub id: u32,
    /// Where it goes.
    pub kind: AudioType,
    /// The devices of the host: of the input and of the output, as the backend names them.
    pub devices: Vec<String>,
    /// The file that the sound is written to.
    pub file: Option<PathBuf>,
    /// The server that is connected to.
    pub server: Option<String>,
    /// The directory in which the server's socket is.
    pub runtime: Option<PathBuf>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn audio(view: &View<'_>) -> Read<Audio> {
    let mut devices = Vec::new();
    // Of SDL, its own driver; what that opens is the environment's to say.
    let mut server = view.attr("serverName").or(view.attr("driver")).map(str::to_owned);
    for side in ["input", "output"] {
        let Some(side) = view.child(side) else { continue };
        devices.extend(side.attr("dev").map(str::to_owned));
        // Of JACK, the server; of PulseAudio and PipeWire, names within it.
        server = server.or(side.attr("serverName").map(str::to_owned));
    }
    Ok(Audio {
        id: view.number("id")?.unwrap_or(1),
        kind: view.need_word("type")?,
        devices,
        file: view.path_in("path")?,
        server,
        runtime: view.path_in("runtimeDir")?,
        origin: view.origin("type"),
        line: view.element.line(),
    })
}

/// Something that a person touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What it is.
    pub kind: InputType,
    /// What it hangs on; `ps2` and `xen` have no word of their own here.
    pub bus: Option<String>,
    /// The device of the host.
    pub device: Option<PathBuf>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

impl Input {
    /// Whether it is on a virtio bus.
    pub fn is_virtio(&self) -> bool {
        self.bus.as_deref() == Some(Bus::Virtio.word())
    }
}

pub(super) fn input(view: &View<'_>) -> Read<Input> {
    let kind: InputType = view.need_word("type")?;
    let source = view.child("source");
    let attribute = if kind == InputType::Passthrough { "evdev" } else { "dev" };
    let device = match kind {
        InputType::Passthrough | InputType::Evdev => {
            Some(view.need_child("source")?.need_path(attribute)?)
        }
        _ => None,
    };
    Ok(Input {
        kind,
        bus: view.attr("bus").map(str::to_owned),
        device,
        origin: source.unwrap_or(view).origin(if source.is_some() { attribute } else { "type" }),
        line: view.element.line(),
    })
}
