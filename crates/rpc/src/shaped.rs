//! Values that a shape describes, as bytes: from the words of the definitions alone, and not from what
//! writes messages, so that the two can be compared.

/// Makes the bytes of values; what is chosen is chosen by bytes that somebody gives.
struct Maker<'c> {
    chosen: std::slice::Iter<'c, u8>,
    out: Vec<u8>,
}

/// One value for each part of a shape, one after the other.
pub(crate) fn made(shape: &str, chosen: &[u8]) -> Vec<u8> {
    let mut maker = Maker { chosen: chosen.iter(), out: Vec::new() };
    maker.all(shape);
    maker.out
}

/// The first part of a shape, and the others.
fn split(shape: &str) -> (&str, &str) {
    let mut depth = 0;
    let end = shape.char_indices().find_map(|(at, c)| {
        depth += i32::from(matches!(c, '(' | '<')) - i32::from(matches!(c, ')' | '>'));
        let closes = matches!(c, ')' | '>') && !shape[at + 1..].starts_with(';');
        (depth == 0 && (c == ';' || closes)).then_some(at + 1)
    });
    shape.split_at(end.unwrap_or_else(|| panic!("{shape:?} does not end")))
}

impl Maker<'_> {
    fn all(&mut self, mut shape: &str) {
        while !shape.is_empty() {
            let (first, rest) = split(shape);
            self.one(first);
            shape = rest;
        }
    }

    fn one(&mut self, part: &str) {
        if let Some(inner) = part.strip_prefix("*(").and_then(|part| part.strip_suffix(')')) {
            return self.optional(inner);
        }
        if let Some(inner) = part.strip_prefix('<').and_then(|part| part.strip_suffix('>')) {
            return self.list(inner.trim_end_matches(|c: char| c.is_ascii_digit()));
        }
        match part.trim_end_matches(';') {
            "unsigned char" => self.small(1),
            "unsigned short" => self.small(2),
            "int" | "unsigned int" => self.raw(4),
            "hyper" | "unsigned hyper" | "double" => self.raw(8),
            "uuid" => self.raw(16),
            "string" => {
                let text = self.text(16);
                self.counted(text.as_bytes());
            }
            "value" => self.value(),
            other => self.bounded(other),
        }
    }

    fn bounded(&mut self, part: &str) {
        let most: usize = part.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        if part.starts_with("opaque") {
            let count = usize::from(self.next()).min(most);
            let bytes: Vec<u8> = (0..count).map(|_| self.next()).collect();
            return self.counted(&bytes);
        }
        assert!(part.starts_with("char"), "{part}");
        let mut bytes: Vec<u8> = self.text(most - 1).into_bytes();
        bytes.push(0);
        match part.ends_with(']') {
            true => bytes.resize(most, 0),
            false => self.word(bytes.len()),
        }
        let signed = |byte: u8| i32::from(byte.cast_signed()).to_be_bytes();
        self.out.extend(bytes.into_iter().flat_map(signed));
    }

    fn optional(&mut self, inner: &str) {
        let is_there = self.next() % 2 == 1;
        self.word(is_there.into());
        if is_there {
            self.all(inner);
        }
    }

    fn list(&mut self, inner: &str) {
        let count = self.next() % 4;
        self.word(count.into());
        (0..count).for_each(|_| self.all(inner));
    }

    /// `virTypedParameterType`, from 1 on.
    fn value(&mut self) {
        let kinds =
            ["int;", "unsigned int;", "hyper;", "unsigned hyper;", "double;", "int;", "string;"];
        let kind = usize::from(self.next()) % kinds.len();
        self.word(kind + 1);
        self.one(kinds[kind]);
    }

    /// At most so many bytes, without a NUL.
    fn text(&mut self, most: usize) -> String {
        let count = usize::from(self.next()) % 10;
        let mut text: String =
            "a/\n<\u{e4}\u{1f980}".chars().cycle().skip(count).take(count).collect();
        while text.len() > most {
            text.pop();
        }
        text
    }

    fn next(&mut self) -> u8 {
        self.chosen.next().copied().unwrap_or(0)
    }

    fn raw(&mut self, count: usize) {
        (0..count).for_each(|_| {
            let byte = self.next();
            self.out.push(byte);
        });
    }

    /// A number of so many bytes in a word.
    fn small(&mut self, count: usize) {
        self.out.resize(self.out.len() + 4 - count, 0);
        self.raw(count);
    }

    fn word(&mut self, number: usize) {
        self.out.extend(u32::try_from(number).unwrap().to_be_bytes());
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.word(bytes.len());
        self.out.extend(bytes);
        self.out.resize(self.out.len().next_multiple_of(4), 0);
    }
}

#[test]
fn what_is_made_has_its_shape() {
    assert_eq!(split("*(string;<int;7>)int;"), ("*(string;<int;7>)", "int;"));
    assert_eq!(split("<char<5>;char[3];9>"), ("<char<5>;char[3];9>", ""));
    assert_eq!(split("char<5>;int;"), ("char<5>;", "int;"));
    assert_eq!(
        made("*(int;)unsigned short;", &[1, 9, 9, 9, 9, 1, 2]),
        [0, 0, 0, 1, 9, 9, 9, 9, 0, 0, 1, 2]
    );
    assert_eq!(made("<opaque2;7>", &[1, 7, 5, 6]), [0, 0, 0, 1, 0, 0, 0, 2, 5, 6, 0, 0]);
    assert_eq!(made("char[2];", &[1]), [0, 0, 0, b'/', 0, 0, 0, 0]);
}
