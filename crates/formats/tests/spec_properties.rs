//! What holds of the reader of specifications for any text.

#[path = "../../../fuzz/cases/spec.rs"]
mod case;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::Value;
use std::path::PathBuf;
use svirt_formats::spec::{
    BackingSpec, CommandSpec, DiskSpec, DisplaySpec, FirmwareSpec, GuestSpec, NetSpec, SerialSpec,
    ShareSpec, Spec, SpecError, VERSION, read,
};
use svirt_model::{Accelerator, Bytes, GroupName, ImageFormat, Layer, MachineName};

fn path() -> impl Strategy<Value = PathBuf> {
    any::<String>().prop_map(PathBuf::from)
}

fn group() -> impl Strategy<Value = GroupName> {
    "[a-z0-9][a-z0-9._-]{0,20}".prop_map(|name| name.parse().unwrap())
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![any::<u64>(), (0..9_u64).prop_map(|n| n << 30)].prop_map(Bytes)
}

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    vec(select(Layer::ALL.to_vec()), 0..4)
}

fn disk() -> impl Strategy<Value = DiskSpec> {
    let format = option::of(select(ImageFormat::ALL.to_vec()));
    let source = prop_oneof![path().prop_map(Ok), bytes().prop_map(Err)];
    (source, format, any::<bool>(), option::of(group())).prop_map(|(source, format, ro, share)| {
        let (path, new) = (source.clone().ok(), source.err());
        let format = format.filter(|_| new.is_none());
        let share = share.filter(|_| new.is_none());
        // Only an image that is there can have others below it.
        let below = |path: &PathBuf| BackingSpec { path: path.clone(), format: ImageFormat::Raw };
        let backing = path.iter().filter(|_| ro).map(|path| vec![below(path)]).next();
        let ephemeral = !ro;
        DiskSpec { path, new, format, ro, share, ephemeral, backing, ..DiskSpec::default() }
    })
}

fn guest() -> impl Strategy<Value = GuestSpec> {
    let size = ((1_u64 << 20)..=(1 << 43), 1..=255_u32);
    let kernel = option::of((path(), option::of(path())));
    let disks = (vec(disk(), 0..4), option::of(path()), any::<bool>(), option::of(bytes()));
    let shown = (
        option::of(select(vec![NetSpec::None, NetSpec::User])),
        select(vec![DisplaySpec::None, DisplaySpec::Vnc]),
        any::<bool>(),
        option::of(select(vec![Accelerator::Kvm, Accelerator::Tcg])),
    );
    (size, kernel, option::of(any::<String>()), disks, shown).prop_map(
        |((memory, cpus), kernel, append, (disks, cdrom, ephemeral, scratch), shown)| {
            let (kernel, initrd) = kernel.map_or((None, None), |(kernel, rd)| (Some(kernel), rd));
            let (net, display, gdb, accelerator) = shown;
            let memory = Bytes(memory);
            let scratch = scratch.filter(|_| ephemeral);
            let sizes = GuestSpec { memory, cpus, scratch, ephemeral, ..GuestSpec::default() };
            let sources = GuestSpec { kernel, initrd, append, disks, cdrom, ..sizes };
            let code = sources.cdrom.clone();
            let firmware =
                code.map(|code| FirmwareSpec { vars: Some(code.clone()), code, rom: false });
            let serial = match &firmware {
                Some(firmware) => vec![SerialSpec::File(firmware.code.clone()), SerialSpec::Null],
                None => vec![SerialSpec::Console],
            };
            GuestSpec { net, display, gdb, accelerator, firmware, serial, ..sources }
        },
    )
}

fn command() -> impl Strategy<Value = CommandSpec> {
    let paths = || vec(path(), 0..3);
    let share = (path(), group()).prop_map(|(path, with)| ShareSpec { path, with });
    (vec(any::<String>(), 1..5), path(), (paths(), paths(), paths(), paths()), vec(share, 0..3))
        .prop_map(|(command, directory, (ro, rw, dev, allow_exec), share)| CommandSpec {
            command,
            directory,
            ro,
            rw,
            share,
            dev,
            allow_exec,
        })
}

fn spec() -> impl Strategy<Value = Spec> {
    let name = option::of(group().prop_map(|name| name.as_str().parse::<MachineName>().unwrap()));
    let nothing = Just((None, None));
    let body = prop_oneof![
        nothing,
        guest().prop_map(|guest| (Some(guest), None)),
        command().prop_map(|command| (None, Some(command))),
    ];
    (name, body, layers(), layers()).prop_map(|(name, (guest, command), require, weaken)| Spec {
        version: VERSION,
        name,
        guest,
        command,
        require,
        weaken,
        ..Spec::default()
    })
}

/// Every text that this JSON becomes when one of its objects gets a field that nobody knows.
fn with_a_stray_field(value: &Value) -> Vec<Value> {
    let inside = |put: &dyn Fn(Value) -> Value, value: &Value| -> Vec<Value> {
        with_a_stray_field(value).into_iter().map(put).collect()
    };
    match value {
        Value::Object(fields) => {
            let mut stray = fields.clone();
            stray.insert("stray".into(), Value::Null);
            let deeper = fields.iter().flat_map(|(key, field)| {
                inside(
                    &|changed| {
                        let mut fields = fields.clone();
                        fields.insert(key.clone(), changed);
                        Value::Object(fields)
                    },
                    field,
                )
            });
            std::iter::once(Value::Object(stray)).chain(deeper).collect()
        }
        Value::Array(items) => {
            let each = items.iter().enumerate().flat_map(|(index, item)| {
                inside(
                    &|changed| {
                        let mut items = items.clone();
                        items[index] = changed;
                        Value::Array(items)
                    },
                    item,
                )
            });
            each.collect()
        }
        _ => Vec::new(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(spec in spec()) {
        let text = serde_json::to_vec(&spec).unwrap();
        prop_assert_eq!(read(&text).unwrap(), spec);
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..512)) {
        let _ = case::answer(&bytes);
    }

    #[test]
    fn a_specification_with_a_byte_changed_is_answered(
        spec in spec(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut text = serde_json::to_vec(&spec).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        let _ = case::answer(&text);
    }

    #[test]
    fn a_specification_that_was_cut_is_refused(
        spec in spec(), at in any::<proptest::sample::Index>(),
    ) {
        let text = serde_json::to_vec(&spec).unwrap();
        let cut = &text[..at.index(text.len())];
        prop_assert!(matches!(case::answer(cut), Err(SpecError::Form(_))));
    }

    #[test]
    fn a_field_that_is_not_known_is_refused_wherever_it_stands(spec in spec()) {
        let strays = with_a_stray_field(&serde_json::to_value(&spec).unwrap());
        prop_assert!(!strays.is_empty());
        for stray in strays {
            let text = serde_json::to_vec(&stray).unwrap();
            prop_assert!(matches!(case::answer(&text), Err(SpecError::Form(_))), "{}", stray);
        }
    }
}

#[test]
fn an_array_is_no_object() {
    for text in [r#"[1]"#, r#"{"version":1,"guest":{"disks":[["/a",null,null,true,null]]}}"#] {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
}
