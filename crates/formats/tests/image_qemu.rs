//! sVirt's reading and writing of images against QEMU's own, with images that `qemu-img` makes
//! and images that `qemu-img` and `qemu-io` read. Without those programs each test says so.

use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use svirt_formats::image::{
    Header, ImageError, MAX_NEW_SIZE, Sample, head_len, inspect, qcow2_empty, qcow2_overlay,
    resolve_backing, tail_len,
};
use svirt_model::ImageFormat::{self, Luks, Qcow2, Raw, Vdi, Vhdx, Vmdk, Vpc};

/// A directory for one test and QEMU's tools run in it.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    /// Nothing, after saying why, where the tools are missing.
    fn new() -> Option<Self> {
        for tool in ["qemu-img", "qemu-io"] {
            if Command::new(tool).arg("--version").output().is_err() {
                svirt_testkit::skipped(format!("{tool} is not installed"));
                return None;
            }
        }
        Some(Self { dir: tempfile::tempdir().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs a tool and demands success; gives back what it printed.
    fn run(&self, tool: &str, arguments: &[&str]) -> String {
        let (succeeded, said) = self.outcome(tool, arguments);
        assert!(succeeded, "{tool} {arguments:?}: {said}");
        said
    }

    fn outcome(&self, tool: &str, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(tool);
        let output = command.args(arguments).current_dir(self.dir.path()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    fn img(&self, arguments: &str) -> String {
        self.run("qemu-img", &arguments.split(' ').collect::<Vec<_>>())
    }

    /// Makes an encrypted image. QEMU measures how fast it derives keys, and gives up where the
    /// CPU clock of a virtual host has stood still; it is asked again then, and only then.
    fn create_encrypted(&self, arguments: &str) {
        let arguments: Vec<_> = arguments.split(' ').collect();
        for _ in 0..50 {
            let (succeeded, said) = self.outcome("qemu-img", &arguments);
            if succeeded {
                return;
            }
            assert!(said.contains("accurate CPU usage"), "{arguments:?}: {said}");
        }
        panic!("{arguments:?}: QEMU could not measure the CPU in fifty attempts");
    }

    fn info(&self, format: ImageFormat, name: &str) -> Value {
        let said = self.img(&format!("info --output=json -f {format} {name}"));
        serde_json::from_str(&said).unwrap()
    }

    /// What sVirt reads, from no more of the file than it asks for.
    fn inspect(&self, format: ImageFormat, name: &str) -> Result<Header, ImageError> {
        let mut file = File::open(self.path(name)).unwrap();
        let file_len = file.metadata().unwrap().len();
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        file.by_ref().take(head_len(format) as u64).read_to_end(&mut head).unwrap();
        file.seek(SeekFrom::Start(file_len.saturating_sub(tail_len(format) as u64))).unwrap();
        file.take(tail_len(format) as u64).read_to_end(&mut tail).unwrap();
        inspect(format, &Sample { head: &head, tail: &tail, file_len })
    }

    /// That both readers see the same size in an image without anything below it.
    fn agree(&self, format: ImageFormat, name: &str) -> Header {
        let header = self.inspect(format, name).unwrap();
        assert_eq!(self.info(format, name)["virtual-size"], header.virtual_size, "{name}");
        assert_eq!((&header.backing, &header.data_file), (&None, &None), "{name}");
        header
    }
}

/// Odd sizes in bytes, and one of many blocks.
const SIZES: [u64; 4] = [512, 1_000_000, 1 << 20, 20 << 30];

#[test]
fn sizes_agree_in_every_format() {
    let Some(bench) = Bench::new() else { return };
    let kinds = [
        (Raw, ""),
        (Qcow2, ""),
        (Qcow2, "-o compat=0.10"),
        (Qcow2, "-o cluster_size=2M,compression_type=zstd,lazy_refcounts=on"),
        (Qcow2, "-o cluster_size=16k,extended_l2=on"),
        (Vmdk, ""),
        (Vmdk, "-o zeroed_grain=on,compat6=on"),
        (Vdi, ""),
        (Vhdx, ""),
        (Vhdx, "-o subformat=fixed,block_size=1M"),
        (Vpc, ""),
        (Vpc, "-o force_size"),
    ];
    for (format, options) in kinds {
        for size in SIZES.into_iter().filter(|size| *size < 1 << 30 || !options.contains("fixed")) {
            let create = format!("create -q -f {format} {options} image {size}");
            bench.img(&create.split_whitespace().collect::<Vec<_>>().join(" "));
            let header = bench.agree(format, "image");
            assert!(header.virtual_size >= size && !header.encrypted, "{create}");
        }
    }
}

#[test]
fn small_clusters_and_fixed_images_agree() {
    let Some(bench) = Bench::new() else { return };
    let kinds = [
        (Qcow2, "cluster_size=512"),
        (Vpc, "subformat=fixed"),
        (Vpc, "subformat=fixed,force_size"),
        (Vdi, "static=on"),
    ];
    for (format, options) in kinds {
        bench.img(&format!("create -q -f {format} -o {options} image 3000320"));
        bench.agree(format, "image");
    }
}

#[test]
fn the_largest_vpc_geometry_and_large_vhdx_tables_agree() {
    let Some(bench) = Bench::new() else { return };
    for (format, size) in [(Vpc, "200G"), (Vpc, "1900G"), (Vhdx, "2T")] {
        bench.img(&format!("create -q -f {format} image {size}"));
        bench.agree(format, "image");
    }
}

#[test]
fn a_raw_file_of_odd_length_agrees() {
    let Some(bench) = Bench::new() else { return };
    bench.write("image", &[1; 1000]);
    assert_eq!(bench.agree(Raw, "image").virtual_size, 1024);
}

#[test]
fn encryption_is_seen() {
    let Some(bench) = Bench::new() else { return };
    let secret = "--object secret,id=s,data=abc -o";
    bench.create_encrypted(&format!(
        "create -q -f luks {secret} key-secret=s,iter-time=10 a.luks 1000000"
    ));
    let info: Value = serde_json::from_str(&bench.img("info --output=json a.luks")).unwrap();
    let header = bench.inspect(Luks, "a.luks").unwrap();
    assert_eq!(info["virtual-size"], header.virtual_size);
    assert!(header.encrypted);

    let options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10";
    bench.create_encrypted(&format!("create -q -f qcow2 {secret} {options} a.qcow2 1M"));
    assert!(bench.inspect(Qcow2, "a.qcow2").unwrap().encrypted);
}

#[test]
fn chains_with_relative_and_absolute_names_lead_where_qemu_goes() {
    let Some(bench) = Bench::new() else { return };
    fs::create_dir(bench.path("snap")).unwrap();
    bench.img("create -q -f raw base.raw 1M");
    bench.img("create -q -f qcow2 -b ../base.raw -F raw snap/middle.qcow2");
    let middle = bench.path("snap/middle.qcow2");
    bench.img(&format!("create -q -f qcow2 -b {} -F qcow2 top.qcow2", middle.display()));

    let said = bench.img("info --backing-chain --output=json top.qcow2");
    let chain: Vec<Value> = serde_json::from_str(&said).unwrap();
    let (mut name, mut format) = (PathBuf::from("top.qcow2"), Qcow2);
    for (depth, image) in chain.iter().enumerate() {
        assert_eq!(image["filename"].as_str().map(Path::new), Some(name.as_path()));
        assert_eq!(image["format"], format.word());
        let header = bench.inspect(format, name.to_str().unwrap()).unwrap();
        assert_eq!(image["virtual-size"], header.virtual_size);
        let Some(backing) = header.backing else {
            assert_eq!(depth, chain.len() - 1);
            return;
        };
        assert_eq!(image["backing-filename"], backing.file());
        name = resolve_backing(name.parent().unwrap(), &backing.name().unwrap());
        format = backing.format().unwrap();
    }
    panic!("sVirt sees a longer chain than QEMU");
}

#[test]
fn a_backing_file_without_a_stated_format_is_not_followed() {
    let Some(bench) = Bench::new() else { return };
    bench.img("create -q -f raw base.raw 1M");
    // An end marker in the place of the extension: current tools write no such image any more.
    let mut bytes = qcow2_overlay(1 << 20, "base.raw", Raw, 16).unwrap();
    bytes[104..112].fill(0);
    bench.write("top.qcow2", &bytes);
    assert_eq!(bench.info(Qcow2, "top.qcow2").get("backing-filename-format"), None);
    let backing = bench.inspect(Qcow2, "top.qcow2").unwrap().backing.unwrap();
    let unstated = ImageError::BackingFormatUnstated { file: "base.raw".to_owned() };
    assert_eq!(backing.format(), Err(unstated));
    // What the hint says helps.
    bench.img("rebase -u -b base.raw -F raw top.qcow2");
    let backing = bench.inspect(Qcow2, "top.qcow2").unwrap().backing.unwrap();
    assert_eq!(backing.format(), Ok(Raw));
}

#[test]
fn a_guest_that_writes_a_qcow2_header_into_its_raw_disk_gains_nothing() {
    let Some(bench) = Bench::new() else { return };
    bench.write("disk.raw", &qcow2_overlay(1 << 30, "/etc/shadow", Raw, 16).unwrap());
    // What a host that probes would believe.
    let probed: Value = serde_json::from_str(&bench.img("info --output=json disk.raw")).unwrap();
    assert_eq!(probed["backing-filename"], "/etc/shadow");
    let header = bench.agree(Raw, "disk.raw");
    assert_eq!(header.backing, None);
}

#[test]
fn protocol_names_are_refused_and_file_is_read_as_qemu_reads_it() {
    let Some(bench) = Bench::new() else { return };
    fs::create_dir(bench.path("sub")).unwrap();
    bench.img("create -q -f raw base.raw 1M");
    bench.img("create -q -u -f qcow2 -b file:base.raw -F raw sub/adrift.qcow2 1M");
    // QEMU finds the backing file from where it stands, not from where the overlay lies.
    bench.img("info --backing-chain sub/adrift.qcow2");
    let adrift = bench.inspect(Qcow2, "sub/adrift.qcow2").unwrap().backing.unwrap();
    assert!(matches!(adrift.name(), Err(ImageError::Adrift { .. })));

    let base = bench.path("base.raw");
    bench.img(&format!("create -q -u -f qcow2 -b file:{} -F raw sub/abs.qcow2 1M", base.display()));
    let said = bench.img("info --backing-chain --output=json sub/abs.qcow2");
    let chain: Vec<Value> = serde_json::from_str(&said).unwrap();
    let absolute = bench.inspect(Qcow2, "sub/abs.qcow2").unwrap().backing.unwrap();
    assert_eq!(absolute.name().unwrap().as_path(), base);
    assert_eq!(chain[1]["filename"].as_str(), base.to_str());

    for name in ["json:{\"driver\":\"null-co\"}", "nbd:unix:/run/x", "fat:/etc"] {
        bench.run(
            "qemu-img",
            &["create", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "raw", "p", "1M"],
        );
        let backing = bench.inspect(Qcow2, "p").unwrap().backing.unwrap();
        assert_eq!(backing.file(), name);
        assert!(matches!(backing.name(), Err(ImageError::Protocol { .. })));
    }
}

#[test]
fn an_external_data_file_is_reported() {
    let Some(bench) = Bench::new() else { return };
    let data = bench.path("d.raw");
    let options = format!("data_file={},data_file_raw=on", data.display());
    bench.img(&format!("create -q -f qcow2 -o {options} a.qcow2 1M"));
    let data_file = bench.inspect(Qcow2, "a.qcow2").unwrap().data_file.unwrap();
    assert_eq!(data_file.path(), Ok(data));
    assert!(data_file.is_raw());
    bench.img("create -q -f qcow2 -o data_file=r.raw r.qcow2 1M");
    let relative = bench.inspect(Qcow2, "r.qcow2").unwrap().data_file.unwrap();
    assert!(matches!(relative.path(), Err(ImageError::Adrift { .. })));
}

#[test]
fn vmdk_images_of_several_files_and_with_parents_are_refused() {
    let Some(bench) = Bench::new() else { return };
    for kind in ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized"]
    {
        bench.img(&format!("create -q -f vmdk -o subformat={kind} {kind}.vmdk 1M"));
        let refusal = bench.inspect(Vmdk, &format!("{kind}.vmdk")).unwrap_err();
        assert!(matches!(refusal, ImageError::Unsupported { .. }), "{kind}: {refusal}");
    }
    bench.img("create -q -f vmdk base.vmdk 1M");
    bench.img("create -q -f vmdk -b base.vmdk -F vmdk top.vmdk");
    let refusal = bench.inspect(Vmdk, "top.vmdk").unwrap_err();
    assert_eq!(refusal.to_string(), "vmdk images with a parent are not supported");
}

#[test]
fn qemu_finds_nothing_wrong_with_what_is_written() {
    let Some(bench) = Bench::new() else { return };
    bench.write("base.raw", &[0x5a; 1000]);
    for (size, bits) in
        [(1, 16), (1000, 16), (20 << 30, 16), (MAX_NEW_SIZE, 16), (MAX_NEW_SIZE, 21)]
    {
        bench.write("new", &qcow2_overlay(size, "base.raw", Raw, bits).unwrap());
        bench.img("check -q -f qcow2 new");
        let info = bench.info(Qcow2, "new");
        assert_eq!(info["virtual-size"], size.next_multiple_of(512));
        assert_eq!(info["backing-filename"], "base.raw");
        assert_eq!(info["backing-filename-format"], "raw");
        assert_eq!(info["cluster-size"], 1_u64 << bits);
        assert_eq!(info["format-specific"]["data"]["compat"], "1.1");
        assert_eq!(info["dirty-flag"], false);
    }
    bench.write("empty", &qcow2_empty(20 << 30).unwrap());
    bench.img("check -q -f qcow2 empty");
    assert_eq!(bench.info(Qcow2, "empty").get("backing-filename"), None);
    bench.agree(Qcow2, "empty");
}

#[test]
fn an_overlay_reads_as_its_backing_file_and_keeps_what_is_written() {
    let Some(bench) = Bench::new() else { return };
    bench.write("base.raw", &[0x5a; 1000]);
    bench.write("top.qcow2", &qcow2_overlay(1000, "base.raw", Raw, 16).unwrap());
    // QEMU counts 1024 bytes here and 24 of them are zero.
    bench.img("compare -s -f raw -F qcow2 base.raw top.qcow2");
    bench.run("qemu-io", &["-f", "qcow2", "-c", "write -P 0x77 512 512", "top.qcow2"]);
    let read = ["-f", "qcow2", "-r", "-c", "read -P 0x5a 0 512", "-c", "read -P 0x77 512 512"];
    let said = bench.run("qemu-io", &[&read[..], &["top.qcow2"]].concat());
    assert!(!said.contains("verification failed"), "{said}");
    bench.img("check -q -f qcow2 top.qcow2");
    assert_eq!(fs::read(bench.path("base.raw")).unwrap(), [0x5a; 1000]);
    assert!(bench.inspect(Qcow2, "top.qcow2").unwrap().backing.is_some());
}

#[test]
fn a_new_disk_is_zero_and_takes_writes_up_to_its_end() {
    let Some(bench) = Bench::new() else { return };
    bench.write("new", &qcow2_empty(MAX_NEW_SIZE).unwrap());
    let last = format!("{}", MAX_NEW_SIZE - 65536);
    let write = format!("write -P 0x11 {last} 64k");
    let said = bench.run("qemu-io", &["-f", "qcow2", "-c", "read -P 0 0 1M", "-c", &write, "new"]);
    assert!(!said.contains("verification failed"), "{said}");
    let read =
        bench.run("qemu-io", &["-f", "qcow2", "-c", &format!("read -P 0x11 {last} 64k"), "new"]);
    assert!(!read.contains("verification failed"), "{read}");
    bench.img("check -q -f qcow2 new");
}

#[test]
fn a_stated_backing_node_counts_whatever_the_header_names() {
    let Some(bench) = Bench::new() else { return };
    bench.write("base.raw", &[0x5a; 4096]);
    bench.write("unnamed", &qcow2_empty(4096).unwrap());
    bench.write("placeholder", &qcow2_overlay(4096, "stated-by-svirt", Raw, 16).unwrap());
    for overlay in ["unnamed", "placeholder"] {
        let graph = format!(
            "driver=qcow2,file.driver=file,file.filename={overlay},\
             backing.driver=raw,backing.file.driver=file,backing.file.filename=base.raw"
        );
        let said = bench.run("qemu-io", &["--image-opts", "-c", "read -P 0x5a 0 4096", &graph]);
        assert!(!said.contains("verification failed"), "{overlay}: {said}");
    }
    let (opened, said) = bench.outcome("qemu-img", &["info", "--backing-chain", "placeholder"]);
    assert!(!opened && said.contains("stated-by-svirt"), "{said}");
}
