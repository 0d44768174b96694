"""Measures a daemon of libvirt's protocol through libvirt's own binding: the same for each of them.

Arguments: the URI, rounds, and the daemon's command line. Prints samples as JSON: milliseconds, KiB, or calls
a second. The daemon says that it serves by sd_notify(3)."""

import json, os, socket, subprocess, sys, tempfile, threading, time

import libvirt

DEFINED, RUNNING, CALLS = 200, 20, 5000
MANY, CLIENTS = 1000, 100
DOMAIN_NAME = "bench-%03d"
DOMAIN = """<domain type='qemu'><name>bench-%03d</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<serial type='pty'/><graphics type='vnc' autoport='yes'/></devices></domain>"""


def timed(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def begin(command):
    place = tempfile.mkdtemp()
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(place + "/notified")
    notified.settimeout(60)
    environment = dict(os.environ, NOTIFY_SOCKET=place + "/notified")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    daemon = subprocess.Popen(command, env=environment, **quiet)
    notified.recv(100)
    return daemon


def resident(daemon):
    for line in open("/proc/%d/status" % daemon.pid):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])


def virsh(uri, *words):
    subprocess.run(["virsh", "-q", "-c", uri, *words], check=True, stdout=subprocess.DEVNULL)


def crowd(uri):
    """Calls a second of many connections, each of a thread of its own."""
    connections = [libvirt.open(uri) for _ in range(CLIENTS)]
    calls = lambda connection: [connection.getLibVersion() for _ in range(CALLS // CLIENTS)]

    def all_at_once():
        threads = [threading.Thread(target=calls, args=(connection,)) for connection in connections]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    found = [CALLS * 1000 / timed(all_at_once) for _ in range(3)]
    [connection.close() for connection in connections]
    return found


def measure(uri, rounds, command):
    found = {}
    began = time.perf_counter()
    daemon = begin(command)
    virsh(uri, "version")
    found["cold"] = [(time.perf_counter() - began) * 1000]
    found["idle"] = [resident(daemon)]
    connection = libvirt.open(uri)
    domains = [connection.defineXML(DOMAIN % number) for number in range(DEFINED)]
    paused = libvirt.VIR_DOMAIN_START_PAUSED
    found["start"], found["destroy"] = [], []
    for _ in range(rounds):
        found["start"].append(timed(lambda: domains[0].createWithFlags(paused)))
        found["destroy"].append(timed(domains[0].destroy))
    found["list"] = [timed(connection.listAllDomains) for _ in range(rounds * 5)]
    found["virsh"] = [timed(lambda: virsh(uri, "list", "--all")) for _ in range(rounds)]
    for domain in domains[:RUNNING]:
        domain.createWithFlags(paused)
    found["stats"] = [timed(connection.getAllDomainStats) for _ in range(rounds)]
    found["full"] = [resident(daemon)]
    cheap = lambda: [connection.getLibVersion() for _ in range(CALLS)]
    found["calls"] = [CALLS * 1000 / timed(cheap) for _ in range(3)]
    for domain in domains[:RUNNING]:
        domain.destroy()
    found["crowd"] = crowd(uri)
    domains += [connection.defineXML(DOMAIN % number) for number in range(DEFINED, MANY)]
    found["thousand"] = [timed(connection.listAllDomains) for _ in range(rounds)]
    found["lookup"] = [timed(lambda: connection.lookupByName(DOMAIN_NAME % (MANY // 2))) for _ in range(rounds)]
    document = domains[0].XMLDesc()
    found["define"] = [timed(lambda: connection.defineXML(document)) for _ in range(rounds)]
    for domain in domains:
        domain.undefine()
    connection.close()
    daemon.terminate()
    daemon.wait()
    return found


if __name__ == "__main__":
    libvirt.registerErrorHandler(lambda *_: None, None)
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3:])))
