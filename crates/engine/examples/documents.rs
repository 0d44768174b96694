//! What libvirt's clients are given, on standard output: for tests, and to see it without a client.
//!
//! `documents capabilities`, `documents kind [MACHINE [TYPE]]`, `documents host`; of a document on
//! standard input, `documents check`, `documents native`; of a machine, `documents domain NAME [inactive]`,
//! `documents title NAME [TEXT]`, `documents vcpus NAME COUNT`.

use std::process::ExitCode;
use svirt_engine::{Amendment, Code, Described, Engine, Failure, XmlFlags, model::MachineName};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match said(&words) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            failure.hint.iter().for_each(|hint| eprintln!("hint: {hint}"));
            ExitCode::from(u8::try_from(failure.code as i32).unwrap_or(1))
        }
    }
}

fn said(words: &[&str]) -> Result<String, Failure> {
    let engine = Engine::new()?;
    match words {
        ["capabilities"] => engine.capabilities(),
        ["kind", rest @ ..] => {
            engine.domain_capabilities(None, None, rest.first().copied(), rest.get(1).copied())
        }
        ["check"] => Ok(engine.check_domain(&given()?).map(|read| format!("{read:?}"))?),
        ["native"] => engine.domain_to_native(&given()?),
        ["domain", name, how @ ..] => engine.domain_xml(&named(name)?, flags(how)),
        ["title", name] => Ok(engine.title(&named(name)?, Described::Defined)?.unwrap_or_default()),
        ["title", name, text] => changed(&engine, name, &Amendment::Title(Some((*text).into()))),
        ["vcpus", name, count] => {
            let count = count.parse().map_err(|e| Failure::from_error(Code::Usage, &e))?;
            changed(&engine, name, &Amendment::Vcpus(count))
        }
        ["host"] => Ok(format!("{:?}", engine.host_info())),
        _ => Err(Failure::new(Code::Usage, "there is no such document")),
    }
}

fn given() -> Result<String, Failure> {
    std::io::read_to_string(std::io::stdin())
        .map_err(|e| Failure::new(Code::Data, format!("standard input: {e}")))
}

fn named(name: &str) -> Result<MachineName, Failure> {
    name.parse().map_err(|e| Failure::from_error(Code::Usage, &e))
}

fn changed(engine: &Engine, name: &str, amendment: &Amendment) -> Result<String, Failure> {
    engine.amend(&named(name)?, amendment).map(|()| String::new())
}

fn flags(words: &[&str]) -> XmlFlags {
    XmlFlags { inactive: words.contains(&"inactive"), ..XmlFlags::default() }
}
