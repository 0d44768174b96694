//! What a name may lead to, and what a guest may have written.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, chown, lchown, symlink},
    },
    path::Path,
};
use svirt_testkit::{Host, Said, Skipped, Talk, claims};

/// A user of the host that no test runs anything as.
const STRANGER: u32 = 54_321;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a machine with one disk, as `--disk` says it, that must end by itself.
#[track_caller]
fn refused(host: &Host, disk: &str) -> Said {
    host.boot("bad", &["--net", "none", "--append", "run=poweroff", "--disk", disk]).finish()
}

/// Boots from a disk and reads its second sector.
#[track_caller]
fn works(host: &Host, disk: &str) {
    let flags = ["--net", "none", "--append", "run=read 0 0;poweroff", "--disk", disk];
    let said = host.boot("good", &flags).finish().exits(0);
    assert!(said.out.contains("\n0000: "), "{said:#?}");
}

/// An image's header by which an image says that it is based on another file.
fn qcow2_based_on(path: &str) -> Vec<u8> {
    let mut bytes = svirt_formats::image::qcow2_empty(1 << 20).unwrap();
    bytes.resize(bytes.len().max(1 << 16), 0);
    // QEMU's docs/interop/qcow2.txt: the name's offset and length, big-endian.
    bytes[8..16].copy_from_slice(&0x400u64.to_be_bytes());
    bytes[16..20].copy_from_slice(&u32::try_from(path.len()).unwrap().to_be_bytes());
    bytes[0x400..0x400 + path.len()].copy_from_slice(path.as_bytes());
    bytes
}

claims! {
    /// Newlines, commas, blanks and backslashes in a name are only characters.
    fn a_strange_name_is_only_a_name(host) {
        for name in ["new\nline.raw", "com,ma.raw", "b l\tank.raw", "back\\slash.raw", "-rw.raw"] {
            let path = host.file(name, &[0; 4096]);
            works(host, &path.to_str().unwrap().replace(',', ",,"));
        }
    }

    /// A name that is no text is refused, in words.
    fn a_name_that_is_no_text_is_refused(host) {
        let path = host.path("").join(OsStr::from_bytes(b"\xff\xfe.raw"));
        fs::write(&path, [0; 4096]).unwrap();
        host.give(&path);
        let mut command = host.svirt(&["run", "--net", "none", "--append", "x"]);
        command.arg(path);
        Talk::start(command).finish().exits(64).complains("UTF-8");
    }

    /// What is missing, is no image at all, or is not for the caller, each has its code.
    fn what_is_no_file_is_refused(host) {
        let path = |name: &str| host.path(name).to_str().unwrap().to_owned();
        refused(host, &path("missing.raw")).exits(66).complains("missing.raw");
        host.directory("directory.raw", 0o755);
        refused(host, &path("directory.raw")).exits(65).complains("is a directory");
        host.run_program("mkfifo", &["pipe.raw"]).exits(0);
        refused(host, &path("pipe.raw")).exits(65).complains("is a named pipe");
        refused(host, "/dev/null,format=raw").exits(65).complains("is a character device");
        let unnamed = host.file("image", &[0; 4096]);
        let unnamed = unnamed.to_str().unwrap();
        refused(host, unnamed).exits(65).complains("is not stated").complains("format=raw");
        works(host, &format!("{unnamed},format=raw"));
    }

    /// A file that the caller may not open stays closed.
    fn what_the_caller_may_not_open_is_refused(host) {
        if host.is_root() {
            return Err(Skipped::because("root may open everything"));
        }
        let path = host.file("closed.raw", &[0; 4096]);
        mode(&path, 0o000);
        refused(host, path.to_str().unwrap()).exits(77).complains("closed.raw");
        mode(&path, 0o400);
        refused(host, path.to_str().unwrap()).exits(77);
        works(host, &format!("{},ro", path.display()));
    }

    /// A link that somebody else could have planted is not followed; one of the caller's is.
    fn a_planted_link_is_not_followed(host) {
        let image = host.file("image.raw", &[0; 4096]);
        let own = host.path("own.raw");
        symlink(&image, &own).unwrap();
        let link_owner = lchown(&own, Some(host.uid()), None);
        works(host, own.to_str().unwrap());
        if link_owner.is_err() || lchown(&own, Some(STRANGER), None).is_err() {
            return Err(Skipped::because("only root can plant a link for another"));
        }
        let open = host.directory("open", 0o1777);
        let planted = open.join("planted.raw");
        symlink(&image, &planted).unwrap();
        lchown(&planted, Some(STRANGER), Some(STRANGER)).unwrap();
        refused(host, planted.to_str().unwrap()).exits(65).complains("could have planted");
        // So is one on the way to the file.
        let way = open.join("way");
        symlink(host.path(""), &way).unwrap();
        lchown(&way, Some(STRANGER), Some(STRANGER)).unwrap();
        refused(host, way.join("image.raw").to_str().unwrap()).exits(65).complains("planted");
    }

    /// A file with a second name may be a file from elsewhere.
    fn a_hard_link_is_not_written(host) {
        let image = host.file("image.raw", &[0; 4096]);
        fs::hard_link(&image, host.path("second.raw")).unwrap();
        refused(host, image.to_str().unwrap()).exits(65).complains("hard links");
    }

    /// A raw image stays raw, whatever the guest writes to its start: the file that it names is
    /// opened by nobody, and the guest reads back what it wrote.
    fn a_raw_image_stays_raw(host) {
        let image = host.file("disk.raw", &vec![0; 1 << 20]);
        let disk = image.to_str().unwrap().to_owned();
        works(host, &disk);
        fs::write(&image, qcow2_based_on("/etc/shadow")).unwrap();
        let mut machine = host.boot("raw", &["--net", "none", "--append", "x", "--disk", &disk]);
        machine.ready();
        assert!(machine.ask("read 0 0").starts_with("0000: 51 46 49 fb"), "the header is content");
        let plan = machine.status().plan.unwrap();
        let text = format!("{:?}", plan.processes);
        assert!(!text.contains("shadow") && !text.contains("driver=qcow2"), "{text}");
        machine.ends_after("poweroff").exits(0);
        refused(host, &format!("{disk},format=qcow2")).exits(65).complains("was raw");
        // One that was never used, and says so by its name alone, is refused before it is guessed.
        let other = host.file("other.img", &qcow2_based_on("/etc/shadow"));
        refused(host, other.to_str().unwrap()).exits(65).complains("starts like qcow2");
    }

    /// An image that says that it is based on a file elsewhere does not open that file.
    fn a_header_opens_nothing_elsewhere(host) {
        let image = host.file("disk.qcow2", &qcow2_based_on("/etc/passwd"));
        let said = refused(host, image.to_str().unwrap()).exits(65);
        assert!(!said.err.contains("root:"), "{said:#?}");
    }

    /// An image in a home that only its owner may enter works, for the owner and for root.
    fn an_image_in_a_closed_home_works(host) {
        let image = host.file("home/disk.raw", &[0; 4096]);
        mode(&image, 0o600);
        works(host, image.to_str().unwrap());
        if host.is_root() {
            // Of another user's home as well: root is asked, and opens it.
            chown(host.path("home"), Some(STRANGER), Some(STRANGER)).unwrap();
            chown(&image, Some(STRANGER), Some(STRANGER)).unwrap();
            works(host, image.to_str().unwrap());
            let after = fs::metadata(&image).unwrap();
            assert_eq!(after.permissions().mode() & 0o7777, 0o600);
            assert_eq!(std::os::unix::fs::MetadataExt::uid(&after), STRANGER);
        }
    }
}
