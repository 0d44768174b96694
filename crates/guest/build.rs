//! Builds the guest image with the toolchain that builds the crate.
//!
//! The image is a freestanding program, but it needs no target of its own: `core` of an x86_64
//! host target is enough, given a linker script and an entry that switches on what that `core`
//! expects of the processor (long mode and SSE). On any other target there is no image, and the
//! library says so.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = "src/image.rs";
const SCRIPT: &str = "src/guest/image.ld";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-check-cfg=cfg(embedded_guest)");
    for input in ["build.rs", ROOT, "src/guest"] {
        println!("cargo::rerun-if-changed={input}");
    }
    if env::var("CARGO_CFG_TARGET_ARCH")? == "x86_64" {
        build_image()?;
        println!("cargo::rustc-cfg=embedded_guest");
    }
    Ok(())
}

fn build_image() -> Result<(), Box<dyn Error>> {
    let source = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let result = rustc(&source, &out)?.output()?;
    let messages = String::from_utf8_lossy(&result.stderr);
    if !result.status.success() {
        eprint!("{messages}");
        return Err("the guest image does not build".into());
    }
    for line in messages.lines() {
        println!("cargo::warning={line}");
    }
    Ok(())
}

/// The one compiler call. `RUSTFLAGS` is left out on purpose: flags for the host program (CPU,
/// coverage, sanitizers) must not change the image.
fn rustc(source: &Path, out: &Path) -> Result<Command, Box<dyn Error>> {
    let mut rustc = Command::new(env::var("RUSTC")?);
    rustc
        .arg("--crate-name=svirt_guest_image")
        .args(["--crate-type=bin", "--edition=2024", "--target"])
        .arg(env::var("TARGET")?)
        // The image never unwinds, and is loaded where it was linked.
        .args(["-Cpanic=abort", "-Cforce-unwind-tables=no", "-Crelocation-model=static"])
        // One whole-program unit: small, and the same bytes each time.
        .args(["-Copt-level=z", "-Clto=fat", "-Ccodegen-units=1", "-Cstrip=symbols"])
        .args(["-Clink-arg=-nostdlib", "-Clink-arg=-static", "-Clink-arg=-Wl,--build-id=none,-n"])
        .arg(format!("-Clink-arg=-Wl,-T,{}", source.join(SCRIPT).display()))
        // Panic messages name files; the place of the build tree must not reach the image.
        .arg(format!("--remap-path-prefix={}=", source.display()))
        .arg("-o")
        .arg(out.join("guest.elf"))
        .arg(source.join(ROOT));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    Ok(rustc)
}
