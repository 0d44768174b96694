//! QEMU itself: what a person says to its monitor.

use super::{Answer, Call};
use crate::failure::{argument, error, only};
use serde_json::{Value, json};
use svirt_rpc::{Domain, table};

/// In the words of its monitor for people (`VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP`).
const FOR_PEOPLE: u32 = 1;

impl table::Monitor for Call {
    fn domain_monitor_command(
        &mut self,
        domain: Domain,
        command: String,
        flags: u32,
    ) -> Answer<String> {
        only(flags, FOR_PEOPLE)?;
        let known = self.daemon.running(&domain)?;
        let monitor = |name: &str, arguments: &Value| {
            self.daemon.engine.monitor(&known.name, name, arguments).map_err(|f| error(&f))
        };
        if flags & FOR_PEOPLE != 0 {
            let said = monitor("human-monitor-command", &json!({ "command-line": command }))?;
            return Ok(said.as_str().unwrap_or_default().to_owned());
        }
        let asked: Value =
            serde_json::from_str(&command).map_err(|e| argument(&format!("not JSON: {e}")))?;
        let name = asked.get("execute").and_then(Value::as_str);
        let name = name.ok_or_else(|| argument("a command has the form {\"execute\": NAME}"))?;
        let none = json!({});
        let said = monitor(name, asked.get("arguments").unwrap_or(&none))?;
        Ok(json!({ "return": said, "id": asked.get("id").unwrap_or(&json!("svirtd")) }).to_string())
    }

    fn domain_agent_command(
        &mut self,
        domain: Domain,
        _: String,
        _: i32,
        _: u32,
    ) -> Answer<Option<String>> {
        self.ask_guest(&domain)
    }
}
