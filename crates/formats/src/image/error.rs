//! Why an image was refused, and what its owner can do. Text from an image is always printed
//! escaped: it is somebody else's and may hold a terminal's control codes.

use svirt_model::ImageFormat;

/// An image, or a name that an image holds, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The signature of the stated format is not where it must be.
    #[error("the file has no {format} signature, so it is no {format} image")]
    Signature {
        /// The stated format.
        format: ImageFormat,
    },
    /// The file ends inside its own header.
    #[error("the {format} header needs {need} bytes, and there are {have}")]
    Truncated {
        /// The stated format.
        format: ImageFormat,
        /// How far the header reaches, in bytes.
        need: u64,
        /// How long the file is, in bytes.
        have: u64,
    },
    /// The header refers to bytes farther into the file than are ever read.
    #[error("the {format} header reaches to byte {need}, farther than is read of one")]
    TooFar {
        /// The stated format.
        format: ImageFormat,
        /// How far the header reaches, in bytes.
        need: u64,
    },
    /// A field holds what it cannot hold.
    #[error("the {format} header's {field} is {value}: {rule}")]
    Field {
        /// The stated format.
        format: ImageFormat,
        /// The field, as the format's specification calls it.
        field: &'static str,
        /// What was found.
        value: u64,
        /// What may be there.
        rule: &'static str,
    },
    /// The image is valid, and of a kind that sVirt does not start a machine from.
    #[error("{format} images {what} are not supported")]
    Unsupported {
        /// The stated format.
        format: ImageFormat,
        /// Which images those are.
        what: &'static str,
    },
    /// A feature that a reader must know to open the image is not known.
    #[error("the qcow2 header has the unknown incompatible feature bit {bit} set")]
    Feature {
        /// The lowest such bit, 0 to 63.
        bit: u32,
    },
    /// A part of the header occurs twice, so that two readers may see different images.
    #[error("the {format} header has more than one {what}")]
    Twice {
        /// The stated format.
        format: ImageFormat,
        /// The part.
        what: &'static str,
    },
    /// A text in a header, or one that would be written into one, is no usable name.
    #[error("the {what} {rule}")]
    Name {
        /// Whose text it is.
        what: &'static str,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// The image names its backing file and not that file's format.
    #[error("the image names the backing file {file:?} and does not state its format")]
    BackingFormatUnstated {
        /// The backing file's name, as it stands in the header.
        file: String,
    },
    /// The image states a backing format that sVirt does not read.
    #[error("the image states the unknown format {format:?} for its backing file {file:?}")]
    BackingFormatUnknown {
        /// The backing file's name, as it stands in the header.
        file: String,
        /// The stated format.
        format: String,
    },
    /// A file name is one that QEMU would not take for a path.
    #[error("{name:?} is no path: a VMM reads it as a name of the protocol {protocol:?}")]
    Protocol {
        /// The name.
        name: String,
        /// What stands before its first colon.
        protocol: String,
    },
    /// A file name is relative, and not to the image's directory but to wherever a VMM was
    /// started.
    #[error("the path in {name:?} would be looked up in the directory where the VMM is started")]
    Adrift {
        /// The name.
        name: String,
    },
    /// A disk is larger than is possible.
    #[error("a disk of {size} bytes is larger than the most possible, {most} bytes")]
    Size {
        /// The asked or claimed size, in bytes.
        size: u64,
        /// The largest, in bytes.
        most: u64,
    },
    /// A new image cannot have clusters of this size.
    #[error("a new qcow2 image has clusters of 2^16 to 2^21 bytes, not of 2^{bits}")]
    ClusterBits {
        /// The asked size, as a power of two.
        bits: u32,
    },
}

impl ImageError {
    /// What to do about it, as a line of its own for people.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Signature { .. } => {
                "state the format that the image really has; sVirt does not guess it from the \
                 content, because a guest may have written that"
            }
            Self::BackingFormatUnstated { .. } | Self::BackingFormatUnknown { .. } => {
                "write the format into the image: qemu-img rebase -u -b FILE -F FORMAT IMAGE"
            }
            Self::Unsupported { format: ImageFormat::Luks, .. } => {
                "open it with cryptsetup and give the machine the device"
            }
            Self::Unsupported { .. } | Self::TooFar { .. } | Self::Feature { .. } => {
                "convert it: qemu-img convert -f FORMAT -O qcow2 OLD NEW.qcow2"
            }
            Self::Protocol { .. } => "a file whose name has a colon in it is written as ./NAME",
            Self::Adrift { .. } => "write the absolute path into the image",
            _ => return None,
        })
    }
}
