//! As much of VNC's protocol as it takes to look at a screen once (RFC 6143). The other side is a VMM:
//! nothing that it says is believed further than it reaches.

use std::io::{self, ErrorKind, Read, Write};

/// No screen has more dots.
const DOTS_MAX: usize = 1 << 24;
/// What is passed over at once, in bytes.
const SKIP: u64 = 1 << 20;
/// Four bytes a dot, blue first, as true colours.
const PIXELS: [u8; 16] = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
/// Dots as they are (`Raw`).
const RAW: i32 = 0;

/// What a screen shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    width: usize,
    height: usize,
    /// Red, green and blue of each dot, from the left to the right and from the top down.
    dots: Vec<[u8; 3]>,
}

impl Picture {
    pub(crate) fn mime(&self) -> &'static str {
        "image/x-portable-pixmap"
    }

    pub(crate) fn ppm(&self) -> Vec<u8> {
        let head = format!("P6\n{} {}\n255\n", self.width, self.height);
        [head.as_bytes(), self.dots.as_flattened()].concat()
    }
}

/// Looks at a screen. There is no end to what may come: whoever gives the screen has to have one.
///
/// # Errors
/// The other side speaks something else, or wants a password; those of reading.
pub(crate) fn picture(screen: &mut (impl Read + Write)) -> io::Result<Picture> {
    let (width, height) = greet(screen)?;
    let mut view = View::new(width, height)?;
    let [wide, wide_too] = width.to_be_bytes();
    let [high, high_too] = height.to_be_bytes();
    // SetPixelFormat, SetEncodings, FramebufferUpdateRequest of everything.
    screen.write_all(&[&[0, 0, 0, 0], &PIXELS[..]].concat())?;
    screen.write_all(&[&[2, 0, 0, 1], &RAW.to_be_bytes()[..]].concat())?;
    screen.write_all(&[3, 0, 0, 0, 0, 0, wide, wide_too, high, high_too])?;
    while view.missing > 0 {
        message(screen, &mut view)?;
    }
    Ok(view.picture)
}

/// Becomes one viewer of several; says how large the screen is.
fn greet(screen: &mut (impl Read + Write)) -> io::Result<(u16, u16)> {
    let version: [u8; 12] = some(screen)?;
    if !version.starts_with(b"RFB 003.008") {
        return Err(odd("it does not speak VNC 3.8"));
    }
    screen.write_all(&version)?;
    let [count] = some(screen)?;
    let mut kinds = vec![0; count.into()];
    screen.read_exact(&mut kinds)?;
    if !kinds.contains(&1) {
        return Err(odd("it wants a password"));
    }
    screen.write_all(&[1])?;
    if some(screen)? != [0; 4] {
        return Err(odd("it lets nobody look"));
    }
    screen.write_all(&[1])?;
    let size = (u16::from_be_bytes(some(screen)?), u16::from_be_bytes(some(screen)?));
    let _pixels: [u8; 16] = some(screen)?;
    let name = u32::from_be_bytes(some(screen)?);
    skip(screen, name.into())?;
    Ok(size)
}

/// Takes one message, whatever it is.
fn message(screen: &mut impl Read, view: &mut View) -> io::Result<()> {
    match some(screen)? {
        [0] => {
            let [_, count @ ..]: [u8; 3] = some(screen)?;
            (0..u16::from_be_bytes(count)).try_for_each(|_| view.rectangle(screen))
        }
        // The colours of a map, which true colours do not have.
        [1] => {
            let [_, _, _, count @ ..]: [u8; 5] = some(screen)?;
            skip(screen, u64::from(u16::from_be_bytes(count)) * 6)
        }
        [2] => Ok(()),
        // Text for the clipboard.
        [3] => {
            let [_, _, _, length @ ..]: [u8; 7] = some(screen)?;
            skip(screen, u32::from_be_bytes(length).into())
        }
        _ => Err(odd("it says what nobody asked for")),
    }
}

/// What was seen already.
struct View {
    picture: Picture,
    seen: Vec<bool>,
    missing: usize,
}

impl View {
    fn new(width: u16, height: u16) -> io::Result<Self> {
        let (width, height) = (usize::from(width), usize::from(height));
        let missing = width * height;
        if !(1..=DOTS_MAX).contains(&missing) {
            return Err(odd("its screen has no size"));
        }
        let picture = Picture { width, height, dots: vec![[0; 3]; missing] };
        Ok(Self { picture, seen: vec![false; missing], missing })
    }

    fn rectangle(&mut self, screen: &mut impl Read) -> io::Result<()> {
        let mut number = || Ok::<_, io::Error>(usize::from(u16::from_be_bytes(some(screen)?)));
        let (left, top, width, height) = (number()?, number()?, number()?, number()?);
        if i32::from_be_bytes(some(screen)?) != RAW {
            return Err(odd("it draws as nobody asked for"));
        }
        if left + width > self.picture.width || top + height > self.picture.height {
            return Err(odd("it draws outside of its screen"));
        }
        let mut row = vec![0; width * 4];
        for line in top..top + height {
            screen.read_exact(&mut row)?;
            let start = line * self.picture.width + left;
            self.draw(start, &row);
        }
        Ok(())
    }

    fn draw(&mut self, start: usize, row: &[u8]) {
        let (dots, seen) = (self.picture.dots.iter_mut(), self.seen.iter_mut());
        for ((dot, seen), bytes) in dots.zip(seen).skip(start).zip(row.chunks_exact(4)) {
            if let [blue, green, red, _] = bytes {
                *dot = [*red, *green, *blue];
            }
            self.missing -= usize::from(!std::mem::replace(seen, true));
        }
    }
}

fn some<const LENGTH: usize>(from: &mut impl Read) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(from: &mut impl Read, count: u64) -> io::Result<()> {
    if count > SKIP {
        return Err(odd("it says too much"));
    }
    let skipped = io::copy(&mut from.take(count), &mut io::sink())?;
    if skipped == count { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn odd(what: &'static str) -> io::Error {
    io::Error::other(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what it is given, and listens to nothing.
    struct Screen<'a>(&'a [u8]);

    impl Read for Screen<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.0.read(bytes)
        }
    }

    impl Write for Screen<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A screen of two by one dots.
    const GREETING: &[&[u8]] =
        &[b"RFB 003.008\n", &[2, 2, 1], &[0; 4], &[0, 2, 0, 1], &PIXELS, &[0, 0, 0, 1], b"x"];

    fn look(rest: &[&[u8]]) -> io::Result<Picture> {
        picture(&mut Screen(&[GREETING, rest].concat().concat()))
    }

    #[test]
    fn a_picture_may_come_in_parts_and_in_any_order() {
        let right: &[u8] = &[0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 2, 3, 9];
        let left: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 4, 5, 6, 9];
        let bell: &[u8] = &[2];
        let seen = look(&[right, right, bell, left]).unwrap();
        assert_eq!(seen.ppm(), [&b"P6\n2 1\n255\n"[..], &[6, 5, 4, 3, 2, 1]].concat());
        assert!(look(&[right, right]).is_err(), "the left is missing");
    }

    #[test]
    fn nothing_is_drawn_outside_of_the_screen() {
        for rectangle in [[0, 1, 0, 0, 0, 2, 0, 1], [0, 0, 0, 1, 0, 1, 0, 1], [255; 8]] {
            let said = [&[0, 0, 0, 1], &rectangle[..], &[0; 64]].concat();
            let refused = look(&[&said]).unwrap_err().to_string();
            assert!(refused.contains("outside"), "{refused}");
        }
    }

    #[test]
    fn whatever_is_said_comes_to_an_end() {
        let all = [GREETING, &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5]]];
        let all = all.concat().concat();
        for at in 0..all.len() {
            for byte in [0, 1, 3, 127, 255] {
                let mut said = all.clone();
                if let Some(changed) = said.get_mut(at) {
                    *changed = byte;
                }
                // It ends, with an error or without.
                let _ = picture(&mut Screen(&said));
                assert!(picture(&mut Screen(&said[..at])).is_err());
            }
        }
    }
}
