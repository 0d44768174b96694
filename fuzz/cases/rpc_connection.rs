//! What must hold of anything that a client of libvirt's protocol may send. Shared by the fuzz target and
//! by the test that runs the corpus without a fuzzer.

use svirt_rpc::{
    Malformed, Procedure, Program,
    frame::{Broken, Frame, Incoming, Kind},
};

/// What came of one message: the procedure that it is for, and whether its arguments could be read.
pub(crate) type Asked = (&'static str, Result<(), Malformed>);

/// Takes everything that a client has sent, and panics if something is made of it that must never be.
pub(crate) fn answer(data: &[u8]) -> Result<Vec<Asked>, Broken> {
    let mut incoming = Incoming::default();
    incoming.push(data);
    let (mut asked, mut read) = (Vec::new(), 0);
    while let Some(frame) = incoming.frame()? {
        let bytes = frame.bytes().expect("what was read can be written");
        assert_eq!(bytes, data[read..read + bytes.len()]);
        read += bytes.len() + frame.descriptors as usize;
        asked.extend(call(&frame));
    }
    Ok(asked)
}

fn call(frame: &Frame) -> Option<Asked> {
    if !matches!(frame.header.kind, Kind::Call | Kind::CallWithDescriptors) {
        return None;
    }
    let program = Program::find(frame.header.program)?;
    let procedure = Procedure::find(program, frame.header.procedure)?;
    Some((procedure.name, procedure.reads(&frame.payload)))
}
