//! Objects of a host that never was. The number of an object follows from its path, so two names of
//! one file are made by naming one path.

use std::path::Path;
use svirt_model::{
    Access, FileId, FileKind, FileSystem, Image, ImageFormat, Known, Mark, Named, Object, Part,
    Program, Sharing, Uuid,
};

pub(crate) fn object(path: &str, kind: FileKind) -> Object {
    let inode = path.bytes().fold(7_u64, |sum, byte| sum * 31 % 999_983 + u64::from(byte));
    let device = matches!(kind, FileKind::BlockDevice | FileKind::CharDevice);
    Object {
        path: path.into(),
        id: FileId { device: 1, inode },
        kind,
        uid: 0,
        gid: 0,
        mode: if kind == FileKind::Directory { 0o755 } else { 0o644 },
        links: 1,
        size: 4096,
        rdev: if device { inode } else { 0 },
        lies_on: Vec::new(),
    }
}

pub(crate) fn file(path: &str) -> Object {
    object(path, FileKind::File)
}

/// A character device with these permission bits.
pub(crate) fn device(path: &str, mode: u32) -> Object {
    Object { mode, ..object(path, FileKind::CharDevice) }
}

pub(crate) fn named(object: Object, access: Access) -> Named {
    Named {
        name: object.path.clone(),
        object,
        access,
        sharing: Sharing::Private,
        labels: Vec::new(),
    }
}

pub(crate) fn image(path: &str, format: ImageFormat, backing: Option<Image>) -> Image {
    let backing = backing.map(Box::new);
    Image {
        name: path.into(),
        object: file(path),
        format,
        virtual_size: 1 << 30,
        backing,
        labels: Vec::new(),
    }
}

/// A program with a linker, a library that is found through a link, and a directory of data.
pub(crate) fn program(path: &str) -> Program {
    let part = |name: &str, object| Part { name: name.into(), object };
    let stem = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    Program {
        binary: Object { mode: 0o755, ..file(path) },
        libraries: vec![
            part("/lib64/ld-linux-x86-64.so.2", file("/usr/lib/ld-linux-x86-64.so.2")),
            part("/usr/lib/libc.so.6", file("/usr/lib/libc.so.6")),
        ],
        data: vec![part(
            &format!("/usr/share/{stem}"),
            object(&format!("/usr/share/{stem}"), FileKind::Directory),
        )],
    }
}

/// By what an object is known later.
pub(crate) fn known(id: FileId) -> Known {
    let on = FileSystem::Uuid(Uuid::from_u128(id.device.into()));
    Known { on, inode: id.inode, mark: Mark::Born { seconds: 1, nanoseconds: 0 } }
}
