//! What must hold of anything that either end of libvirt's protocol may send. Shared by the fuzz target and
//! by the tests that run the corpus and recorded conversations without a fuzzer.

use svirt_rpc::{
    Error, Event, Malformed, Procedure, Program,
    frame::{Broken, Frame, Incoming, Kind, Status},
    from_bytes, to_bytes,
};

/// What came of one message: the procedure that it is for, and whether what it says could be read.
pub(crate) type Asked = (&'static str, Result<(), Malformed>);

/// Takes everything that a peer has sent, and panics if something is made of it that must never be. Of what
/// could be read of calls, the answer is told.
pub(crate) fn answer(data: &[u8]) -> Result<Vec<Asked>, Broken> {
    let calls = |kind| matches!(kind, Kind::Call | Kind::CallWithDescriptors);
    let asked = said(data)?.into_iter().filter(|(frame, _)| calls(frame.header.kind));
    Ok(asked
        .filter_map(|(frame, read)| Some((procedure(&frame)?.name, read?.map(|_| ()))))
        .collect())
}

/// What is written of what was read of a message: nothing of a stream's bytes, and of what has no row in the
/// table.
pub(crate) type Again = Option<Result<Vec<u8>, Malformed>>;

/// Every message, and itself again.
pub(crate) fn said(data: &[u8]) -> Result<Vec<(Frame, Again)>, Broken> {
    let mut incoming = Incoming::default();
    incoming.push(data);
    let (mut said, mut read) = (Vec::new(), 0);
    while let Some(frame) = incoming.frame()? {
        let bytes = frame.bytes().expect("what was read can be written");
        assert_eq!(bytes, data[read..read + bytes.len()]);
        read += bytes.len() + frame.descriptors as usize;
        let again = again(&frame, &frame.payload);
        if let Some(Ok(again_written)) = &again {
            // What means nothing, as the bytes that fill a word, is left out once and for all.
            assert_eq!(self::again(&frame, again_written), again);
        }
        said.push((frame, again));
    }
    Ok(said)
}

fn again(frame: &Frame, payload: &[u8]) -> Again {
    match (frame.header.kind, frame.header.status) {
        (Kind::Call | Kind::CallWithDescriptors, _) => {
            Some(procedure(frame)?.arguments_again(payload))
        }
        // Who aborts a stream does not say why.
        (Kind::Stream, Status::Error) if payload.is_empty() => None,
        (Kind::Reply | Kind::Stream, Status::Error) => {
            Some(from_bytes::<Error>(payload).map(|error| to_bytes(&error).expect("it was read")))
        }
        (Kind::Reply | Kind::ReplyWithDescriptors, _) => {
            Some(procedure(frame)?.reply_again(payload))
        }
        (Kind::Event, _) if frame.header.program == Program::Remote as u32 => {
            let event = Event::read(frame.header.procedure, payload);
            Some(event.map(|event| event.frame().expect("it was read").payload))
        }
        (Kind::Event | Kind::Stream | Kind::StreamHole, _) => None,
    }
}

fn procedure(frame: &Frame) -> Option<&'static Procedure> {
    Procedure::find(Program::find(frame.header.program)?, frame.header.procedure)
}
