//! From the errors of the parts to failures: each gets the code and the hint that its kind deserves,
//! here and nowhere else.

use crate::{Code, Failure};
use std::io::ErrorKind;
use svirt_formats::{
    domain::{AmendError, Undescribed},
    image::ImageError,
    saved::SavedError,
    spec::SpecError,
};
use svirt_host::{
    HostError, launch::LaunchError, mac::semodule::SemoduleError, pin::PinError,
    sources::SourceError,
};
use svirt_model::label::LabelError;
use svirt_plan::{Conflict, PlanError, allocate::AllocateError};
use svirt_store::StoreError;

fn io_code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::PermissionDenied => Code::Denied,
        ErrorKind::InvalidData => Code::Data,
        _ => Code::Host,
    }
}

/// The way out that the kernel's answer leaves, whatever it was about.
fn io_hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::NotFound => Some("check the name: nothing is there"),
        ErrorKind::PermissionDenied => Some("give this user the right to it, or choose another"),
        ErrorKind::ReadOnlyFilesystem => {
            Some("choose a place that can be written, or mount it for writing")
        }
        ErrorKind::QuotaExceeded => {
            Some("`quota` shows whose it is: free some of what is theirs, or have it raised")
        }
        ErrorKind::StorageFull => Some("free some space and try again"),
        _ => None,
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let hint = io_hint(error.kind());
        Failure::from_error(io_code(error.kind()), &error).maybe_hint(hint)
    }
}

impl From<PinError> for Failure {
    fn from(error: PinError) -> Self {
        let code = match &error {
            PinError::Unreachable(_, source) => io_code(source.kind()),
            PinError::DeviceBusy(_) | PinError::Replaced(_) => Code::InUse,
            _ => Code::Data,
        };
        let hint = match &error {
            PinError::Unreachable(_, source) => io_hint(source.kind()),
            other => other.hint(),
        };
        Failure::from_error(code, &error).maybe_hint(hint)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Pin(error) => error.into(),
            SourceError::Host(error) => error.into(),
        }
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Host(error) => error.into(),
            other => Failure::from_error(Code::Host, &other),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let code = match &error {
            PlanError::Unmet { .. }
            | PlanError::Unconfined
            | PlanError::NoModel { .. }
            | PlanError::NoProfile(_)
            | PlanError::NoImageLabel { .. }
            | PlanError::Unlabelled { .. } => Code::Unconfined,
            PlanError::NoRight { .. } | PlanError::NoEntry { .. } => Code::Denied,
            PlanError::TakenLabel { .. }
            | PlanError::Covered { .. }
            | PlanError::Labelled { .. }
            | PlanError::Unsearched(_) => Code::InUse,
            PlanError::Allocate(AllocateError::NoPair { .. } | AllocateError::NoGroup { .. }) => {
                Code::InUse
            }
            PlanError::Unreserved(_) | PlanError::Unseen(_) => Code::Internal,
            PlanError::Collision { .. }
            | PlanError::Place { .. }
            | PlanError::Text(_)
            | PlanError::Allocate(_)
            | PlanError::Profile(_)
            | PlanError::NoBase { .. }
            | PlanError::ForeignLabel { .. }
            | PlanError::OpenImages { .. }
            | PlanError::HardLinked { .. }
            | PlanError::TwoLabels { .. }
            | PlanError::Within { .. } => Code::Data,
            PlanError::Unplaced(_) => Code::Internal,
        };
        Failure::from_error(code, &error).maybe_hint(error.hint())
    }
}

impl From<SemoduleError> for Failure {
    fn from(error: SemoduleError) -> Self {
        let code = match error {
            SemoduleError::Host(error) => return error.into(),
            SemoduleError::Program(error) => return error.into(),
            SemoduleError::NoProgram | SemoduleError::Untrusted(_) => Code::Unavailable,
            SemoduleError::Refused { .. } => Code::Host,
        };
        Failure::from_error(code, &error).maybe_hint(error.hint())
    }
}

impl From<Conflict> for Failure {
    fn from(error: Conflict) -> Self {
        Failure::from_error(Code::InUse, &error).hint(error.hint())
    }
}

impl From<SavedError> for Failure {
    fn from(error: SavedError) -> Self {
        Failure::from_error(Code::Data, &error)
    }
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        Failure::from_error(Code::Data, &error).maybe_hint(error.hint())
    }
}

impl From<LabelError> for Failure {
    fn from(error: LabelError) -> Self {
        Failure::from_error(Code::Data, &error)
    }
}

impl From<Undescribed> for Failure {
    fn from(error: Undescribed) -> Self {
        Failure::from_error(Code::Data, &error)
            .hint("its specification is in `svirt inspect --json`")
    }
}

impl From<AmendError> for Failure {
    fn from(error: AmendError) -> Self {
        let hint = match &error {
            AmendError::Domain(error) => Some(error.hint().into_owned()),
            AmendError::Memory(_) | AmendError::Vcpus(_) => {
                Some("raise what it may have first: virsh setmaxmem, or setvcpus --maximum".into())
            }
            _ => None,
        };
        let code = match &error {
            AmendError::Memory(_) | AmendError::Vcpus(_) => Code::Usage,
            _ => Code::Data,
        };
        Failure::from_error(code, &error).maybe_hint(hint)
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Failure::from_error(Code::Data, &error).maybe_hint(error.hint())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NameInUse { .. }
            | StoreError::IdentityInUse { .. }
            | StoreError::Running { .. } => Code::InUse,
            StoreError::NotDefined { .. } | StoreError::NotLive { .. } => Code::NotFound,
            _ => Code::Host,
        };
        Failure::from_error(code, &error).maybe_hint(error.hint())
    }
}
