//! Every command of virsh's that asks or changes something, by what it is about. A machine that does not run
//! costs nothing, so most is tried on one.

use crate::{
    domains::{full, plain},
    session::{
        Says::{Exactly, Fails, Has, Nothing, Something},
        session,
    },
};
use svirt_testkit::{Daemon, claims};

claims! {
    /// What the host is, and what it has not.
    fn virsh_asks_about_the_host(host) {
        let daemon = Daemon::start(host);
        session(&daemon, "nobody", &[
            ("version --daemon", Has(&["Running hypervisor: QEMU 7.", "Running against daemon: 9.0.0"])),
            ("hostname", Something),
            ("uri", Has(&["qemu+unix:///"])),
            ("nodeinfo", Has(&["CPU model:           x86_64", "Memory size:"])),
            ("nodecpustats", Has(&["user:", "idle:"])),
            ("nodecpustats --cpu 0 --percent", Has(&["usage:"])),
            ("nodecpustats --cpu 4095", Fails("4095")),
            ("nodememstats", Has(&["total  :", "cached :"])),
            ("nodecpumap", Has(&["CPUs present:", "CPU map:"])),
            ("freecell", Has(&["KiB"])),
            ("maxvcpus", Something),
            ("capabilities", Has(&["<capabilities>", "<secmodel>", "<os_type>hvm</os_type>"])),
            ("domcapabilities", Has(&["<domainCapabilities>", "<graphics supported='yes'>"])),
            ("domcapabilities --arch sparc", Fails("error:")),
            ("sysinfo", Fails("not supported")),
            ("cpu-models x86_64", Nothing),
            ("cpu-models sparc", Fails("architecture")),
            ("net-list --all --name", Nothing),
            ("pool-list --all --name", Nothing),
            ("nodedev-list", Nothing),
            ("nwfilter-list", Nothing),
            ("nwfilter-binding-list", Nothing),
            ("secret-list", Nothing),
            ("iface-list --all", Nothing),
            ("net-info default", Fails("Network not found: no network with matching name 'default'")),
            ("pool-info default", Fails("Storage pool not found: no storage pool with matching name 'default'")),
            ("vol-info /x/y", Fails("Storage volume not found:")),
            ("nodedev-dumpxml pci_0", Fails("Node device not found:")),
            ("nwfilter-dumpxml none", Fails("Network filter not found:")),
            ("secret-dumpxml 954ba128-c27f-424a-a5b1-5859f45f7736", Fails("Secret not found:")),
            ("iface-dumpxml none", Fails("Interface not found:")),
            ("iface-mac none", Fails("Interface not found: couldn't find interface named 'none'")),
            ("freecell --all", Has(&["0:"])),
            ("freecell 4096", Fails("start cell 4096 out of range")),
            ("nodememstats --cell 4096", Fails("cellNum must be less than or equal to")),
            ("maxvcpus --type xen", Fails("unknown type 'xen'")),
            ("net-define /dev/null", Fails("error:")),
            ("pool-define-as p dir --target /tmp", Fails("there are no storage pools")),
            ("pool-create-as p dir --target /tmp", Fails("there are no storage pools")),
            ("node-memory-tune", Fails("unknown procedure")),
            ("domstate @", Fails("failed to get domain 'nobody'")),
            ("domstate 2147483647", Fails("failed to get domain")),
            ("list --all --name", Nothing),
        ]);
        daemon.end();
    }

    /// A definition, from its document to its end.
    fn virsh_defines_and_asks(host) {
        let daemon = Daemon::start(host);
        let name = host.name("kept");
        let image = host.file("a.img", &[0; 1 << 20]);
        let document = host.file("domain.xml", full(&name, &image).as_bytes());
        let define = format!("define {}", document.display());
        let validate = format!("define --validate {}", document.display());
        let native = format!("domxml-to-native qemu-argv --xml {}", document.display());
        session(&daemon, &name, &[
            (&define, Nothing),
            (&define, Nothing),
            (&validate, Nothing),
            ("list --all --name", Exactly(&name)),
            ("list --name", Nothing),
            ("list --inactive --persistent --no-autostart --name", Exactly(&name)),
            ("list --all --transient --name", Nothing),
            ("list --all --autostart --name", Nothing),
            ("list --all --with-snapshot --name", Nothing),
            ("list --all --without-snapshot --without-managed-save --without-checkpoint --name", Exactly(&name)),
            ("list --all --state-running --name", Nothing),
            ("list --all --state-shutoff --name", Exactly(&name)),
            ("dominfo @", Has(&["State:          shut off", "Max memory:     65536 KiB",
                "Persistent:     yes", "Security model:", "Managed save:   no"])),
            ("domid @", Exactly("-")),
            ("domuuid @", Exactly("6b0ed2a1-3b93-4b9a-8b34-0d1a4c2ff001")),
            ("domname 6b0ed2a1-3b93-4b9a-8b34-0d1a4c2ff001", Exactly(&name)),
            ("domstate @ --reason", Exactly("shut off (unknown)")),
            ("dumpxml @", Has(&["<name>", "a.img", "52:54:00:11:22:33"])),
            ("dumpxml @ --inactive", Has(&["</domain>"])),
            ("dumpxml @ --security-info", Has(&["</domain>"])),
            ("dumpxml @ --migratable", Has(&["</domain>"])),
            (&native, Has(&["qemu-system-x86_64", "virtio-blk-pci"])),
            ("domxml-to-native xen-xl --domain @", Fails("unsupported config type xen-xl")),
            ("autostart @", Nothing),
            ("list --all --autostart --name", Exactly(&name)),
            ("autostart @ --disable", Nothing),
            ("domblklist @", Has(&["vda", "a.img", "sda"])),
            ("domiflist @", Has(&["user", "virtio", "52:54:00:11:22:33"])),
            ("desc @", Nothing),
            ("desc @ --config Some words", Nothing),
            ("desc @", Exactly("Some words")),
            ("desc @ --config --title A title", Nothing),
            ("desc @ --title", Exactly("A title")),
            ("list --all --title", Has(&["A title", "shut off"])),
            ("metadata @ http://a.example/b", Fails("Requested metadata element is not present")),
            ("metadata @ http://a.example/b --config --key k --set '<x a=\"1\"/>'", Nothing),
            ("metadata @ http://a.example/b", Exactly("<x a=\"1\"/>")),
            ("metadata @ http://a.example/b --config --remove", Nothing),
            ("metadata @ http://a.example/b", Fails("Requested metadata element is not present")),
            ("setmaxmem @ 128M --config", Nothing),
            ("setmem @ 96M --config", Nothing),
            ("dominfo @", Has(&["Max memory:     131072 KiB"])),
            ("setmaxmem @ 64M --config", Nothing),
            ("setvcpus @ 3 --config --maximum", Nothing),
            ("setvcpus @ 3 --config", Nothing),
            ("vcpucount @ --maximum --config", Exactly("3")),
            ("setvcpus @ 2 --config --maximum", Nothing),
            ("vcpucount @ --maximum --config", Exactly("2")),
            ("vcpuinfo @", Has(&["VCPU:           0", "State:          N/A", "CPU Affinity:   y"])),
            ("domblkinfo @ vda", Has(&["Capacity:       1048576", "Physical:       1048576"])),
            ("domblkstat @ vda", Fails("domain is not running")),
            ("domifstat @ 52:54:00:11:22:33", Fails("domain is not running")),
            ("dommemstat @", Fails("domain is not running")),
            ("domstats @ --state", Has(&["state.state=5"])),
            ("domtime @", Fails("domain is not running")),
            ("vcpucount @ --live --current", Fails("domain is not running")),
            ("vcpucount @ --guest", Fails("can only be requested for live domains")),
            ("setvcpus @ 1 --guest", Fails("domain is not running")),
            ("managedsave-dumpxml @", Fails("does not have managed save image")),
            ("checkpoint-info @ none", Fails("no domain checkpoint with matching name 'none'")),
            ("domstats @ --cpu-total --vcpu --balloon", Has(&["vcpu.current=2", "balloon.maximum=65536"])),
            ("snapshot-list @", Nothing),
            ("checkpoint-list @", Nothing),
            ("snapshot-create @", Fails("unknown procedure")),
            ("domrename @ other", Fails("keeps its name")),
            ("resume @", Fails("Requested operation is not valid: domain is not running")),
            ("destroy @", Fails("domain is not running")),
            ("shutdown @", Fails("domain is not running")),
            ("domjobinfo @", Fails("domain is not running")),
            ("managedsave-remove @", Nothing),
            ("undefine @ --managed-save --nvram --snapshots-metadata --checkpoints-metadata", Nothing),
            ("undefine @", Fails("failed to get domain")),
            ("list --all --name", Nothing),
        ]);
        daemon.end();
    }

    /// The first document needs an answer of QEMU's, which a process of its own asks; the next are at hand.
    fn a_document_is_the_same_whoever_writes_it(host) {
        let daemon = Daemon::start(host);
        let name = host.name("twice");
        let image = host.file("a.img", &[0; 1 << 20]);
        let text = full(&name, &image).replace(" machine='pc'", "");
        let document = host.file("domain.xml", text.as_bytes());
        daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
        let shown = || daemon.virsh(&["dumpxml", &name]).exits(0).out;
        let (first, next) = (shown(), shown());
        assert!(first.contains("machine='pc-q35-"), "{first}");
        assert_eq!(first, next);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// What a document may not say, and what it is told.
    fn a_document_that_cannot_be_is_refused(host) {
        let daemon = Daemon::start(host);
        let (one, other) = (host.name("one"), host.name("other"));
        let file = |name: &str, text: &str| {
            format!("define {}", host.file(name, text.as_bytes()).display())
        };
        let uuid = "<uuid>6b0ed2a1-3b93-4b9a-8b34-0d1a4c2ff001</uuid>";
        let with_uuid = |name: &str| plain(name).replace("<memory", &format!("{uuid}<memory"));
        let begun = file("begun.xml", "<domain type='qemu'><name>x</name>");
        let first = file("one.xml", &with_uuid(&one));
        let same_uuid = file("same-uuid.xml", &with_uuid(&other));
        let entity = "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain type='qemu'><name>&a;</name></domain>";
        let entity = file("entity.xml", entity);
        let another = uuid.replace("ff001", "ff002");
        let same_name = file("same-name.xml", &with_uuid(&one).replace(uuid, &another));
        session(&daemon, &one, &[
            (&begun, Fails("error:")),
            (&entity, Fails("error:")),
            (&first, Nothing),
            (&same_uuid, Fails("is already defined with uuid 6b0ed2a1-3b93-4b9a-8b34-0d1a4c2ff001")),
            (&same_name, Fails("already exists with uuid 6b0ed2a1-3b93-4b9a-8b34-0d1a4c2ff001")),
            ("list --all --name", Exactly(&one)),
            ("undefine @", Nothing),
        ]);
        daemon.end();
    }

    /// A machine from its start, held, to its end, with all that is asked of one that runs.
    fn virsh_leads_and_asks(host) {
        let daemon = Daemon::start(host);
        let name = host.name("led");
        let image = host.file("a.img", &[0; 1 << 20]);
        let document = host.file("domain.xml", full(&name, &image).as_bytes());
        let define = format!("define {}", document.display());
        let migrate = format!("migrate @ {}", daemon.uri());
        session(&daemon, &name, &[
            (&define, Nothing),
            ("start @ --paused", Nothing),
            ("domstate @ --reason", Exactly("paused (starting up)")),
            ("start @", Fails("Domain is already active")),
            ("resume @", Nothing),
            ("domstate @ --reason", Exactly("running (unpaused)")),
            ("resume @", Fails("domain is already running")),
            ("suspend @", Nothing),
            ("domstate @ --reason", Exactly("paused (user)")),
            ("list --state-paused --name", Exactly(&name)),
            ("resume @", Nothing),
            ("reset @", Nothing),
            ("dominfo @", Has(&["Security label:", "(enforcing)"])),
            ("domid @", Something),
            ("dumpxml @", Has(&["<seclabel", "id='"])),
            ("dumpxml @ --inactive", Has(&["</domain>"])),
            ("domdisplay @", Has(&["vnc"])),
            ("ttyconsole @", Nothing),
            ("vncdisplay @", Fails("Failed to get VNC port")),
            ("reboot @", Nothing),
            ("vcpucount @", Has(&["maximum      live           2"])),
            ("vcpuinfo @", Has(&["VCPU:           1", "State:          running", "CPU Affinity:   y"])),
            ("vcpupin @", Has(&["0", "1"])),
            ("domblklist @", Has(&["vda", "a.img"])),
            ("domblkinfo @ vda", Has(&["Capacity:       1048576"])),
            ("domblkinfo @ --all", Has(&["vda", "1048576"])),
            ("domblkinfo @ sda", Fails("does not currently have a source assigned")),
            ("domblkinfo @ vdz", Fails("invalid path vdz not assigned to domain")),
            ("domblkstat @ vda", Has(&["vda rd_req ", "vda wr_bytes 0", "vda flush_operations 0"])),
            ("domblkstat @", Has(&["rd_req "])),
            ("domblkstat @ vdz", Fails("invalid path: vdz")),
            ("domiflist @", Has(&["user", "52:54:00:11:22:33"])),
            ("domifstat @ 52:54:00:11:22:33", Fails("nothing on the host counts the packets")),
            ("domifstat @ vnet9", Fails("invalid argument: 'vnet9' is not a known interface")),
            ("domstats @", Has(&["state.state=1", "cpu.time=", "balloon.current=65536", "balloon.rss=",
                "vcpu.1.time=", "vcpu.maximum=2", "net.count=1", "block.count=2", "block.0.name=vda",
                "block.0.rd.reqs=", "block.0.capacity=1048576", "block.0.physical=1048576",
                "block.1.name=sda"])),
            ("domstats @ --block --nowait", Has(&["block.0.wr.bytes=0"])),
            ("domstats --list-paused", Nothing),
            ("domstats --list-running --state", Has(&["state.reason=5"])),
            ("domstats @ --iothread --enforce", Fails("Stats types bits 0x80 are not supported")),
            ("cpu-stats @ --total", Has(&["cpu_time", "user_time"])),
            ("dommemstat @", Has(&["actual 65536", "rss "])),
            ("schedinfo @", Has(&["posix"])),
            ("domcontrol @", Exactly("ok")),
            ("domjobinfo @", Has(&["None"])),
            ("domjobabort @", Fails("no job is active on the domain")),
            ("domifaddr @", Nothing),
            ("domhostname @", Fails("QEMU guest agent is not configured")),
            ("qemu-monitor-command @ --hmp info status", Exactly("VM status: running")),
            ("qemu-monitor-command @ query-name", Has(&[&format!("\"name\":\"{name}\"")])),
            ("qemu-monitor-command @ no-such-command", Fails("no-such-command")),
            ("setmem @ 32M --live", Nothing),
            ("screenshot @ shot", Nothing),
            ("setvcpus @ 1 --live", Fails("Operation not supported")),
            ("attach-disk @ /dev/null vdb", Fails("not supported")),
            (&migrate, Fails("not supported by the connection driver")),
            ("migrate --p2p @ qemu:///system", Fails("not supported")),
            ("blockcopy @ vda /x", Fails("unknown procedure")),
            ("memtune @", Has(&["hard_limit", "soft_limit     : unlimited"])),
            ("numatune @", Has(&["numa_mode      : strict"])),
            ("blkdeviotune @ vda", Has(&["total_bytes_sec: 0", "group_name"])),
            ("blkdeviotune @ vdz", Fails("disk 'vdz' was not found in the domain config")),
            ("domiftune @ 52:54:00:11:22:33", Has(&["inbound.average: 0"])),
            ("emulatorpin @", Something),
            ("iothreadinfo @", Nothing),
            ("perf @", Nothing),
            ("domblkerror @", Exactly("No errors found")),
            ("memtune @ --hard-limit 1000000", Fails("unknown procedure")),
            ("qemu-agent-command @ x", Fails("argument unsupported: QEMU guest agent is not configured")),
            ("domtime @", Fails("QEMU guest agent is not configured")),
            ("domfsinfo @", Fails("QEMU guest agent is not configured")),
            ("domifaddr @ --source agent", Fails("QEMU guest agent is not configured")),
            ("vcpucount @ --guest", Fails("QEMU guest agent is not configured")),
            ("setmem @ 1G --live", Fails("cannot set memory higher than max memory")),
            ("console @ nobody", Fails("error:")),
            ("snapshot-current @", Fails("no current snapshot")),
            ("backup-dumpxml @", Fails("no domain backup job present")),
            ("shutdown @", Nothing),
            ("destroy @ --graceful", Nothing),
            ("domstate @ --reason", Exactly("shut off (destroyed)")),
            ("start @", Nothing),
            ("domstate @ --reason", Exactly("running (booted)")),
            ("destroy @", Nothing),
            ("undefine @", Nothing),
        ]);
        let picture = std::fs::read(host.path("shot")).unwrap();
        assert!(picture.starts_with(b"P6"), "{:?}", &picture[..2]);
        daemon.end();
    }
}
