//! `svirt doctor` on this very host: what it says of layers is what a plan says, and what is missing
//! is said with a way out.

use svirt_testkit::{Host, Said, claims};

fn doctor(host: &Host, path: Option<&str>) -> Said {
    let mut svirt = host.svirt(&["doctor", "--json"]);
    if let Some(path) = path {
        svirt.env("PATH", path);
    }
    svirt_testkit::Talk::start(svirt).finish()
}

claims! {
    delegated too:
    /// The layers are those that a machine gets here.
    fn what_a_host_is_said_to_give_is_what_a_plan_has(host) {
        let said = doctor(host, None).exits(0);
        assert!(said.out.contains(r#""obstacle":null"#), "{}", said.out);
        let plan = host.run(&["plan", "run", "--net", "none"]).exits(0).out;
        let table = plan.split("VMM: layers").nth(1).expect("a table of layers");
        let rows = table.lines().skip(2).take_while(|line| !line.trim().is_empty());
        for row in rows {
            let mut words = row.split_whitespace();
            let (layer, enforced) = (words.next().unwrap(), words.nth(1).unwrap());
            let found = match enforced {
                "yes" => "in full",
                "partly" => "in part",
                _ => "missing",
            };
            let start = format!(r#""found":"{found}","grade":"#);
            let end = format!(r#""what":"{layer}""#);
            let has = |part: &str| part.contains(&start) && part.contains(&end);
            assert!(said.out.split("},{").any(has), "{row} in {}", said.out);
        }
    }

    /// Each layer that machines get here refuses what it is there for, alone, and one machine gets at
    /// nothing of another's.
    fn what_a_host_is_said_to_give_holds_when_it_is_tried(host) {
        let said = host.run(&["doctor", "--self-test", "--json"]).exits(0);
        let document: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
        let test = &document["self_test"];
        assert_eq!(test["passed"], true);
        assert_eq!(test["machines"]["outcome"], "refuses");
        let attempts = test["machines"]["attempts"].as_array().expect("attempts");
        let memory = attempts.iter().filter(|one| one["attempt"] == "read-memory");
        assert_eq!(memory.map(|one| &one["on"]).collect::<Vec<_>>(), ["machine"]);
        let layers = test["layers"].as_array().expect("layers");
        for layer in ["landlock", "seccomp", "limits"] {
            let found = layers.iter().find(|found| found["layer"] == layer).expect("the layer");
            assert_eq!(found["outcome"], "refuses", "{found}");
        }
        let bare = document["conditions"].as_array().expect("conditions");
        for layer in layers {
            assert_ne!(layer["outcome"], "fails", "{layer}");
            assert!(bare.iter().any(|one| one["what"] == layer["layer"]), "{layer}");
        }
    }

    /// Without a VMM nothing can be started; without the helper, nothing with a network.
    fn what_is_not_installed_is_said(host) {
        let nothing = host.directory("nothing", 0o755);
        let said = doctor(host, nothing.to_str());
        assert_eq!(said.code, Some(69), "{said:?}");
        assert!(said.err.contains("qemu-system-") && said.err.contains("hint: "), "{}", said.err);
        assert!(said.out.contains(r#""what":"passt""#), "{}", said.out);
        assert!(said.out.contains(r#""what":"KVM""#), "{}", said.out);
    }
}
