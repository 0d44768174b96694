//! Claims about machines under kernels other than this host's, in `tests`: each boots one and runs
//! sVirt in it. There is nothing to link with.
#![forbid(unsafe_code)]
