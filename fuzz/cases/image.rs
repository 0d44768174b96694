//! What a fuzzer's bytes mean as a disk image, and what must hold of any. Shared by the fuzz
//! target and by the test that runs the corpus without a fuzzer.
//!
//! The first byte is the format (low three bits) and how many MiB of unread bytes lie between
//! start and end of the file (the others). The rest is the file; for a VHDX image, whose parts
//! lie MiBs apart, its first 96 bytes are the region table and the others the metadata.

use std::path::Path;
use svirt_formats::image::{
    Header, ImageError, MAX_VIRTUAL_SIZE, Sample, head_len, inspect, resolve_backing, tail_len,
};
use svirt_model::ImageFormat;

const REGION_TABLE: usize = 192 << 10;
const METADATA: usize = 1 << 20;

/// A file under a stated format.
pub(crate) struct Case {
    format: ImageFormat,
    file: Vec<u8>,
    unread: u64,
}

impl Case {
    /// Reads the fuzzer's bytes; none are no case.
    pub(crate) fn decode(data: &[u8]) -> Option<Self> {
        let (first, rest) = data.split_first()?;
        let format = *ImageFormat::ALL.get(usize::from(first & 7) % ImageFormat::ALL.len())?;
        let file = match format {
            ImageFormat::Vhdx => spread(rest),
            _ => rest.to_vec(),
        };
        Some(Self { format, file, unread: u64::from(first >> 3) << 20 })
    }

    /// Inspects the image and panics if the answer is one that must never be given.
    pub(crate) fn check(&self) -> Result<Header, ImageError> {
        let head = &self.file[..self.file.len().min(head_len(self.format))];
        let tail = &self.file[self.file.len() - self.file.len().min(tail_len(self.format))..];
        let file_len = self.file.len() as u64 + self.unread;
        let answer = inspect(self.format, &Sample { head, tail, file_len });
        match &answer {
            Ok(header) => self.check_header(header),
            Err(refusal) => check_refusal(refusal),
        }
        answer
    }

    fn check_header(&self, header: &Header) {
        assert_eq!(header.format, self.format);
        assert!(header.virtual_size <= MAX_VIRTUAL_SIZE && header.virtual_size.is_multiple_of(512));
        let names_files = header.backing.is_some() || header.data_file.is_some();
        assert!(!names_files || self.format == ImageFormat::Qcow2);
        let stored = serde_json::to_string(header).expect("a header can be stored");
        assert_eq!(serde_json::from_str::<Header>(&stored).ok().as_ref(), Some(header));
        check_names(header);
    }
}

/// What passes for a path is one, without a NUL and under a directory or absolute.
fn check_names(header: &Header) {
    let dir = Path::new("/srv/images");
    if let Some(Ok(name)) = header.backing.as_ref().map(|backing| backing.name()) {
        let path = resolve_backing(dir, &name);
        assert!(path.is_absolute() && !path.as_os_str().as_encoded_bytes().contains(&0));
        assert!(name.as_path().is_absolute() || path.starts_with(dir));
    }
    if let Some(backing) = &header.backing {
        backing.format().map_or_else(|refusal| check_refusal(&refusal), drop);
    }
    if let Some(Ok(path)) = header.data_file.as_ref().map(|data| data.path()) {
        assert!(path.is_absolute());
    }
}

/// Nothing of an image reaches a terminal as it is.
fn check_refusal(refusal: &ImageError) {
    assert!(!refusal.to_string().contains(char::is_control), "{refusal:?}");
}

fn spread(rest: &[u8]) -> Vec<u8> {
    let (regions, metadata) = rest.split_at(rest.len().min(96));
    let mut file = b"vhdxfile".to_vec();
    file.resize(REGION_TABLE, 0);
    file.extend(regions);
    file.resize(METADATA, 0);
    file.extend(metadata);
    file.resize(file.len().max(2 * METADATA), 0);
    file
}
