//! How much memory a command line gives its guest.

use super::keyval::Options;
use svirt_model::Bytes;

/// What `-m` says, or the `memory-backend-*` that is the guest's memory where `-m` is left out. Not what QEMU takes where
/// neither is said: that is the board's.
pub(crate) fn memory(words: &[String]) -> Option<Bytes> {
    let values = || words.iter().zip(words.iter().skip(1));
    let of = |name: &'static str| {
        let is = move |word: &str| word.strip_prefix("--").or(word.strip_prefix('-')) == Some(name);
        values().filter(move |(option, _)| is(option)).map(|(_, value)| value)
    };
    let mut said = of("m").filter_map(|value| size(text(value, "size", "size")?.as_str(), 1 << 20));
    let backend = || {
        let mut wanted =
            of("machine").chain(of("M")).filter_map(|v| text(v, "type", "memory-backend"));
        let wanted = wanted.next_back()?;
        let mut named =
            of("object").filter(|v| text(v, "qom-type", "id").as_ref() == Some(&wanted));
        named.next_back().and_then(|value| size(&text(value, "qom-type", "size")?, 1))
    };
    said.next_back().or_else(backend)
}

fn text(value: &str, implied: &str, key: &str) -> Option<String> {
    let options = Options::parse(value, Some(implied)).ok()?;
    options.text(key).ok().flatten().map(str::to_owned)
}

/// A number with QEMU's suffix (`qemu_strtosz`), or of the usual unit. What follows a point is of no interest beyond
/// thousandths.
fn size(given: &str, usual: u64) -> Option<Bytes> {
    let digits = given.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match given.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => usual,
        "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let parts = part.parse::<u64>().ok()?.checked_mul(unit)? / 1000;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(parts).map(Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_the_command_line_says() {
        let mib = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            memory(&words).map(|bytes| bytes.0 >> 20)
        };
        assert_eq!(mib("-m 512"), Some(512));
        assert_eq!(mib("-M q35 -m 1.5G -smp 2"), Some(1536));
        assert_eq!(mib("-m 512 --m size=2048k,slots=2,maxmem=4G"), Some(2));
        let backend = "-object memory-backend-memfd,id=ram,size=96M,share=on";
        assert_eq!(mib(&format!("-machine q35,memory-backend=ram {backend}")), Some(96));
        assert_eq!(mib(backend), None, "it is not said whose memory that is");
        for none in ["-nodefaults", "-m", "-m x", "-m 99999999999999T", "-name -m"] {
            assert_eq!(mib(none), None, "{none}");
        }
    }
}
