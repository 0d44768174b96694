//! What holds for any QEMU command line.

#[allow(dead_code)] // The fuzz target also decodes bytes.
#[path = "../../../fuzz/cases/qemu_command_line.rs"]
mod qemu_command_line;
mod qemu_support;

use proptest::prelude::*;
use qemu_command_line::check;
use qemu_support::{line, reading, thing};
use svirt_formats::command_line::Thing;
use svirt_formats::qemu::keyval::{Options, escape};
use svirt_formats::qemu::{KnownOption, options, read};
use svirt_model::Argument;

/// A path that QEMU takes for one: with commas, equals signs and quotes, without a colon before
/// the first slash.
fn path() -> impl Strategy<Value = String> {
    r#"(/|\./)[a-z,='" {}:\\.é-]{0,12}[a-z,=]"#
}

/// Values as hostile or odd as a shell can pass them.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z,=./:{}\"]{0,30}",
        r"(file|driver|path|addr\.path|server|backing\.file\.filename|type)=[a-z/,]{0,8}",
        r#"\{("[a-z.]{1,6}":("[a-z/]{0,6}"|[0-9]{1,3}|true|null|\{\}|\[\]),?){0,4}\}"#,
        path(),
    ]
}

fn option() -> impl Strategy<Value = KnownOption> {
    prop::sample::select(options().collect::<Vec<_>>())
}

fn flattened(argument: &Argument) -> String {
    line(std::slice::from_ref(argument))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_words_are_answered(words in prop::collection::vec(word(), 0..6)) {
        let _ = check(&words);
    }

    #[test]
    fn any_value_of_any_option_is_answered(
        pairs in prop::collection::vec((option(), any::<prop::sample::Index>(), word()), 1..4),
    ) {
        let mut arguments = Vec::new();
        for (option, which, value) in pairs {
            arguments.push(format!("-{}", option.names[which.index(option.names.len())]));
            if option.takes_value {
                arguments.push(value);
            }
        }
        let _ = check(&arguments);
    }

    #[test]
    fn escaped_values_come_back(
        keys in prop::collection::vec(("[a-z][a-z.-]{0,8}", any::<String>()), 1..6),
    ) {
        let parts = keys.iter().map(|(key, value)| format!("{key}={}", escape(value)));
        let text = parts.collect::<Vec<_>>().join(",");
        let options = Options::parse(&text, None).expect("it is well formed");
        let read: Vec<(String, String)> = options
            .entries()
            .iter()
            .map(|entry| (entry.key.clone(), entry.text().to_owned()))
            .collect();
        prop_assert_eq!(read, keys);
    }

    #[test]
    fn implied_values_come_back(value in "[^=]{0,20}", other in any::<String>()) {
        let text = format!("{},key={}", escape(&value), escape(&other));
        let options = Options::parse(&text, Some("first")).expect("it is well formed");
        if !options.ask_for_help() {
            prop_assert_eq!(options.text("first").expect("once"), Some(value.as_str()));
            prop_assert_eq!(options.text("key").expect("once"), Some(other.as_str()));
        }
    }

    #[test]
    fn drives_are_found_exactly(path in path()) {
        let drive = format!("if=virtio,file={},format=raw", escape(&path));
        let found = reading(&["-drive", &drive]).found;
        let things: Vec<String> = found.iter().map(|found| thing(&found.what)).collect();
        prop_assert_eq!(things, vec![format!("image {path} raw w")]);
        let found = reading(&["-hda", &path]).found;
        prop_assert_eq!(thing(&found[0].what), format!("image {path} ? w"));
        let node = serde_json::json!({"driver": "raw", "node-name": "n",
            "file": {"driver": "file", "filename": path}});
        let found = reading(&["-blockdev", &node.to_string()]).found;
        prop_assert_eq!(thing(&found[0].what), format!("image {path} raw w"));
    }

    #[test]
    fn sockets_are_found_and_replaced_exactly(path in path(), wait in any::<bool>()) {
        let wait = if wait { "on" } else { "off" };
        let text = format!("socket,id=c,path={},server=on,wait={wait}", escape(&path));
        let read = reading(&["-chardev", &text]);
        prop_assert_eq!(thing(&read.found[0].what), format!("listen 0 {path}"));
        let wanted = format!("socket,id=c,path={{0}},server=on,wait={wait}");
        prop_assert_eq!(flattened(&read.arguments[1]), wanted);
    }

    #[test]
    fn sockets_in_json_are_found_and_the_rest_is_kept(path in path(), id in "[a-z\"\\\\é]{1,8}") {
        let value = serde_json::json!({"type": "stream", "id": id, "server": true,
            "addr": {"type": "unix", "path": path}});
        let read = reading(&["-netdev", &value.to_string()]);
        prop_assert_eq!(thing(&read.found[0].what), format!("listen 0 {path}"));
        let again: serde_json::Value =
            serde_json::from_str(&flattened(&read.arguments[1])).expect("it is JSON");
        prop_assert_eq!(&again["addr"]["path"], "{0}");
        prop_assert_eq!(&again["id"], &value["id"]);
        prop_assert_eq!(&again["server"], true);
    }

    #[test]
    fn what_names_nothing_is_left_as_it_is(words in prop::collection::vec(word(), 0..6)) {
        let positional = words.iter().any(|word| !word.starts_with('-'));
        if let (Ok(read), false) = (read(&words), positional) {
            let listens = |thing: &Thing| matches!(thing, Thing::Listen { .. });
            if !read.found.iter().any(|found| listens(&found.what)) {
                let same: Vec<String> = read.arguments.iter().map(flattened).collect();
                prop_assert_eq!(same, words);
            }
        }
    }
}
