//! What each reader refuses, one changed field at a time, and what the writer makes.

use super::*;
use proptest::prelude::*;
use std::path::PathBuf;
use svirt_model::ImageFormat::{Luks, Qcow2, Raw, Vdi, Vhdx, Vmdk, Vpc};

/// A whole file, sampled.
fn read(format: ImageFormat, file: &[u8]) -> Result<Header, ImageError> {
    let head = &file[..file.len().min(head_len(format))];
    let tail = &file[file.len() - file.len().min(tail_len(format))..];
    inspect(format, &Sample { head, tail, file_len: file.len() as u64 })
}

/// Bytes put over a file at an offset.
type Patch<'a> = (usize, &'a [u8]);

fn patched(mut file: Vec<u8>, patches: &[Patch<'_>]) -> Vec<u8> {
    for (at, bytes) in patches {
        file[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    file
}

fn zeros_with(len: usize, patches: &[Patch<'_>]) -> Vec<u8> {
    patched(vec![0; len], patches)
}

/// That a file with one patch is refused, and why.
fn refused(format: ImageFormat, file: &[u8], patch: Patch<'_>) -> String {
    let refusal = read(format, &patched(file.to_vec(), &[patch]));
    refusal.expect_err(&format!("{format} with {patch:x?} was accepted")).to_string()
}

fn overlay(backing: &str) -> Vec<u8> {
    qcow2_overlay(1 << 30, backing, Raw, DEFAULT_CLUSTER_BITS).unwrap()
}

#[test]
fn of_a_raw_image_no_byte_counts() {
    let hostile = overlay("/etc/shadow");
    let header = read(Raw, &hostile).unwrap();
    assert_eq!(header, Header::plain(Raw, hostile.len() as u64));
    let looked_at = Sample { head: &hostile, tail: &hostile, file_len: 1 << 30 };
    let blind = Sample { head: &[], tail: &[], file_len: 1 << 30 };
    assert_eq!(inspect(Raw, &looked_at), inspect(Raw, &blind));
    assert_eq!(head_len(Raw) + tail_len(Raw), 0);
}

#[test]
fn a_raw_image_is_whole_sectors_of_a_possible_length() {
    let of_len = |file_len| inspect(Raw, &Sample { head: &[], tail: &[], file_len });
    assert_eq!(of_len(1000).unwrap().virtual_size, 1024);
    assert_eq!(of_len(0).unwrap().virtual_size, 0);
    for too_long in [i64::MAX as u64, u64::MAX] {
        assert!(matches!(of_len(too_long), Err(ImageError::Size { .. })));
    }
}

#[test]
fn only_a_known_ending_states_a_format() {
    let stated = |name: &str| format_from_extension(Path::new(name));
    assert_eq!(stated("/srv/a.qcow2"), Some(Qcow2));
    assert_eq!(stated("a.b.IMG"), Some(Raw));
    assert_eq!(stated("cd.iso"), Some(Raw));
    assert_eq!(stated("old.vhd"), Some(Vpc));
    for name in ["a", "qcow2", ".qcow2", "a.qcow", "a.qcow2.bak", "a.", "a.ova", "/dev/sda"] {
        assert_eq!(stated(name), None, "{name}");
    }
}

#[test]
fn every_format_demands_its_own_signature() {
    let other = zeros_with(8192, &[(0, b"SOMETHING ELSE")]);
    for format in ImageFormat::ALL.iter().copied().filter(|format| *format != Raw) {
        assert_eq!(read(format, &other), Err(ImageError::Signature { format }));
        assert_eq!(read(format, &[]), Err(ImageError::Signature { format }));
    }
}

#[test]
fn a_qcow2_field_out_of_its_range_is_refused() {
    let image = overlay("base.raw");
    let refusals: [(Patch<'_>, &str); 14] = [
        ((7, &[4]), "version is 4"),
        ((4, &[0; 4]), "version is 0"),
        ((23, &[8]), "cluster_bits is 8"),
        ((23, &[22]), "cluster_bits is 22"),
        ((20, &[0xff; 4]), "cluster_bits is 4294967295"),
        ((35, &[3]), "crypt_method is 3"),
        ((39, &[1]), "l1_size is 1"),
        ((36, &[0xff; 4]), "l1_size is 4294967295"),
        ((24, &[0xff; 8]), "l1_size is 2"),
        ((103, &[72]), "header_length is 72"),
        ((103, &[105]), "header_length is 105"),
        ((100, &[0xff; 4]), "header_length is 4294967295"),
        ((15, &[8]), "backing_file_offset is 8"),
        ((8, &[0xff; 8]), "backing_file_offset is 18446744073709551615"),
    ];
    for (patch, why) in refusals {
        let refusal = refused(Qcow2, &image, patch);
        assert!(refusal.contains(why), "{refusal} is not about {why}");
    }
}

#[test]
fn unknown_incompatible_features_are_named() {
    let image = overlay("base.raw");
    for (byte, value, bit) in [(79, 0x20, 5), (78, 1, 8), (72, 0x80, 63)] {
        let changed = patched(image.clone(), &[(byte, &[value])]);
        assert_eq!(read(Qcow2, &changed), Err(ImageError::Feature { bit }));
    }
    let extended_l2 = patched(image.clone(), &[(79, &[0x10])]);
    assert!(matches!(read(Qcow2, &extended_l2), Err(ImageError::Field { field: "l1_size", .. })));
    let compatible = patched(image, &[(87, &[0xff]), (95, &[0xfc])]);
    assert!(read(Qcow2, &compatible).is_ok());
}

#[test]
fn marks_of_a_qcow2_image_are_reported() {
    let image = qcow2_empty(1 << 20).unwrap();
    let plain = read(Qcow2, &image).unwrap();
    assert_eq!(plain, Header::plain(Qcow2, 1 << 20));
    let changed = |patch| read(Qcow2, &patched(image.clone(), &[patch])).unwrap();
    assert!(changed((35, &[1])).encrypted && changed((35, &[2])).encrypted);
    assert!(changed((79, &[2])).corrupt);
    assert_eq!(changed((79, &[1])), plain, "dirty is the VMM's business");
}

/// An extension area of a 64 KiB-cluster image without a backing file.
fn with_extensions(features: u8, extensions: &[(u32, &[u8])]) -> Vec<u8> {
    let mut area = Vec::new();
    for (kind, body) in extensions {
        area.extend(kind.to_be_bytes());
        area.extend((body.len() as u32).to_be_bytes());
        area.extend(*body);
        area.resize(area.len().next_multiple_of(8), 0);
    }
    patched(qcow2_empty(1 << 20).unwrap(), &[(79, &[features]), (104, &area)])
}

#[test]
fn a_data_file_counts_only_with_its_feature_bit() {
    const DATA: u32 = 0x4441_5441;
    let named = with_extensions(4, &[(DATA, b"/srv/a.raw"), (0, b"")]);
    let data_file = read(Qcow2, &named).unwrap().data_file.unwrap();
    assert_eq!(data_file.path(), Ok(PathBuf::from("/srv/a.raw")));
    assert!(!data_file.is_raw());
    let raw = read(Qcow2, &patched(named, &[(95, &[2])])).unwrap().data_file.unwrap();
    assert!(raw.is_raw());
    let ignored = with_extensions(0, &[(DATA, b"/srv/a.raw"), (0, b"")]);
    assert_eq!(read(Qcow2, &ignored).unwrap().data_file, None);
    let unnamed = read(Qcow2, &with_extensions(4, &[(0, b"")])).unwrap().data_file.unwrap();
    assert_eq!(unnamed.file(), None);
    assert!(matches!(unnamed.path(), Err(ImageError::Name { .. })));
}

#[test]
fn a_data_file_is_an_absolute_path_or_nothing() {
    let path = |name: &str| DataFile::claimed(Some(name.to_owned()), false).path();
    assert!(matches!(path("a.raw"), Err(ImageError::Adrift { .. })));
    for name in ["json:{}", "file:/a", "nbd:unix:/run/a"] {
        assert!(matches!(path(name), Err(ImageError::Protocol { .. })), "{name}");
    }
    assert_eq!(path("/srv/a:b.raw"), Ok(PathBuf::from("/srv/a:b.raw")));
}

#[test]
fn extensions_that_two_readers_could_read_differently_are_refused() {
    const FORMAT: u32 = 0xe279_2aca;
    let twice = with_extensions(0, &[(FORMAT, b"raw"), (FORMAT, b"qcow2"), (0, b"")]);
    assert!(matches!(read(Qcow2, &twice), Err(ImageError::Twice { .. })));
    for name in [&b"ra\0w"[..], b"\xff\xfe", b"sixteen-bytes-ok"] {
        let image = with_extensions(0, &[(FORMAT, name), (0, b"")]);
        assert!(read(Qcow2, &image).is_err(), "{name:?}");
    }
    let leaving = patched(qcow2_empty(512).unwrap(), &[(104, &[1; 8])]);
    assert!(matches!(read(Qcow2, &leaving), Err(ImageError::Field { .. })));
}

#[test]
fn extensions_may_reach_to_the_end_of_the_area_and_no_farther_than_is_read() {
    const UNKNOWN: u32 = 0x1234_5678;
    let filler = vec![0; (64 << 10) - 104 - 8];
    assert!(read(Qcow2, &with_extensions(0, &[(UNKNOWN, &filler)])).is_ok());
    // In clusters of 2 MiB an extension can go on past what is read.
    let wide = qcow2_overlay(1 << 20, "a", Raw, 21).unwrap();
    let far = patched(wide, &[(8, &[0; 8]), (104, &[1, 0, 0, 0, 0, 16, 0, 0])]);
    assert!(matches!(read(Qcow2, &far), Err(ImageError::TooFar { .. })));
}

#[test]
fn a_backing_name_must_be_the_same_text_for_every_reader() {
    let image = overlay("base.raw");
    let at = image.windows(8).position(|window| window == b"base.raw").unwrap();
    for byte in [0, 0xff] {
        assert!(refused(Qcow2, &image, (at, &[byte])).contains("backing file's name"));
    }
    assert!(refused(Qcow2, &image, (16, &[0, 0, 4, 0])).contains("longer than 1023"));
    let at_the_end = patched(image.clone(), &[(8, &[0, 0, 0, 0, 0, 0, 0xff, 0xff])]);
    assert!(matches!(read(Qcow2, &at_the_end), Err(ImageError::Field { .. })));
    let none = patched(image, &[(16, &[0; 4])]);
    assert_eq!(read(Qcow2, &none).unwrap().backing, None);
}

#[test]
fn a_backing_file_is_not_followed_without_a_stated_format() {
    let image = overlay("base.raw");
    // An end marker in the place of the backing format's extension.
    let unstated = read(Qcow2, &patched(image.clone(), &[(104, &[0; 8])])).unwrap().backing;
    let refusal = unstated.unwrap().format().unwrap_err();
    assert_eq!(refusal, ImageError::BackingFormatUnstated { file: "base.raw".to_owned() });
    assert!(refusal.hint().unwrap().contains("-F FORMAT"));
    let unknown = read(Qcow2, &patched(image, &[(112, b"foo")])).unwrap().backing.unwrap();
    assert!(matches!(unknown.format(), Err(ImageError::BackingFormatUnknown { .. })));
}

#[test]
fn a_backing_name_is_a_path_where_qemu_takes_it_for_one() {
    let path = |name| BackingName::parse(name).unwrap().as_path().to_owned();
    for name in ["base.raw", "/srv/base.raw", "../a/b", "./nbd:x", "dir/a:b", "/a:b", "json"] {
        assert_eq!(path(name), PathBuf::from(name));
    }
    assert_eq!(path("file:/srv/a:b"), PathBuf::from("/srv/a:b"));
    for name in [
        "json:{\"driver\":\"raw\"}",
        "nbd:localhost:1",
        "http://x/y",
        "host_device:/dev/sda",
        "fd:3",
        "ssh://h/f",
        "fat:rw:/etc",
        "a:b",
        ":",
    ] {
        assert!(matches!(BackingName::parse(name), Err(ImageError::Protocol { .. })), "{name}");
    }
    for name in ["file:base.raw", "file:"] {
        assert!(matches!(BackingName::parse(name), Err(ImageError::Adrift { .. })), "{name}");
    }
    for name in ["", "a\0b", &"a".repeat(1024)] {
        assert!(matches!(BackingName::parse(name), Err(ImageError::Name { .. })), "{name:?}");
    }
    assert!(BackingName::parse(&"a".repeat(1023)).is_ok());
}

#[test]
fn names_lead_from_the_directory_of_the_overlay() {
    let lead =
        |dir: &str, name| resolve_backing(Path::new(dir), &BackingName::parse(name).unwrap());
    assert_eq!(lead("/srv/vm", "base.raw"), PathBuf::from("/srv/vm/base.raw"));
    assert_eq!(lead("/srv/vm", "../base.raw"), PathBuf::from("/srv/vm/../base.raw"));
    assert_eq!(lead("/srv/vm", "/base.raw"), PathBuf::from("/base.raw"));
    assert_eq!(lead("", "base.raw"), PathBuf::from("base.raw"));
}

#[test]
fn what_an_image_says_is_printed_escaped() {
    let refusal = BackingName::parse("json:\u{1b}[2J\n").unwrap_err().to_string();
    assert!(!refusal.contains(['\u{1b}', '\n']), "{refusal:?}");
}

/// A monolithicSparse header with a descriptor.
fn vmdk(descriptor: &str) -> Vec<u8> {
    let patches: &[Patch<'_>] = &[
        (0, b"KDMV"),
        (4, &[1]),
        (12, &2048_u64.to_le_bytes()),
        (28, &[1]),
        (512, descriptor.as_bytes()),
    ];
    zeros_with(64 << 10, patches)
}

const SPARSE: &str = "# Disk DescriptorFile\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n";

#[test]
fn a_vmdk_image_that_could_lead_to_another_file_is_refused() {
    let image = vmdk(SPARSE);
    assert_eq!(read(Vmdk, &image), Ok(Header::plain(Vmdk, 1 << 20)));
    assert!(refused(Vmdk, &image, (4, &[4])).contains("version is 4"));
    assert!(refused(Vmdk, &image, (12, &[0; 8])).contains("several files"));
    assert!(refused(Vmdk, &image, (56, &[0xff; 8])).contains("streamOptimized"));
    assert!(refused(Vmdk, &image, (28, &[2])).contains("descriptorOffset"));
    assert!(refused(Vmdk, &image, (0, b"# Disk DescriptorFile")).contains("several files"));
    assert!(refused(Vmdk, &image, (0, b"COWD")).contains("vmfsSparse"));
    for at in [700, 512 + 10240 - 18] {
        assert!(refused(Vmdk, &image, (at, b"parentFilenameHint")).contains("with a parent"));
    }
    assert!(refused(Vmdk, &image, (580, b"XXXX")).contains("not monolithicSparse"));
    assert!(matches!(read(Vmdk, &image[..10751]), Err(ImageError::Truncated { .. })));
    let huge = patched(image, &[(12, &[0xff; 8])]);
    assert!(matches!(read(Vmdk, &huge), Err(ImageError::Size { .. })));
}

fn vdi() -> Vec<u8> {
    let patches: &[Patch<'_>] = &[
        (0x40, &0xbeda_107f_u32.to_le_bytes()),
        (0x44, &[1, 0, 1, 0]),
        (0x4c, &[1]),
        (0x170, &1_000_000_u64.to_le_bytes()),
        (0x178, &(1_u32 << 20).to_le_bytes()),
        (0x180, &[1]),
    ];
    zeros_with(512, patches)
}

#[test]
fn a_vdi_image_stands_alone_and_fits_its_blocks() {
    let image = vdi();
    assert_eq!(read(Vdi, &image), Ok(Header::plain(Vdi, 1_000_448)));
    assert!(refused(Vdi, &image, (0x44, &[0])).contains("version"));
    assert!(refused(Vdi, &image, (0x4c, &[4])).contains("with a parent"));
    assert!(refused(Vdi, &image, (0x1a8, &[1])).contains("with a parent"));
    assert!(refused(Vdi, &image, (0x1c7, &[1])).contains("with a parent"));
    assert!(refused(Vdi, &image, (0x172, &[0x20])).contains("disk size"));
    assert!(matches!(read(Vdi, &image[..400]), Err(ImageError::Truncated { .. })));
}

const METADATA: usize = 1 << 20;

/// A region table with one entry and a metadata table with two.
fn vhdx() -> Vec<u8> {
    let guid = |text: &str| svirt_model::Uuid::parse_str(text).unwrap().to_bytes_le();
    let patches: &[Patch<'_>] = &[
        (0, b"vhdxfile"),
        (196608, b"regi\0\0\0\0\x01"),
        (196624, &guid("8b7ca206-4790-4b9a-b8fe-575f050f886e")),
        (196640, &(METADATA as u64).to_le_bytes()),
        (METADATA, b"metadata\0\0\x02"),
        (METADATA + 32, &guid("caa16737-fa36-4d43-b3b6-33f0aa44e76b")),
        (METADATA + 48, &65536_u32.to_le_bytes()),
        (METADATA + 64, &guid("2fa54224-cd1b-4876-b211-5dbed83bf4b8")),
        (METADATA + 80, &65544_u32.to_le_bytes()),
        (METADATA + 65544, &(1_u64 << 30).to_le_bytes()),
    ];
    zeros_with(2 << 20, patches)
}

#[test]
fn a_vhdx_image_stands_alone_and_has_each_part_once() {
    let image = vhdx();
    assert_eq!(read(Vhdx, &image), Ok(Header::plain(Vhdx, 1 << 30)));
    assert!(refused(Vhdx, &image, (METADATA + 65540, &[2])).contains("with a parent"));
    assert!(refused(Vhdx, &image, (196608, b"X")).contains("signature"));
    assert!(refused(Vhdx, &image, (METADATA, b"M")).contains("signature"));
    assert!(refused(Vhdx, &image, (196624, &[0])).contains("required part"));
    assert!(refused(Vhdx, &image, (196616, &[0xff; 4])).contains("number of regions"));
    assert!(refused(Vhdx, &image, (METADATA + 10, &[0xff; 2])).contains("number of metadata"));
    assert!(refused(Vhdx, &image, (196640, &[1])).contains("multiple of 1 MiB"));
    assert!(refused(Vhdx, &image, (196640, &[0xff; 8])).contains("multiple of 1 MiB"));
    let first: [u8; 16] = image[METADATA + 32..METADATA + 48].try_into().unwrap();
    assert!(refused(Vhdx, &image, (METADATA + 64, &first)).contains("more than one"));
}

#[test]
fn vhdx_metadata_out_of_reach_is_said_to_be_so() {
    let far = patched(vhdx(), &[(196640, &(8_u64 << 20).to_le_bytes())]);
    assert!(matches!(read(Vhdx, &far), Err(ImageError::Truncated { need: 8_388_640, .. })));
    let long = Sample { head: &far, tail: &[], file_len: 1 << 30 };
    assert!(matches!(inspect(Vhdx, &long), Err(ImageError::TooFar { need: 8_388_640, .. })));
    let item = patched(vhdx(), &[(METADATA + 80, &[0xff; 4])]);
    assert!(matches!(read(Vhdx, &item), Err(ImageError::Truncated { .. })));
}

/// A footer of the given type and creator, with a geometry of 100 x 4 x 17 sectors.
fn footer(kind: u8, creator: &[u8; 4]) -> Vec<u8> {
    let patches: &[Patch<'_>] = &[
        (0, b"conectix"),
        (0x10, &512_u64.to_be_bytes()),
        (0x1c, creator),
        (0x30, &(4_u64 << 20).to_be_bytes()),
        (0x38, &[0, 100, 4, 17]),
        (0x3f, &[kind]),
    ];
    zeros_with(512, patches)
}

fn dynamic_vpc(creator: &[u8; 4]) -> Vec<u8> {
    let mut file = footer(3, creator);
    file.resize(512 + 1024, 0);
    file.extend(footer(3, creator));
    patched(file, &[(512, b"cxsparse")])
}

#[test]
fn the_size_of_a_vpc_image_is_its_geometry_or_its_size_by_who_made_it() {
    let size = |file: &[u8]| read(Vpc, file).unwrap().virtual_size;
    assert_eq!(size(&dynamic_vpc(b"qemu")), 100 * 4 * 17 * 512);
    assert_eq!(size(&dynamic_vpc(b"win ")), 4 << 20);
    let largest = patched(dynamic_vpc(b"qemu"), &[(0x38, &[0xff, 0xff, 16, 255])]);
    assert_eq!(size(&largest), 4 << 20);
    let fixed = [vec![7; 4096], footer(2, b"qem2")].concat();
    assert_eq!(size(&fixed), 4 << 20);
}

#[test]
fn a_vpc_image_is_fixed_at_its_end_or_dynamic_at_its_start() {
    let image = dynamic_vpc(b"qemu");
    assert!(refused(Vpc, &image, (0x3f, &[4])).contains("with a parent"));
    assert!(refused(Vpc, &image, (0x3f, &[2])).contains("disk type is 2"));
    assert!(refused(Vpc, &image, (512, b"X")).contains("signature"));
    let far = patched(image, &[(0x10, &[0xff; 8])]);
    assert!(matches!(read(Vpc, &far), Err(ImageError::Truncated { .. })));
    let misplaced = [vec![7; 4096], footer(3, b"qemu")].concat();
    assert!(matches!(read(Vpc, &misplaced), Err(ImageError::Field { value: 3, .. })));
}

#[test]
fn a_luks_image_is_of_version_1_and_has_its_payload_inside() {
    let patches: &[Patch<'_>] = &[(0, b"LUKS\xba\xbe\0\x01"), (107, &[8])];
    let image = zeros_with(8192, patches);
    let expected = Header { encrypted: true, ..Header::plain(Luks, 4096) };
    assert_eq!(read(Luks, &image), Ok(expected));
    assert!(refused(Luks, &image, (7, &[3])).contains("version is 3"));
    assert!(refused(Luks, &image, (107, &[17])).contains("payload-offset is 8704"));
    let second = patched(image, &[(7, &[2])]);
    assert!(read(Luks, &second).unwrap_err().hint().unwrap().contains("cryptsetup"));
}

#[test]
fn the_writer_keeps_its_limits() {
    for bits in [0, 15, 22, u32::MAX] {
        assert_eq!(qcow2_overlay(512, "a", Raw, bits), Err(ImageError::ClusterBits { bits }));
    }
    for size in [MAX_NEW_SIZE + 1, u64::MAX] {
        assert!(matches!(qcow2_empty(size), Err(ImageError::Size { .. })));
    }
    for name in ["", "nbd:x", "a\0b", "file:a"] {
        assert!(qcow2_overlay(512, name, Raw, 16).is_err(), "{name:?}");
    }
    assert_eq!(qcow2_empty(20 << 30).unwrap().len(), 4 << 16);
    assert_eq!(read(Qcow2, &qcow2_empty(MAX_NEW_SIZE).unwrap()).unwrap().virtual_size, 64 << 40);
}

#[test]
fn a_header_survives_being_stored() {
    let header = read(Qcow2, &overlay("base.raw")).unwrap();
    let text = serde_json::to_string(&header).unwrap();
    assert_eq!(serde_json::from_str::<Header>(&text).unwrap(), header);
}

fn formats() -> impl Strategy<Value = ImageFormat> {
    prop::sample::select(ImageFormat::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(format in formats(), file in prop::collection::vec(any::<u8>(), 0..4096)) {
        let _ = read(format, &file);
    }

    #[test]
    fn a_valid_header_with_any_byte_changed_gives_a_possible_answer(
        which in 0_usize..6, at in 0_usize..1024, byte in any::<u8>()
    ) {
        let valid = [overlay("dir/base.raw"), vmdk(SPARSE), vdi(), dynamic_vpc(b"qemu"),
            with_extensions(4, &[(0x4441_5441, b"/a")]), [vec![0; 1024], footer(2, b"win ")].concat()];
        let format = [Qcow2, Vmdk, Vdi, Vpc, Qcow2, Vpc][which];
        let at = at % valid[which].len();
        if let Ok(header) = read(format, &patched(valid[which].clone(), &[(at, &[byte])])) {
            prop_assert_eq!(header.format, format);
            prop_assert!(header.virtual_size <= MAX_VIRTUAL_SIZE);
            prop_assert_eq!(header.virtual_size % 512, 0);
        }
    }

    #[test]
    fn what_is_written_reads_back(
        size in 0..=MAX_NEW_SIZE, name in "[a-zA-Z0-9_./ é-]{1,300}", format in formats(), bits in 16_u32..=21
    ) {
        let image = qcow2_overlay(size, &name, format, bits).unwrap();
        let header = read(Qcow2, &image).unwrap();
        let backing = header.backing.unwrap();
        prop_assert_eq!(header.virtual_size, size.div_ceil(512) * 512);
        prop_assert_eq!(backing.file(), name.as_str());
        prop_assert_eq!(backing.format(), Ok(format));
    }

    #[test]
    fn a_name_is_a_path_or_refused_and_never_escapes_its_reading(name in ".{0,40}") {
        if let Ok(parsed) = BackingName::parse(&name) {
            let first = parsed.as_path().to_str().unwrap();
            prop_assert!(name == first || name.strip_prefix("file:") == Some(first));
            prop_assert!(!first.split('/').next().unwrap().contains(':'));
        }
    }
}
