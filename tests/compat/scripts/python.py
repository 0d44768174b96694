"""What programs do with libvirt's binding for Python: a domain's document is the first argument, its name
the second. It fails at the first thing that is otherwise."""

import socket
import sys
import threading
import libvirt

document, name = open(sys.argv[1]).read(), sys.argv[2]
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)], daemon=True).start()
libvirt.registerErrorHandler(lambda *_: None, None)

heard, news = [], threading.Condition()


def hear(_connection, domain, event, detail, _opaque):
    with news:
        heard.append((domain.name(), event, detail))
        news.notify_all()


def wait_for(event, detail):
    with news:
        assert news.wait_for(lambda: (name, event, detail) in heard, 30), (event, detail, heard)


def fails(code, call, *arguments):
    try:
        call(*arguments)
    except libvirt.libvirtError as error:
        assert error.get_error_code() == code, error
    else:
        raise AssertionError("it did not fail")


c = libvirt.open()
c.setKeepAlive(5, 3)
assert c.isAlive() and c.isSecure() and c.getType() == "QEMU" and c.getLibVersion() == 9000000
assert c.getInfo()[0] == "x86_64" and c.getHostname() and c.getMaxVcpus("kvm") > 0
assert c.getCPUMap()[0] >= 1 and c.getMemoryStats(-1)["total"] > 0 and c.getFreeMemory() > 0
# Old ways of counting and listing.
for count in (c.numOfDomains, c.numOfDefinedDomains, c.numOfNetworks, c.numOfDefinedNetworks, c.numOfStoragePools,
              c.numOfDefinedStoragePools, c.numOfInterfaces, c.numOfDefinedInterfaces, c.numOfSecrets,
              c.numOfNWFilters):
    assert count() == 0, count
for listed in (c.listDomainsID, c.listDefinedDomains, c.listNetworks, c.listDefinedNetworks, c.listStoragePools,
               c.listDefinedStoragePools, c.listInterfaces, c.listSecrets, c.listNWFilters, c.listAllDomains,
               c.listAllNetworks, c.listAllStoragePools, c.listAllDevices, c.listAllSecrets):
    assert listed() == [], listed
fails(libvirt.VIR_ERR_NO_DOMAIN, c.lookupByName, name)
fails(libvirt.VIR_ERR_NO_DOMAIN, c.lookupByID, 2147483647)
fails(libvirt.VIR_ERR_NO_DOMAIN, c.lookupByUUIDString, "6b0ed2a1-3b93-4b9a-8b34-0d1a4c2ff001")
fails(libvirt.VIR_ERR_NO_NETWORK, c.networkLookupByName, "default")
fails(libvirt.VIR_ERR_NO_STORAGE_VOL, c.storageVolLookupByPath, "/x")

c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, hear, None)
d = c.defineXML(document)
wait_for(libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_ADDED)
assert c.numOfDefinedDomains() == 1 and c.listDefinedDomains() == [name] and d.ID() == -1
assert d.isPersistent() and not d.isActive() and d.OSType() == "hvm" and not d.hasManagedSaveImage()
fails(libvirt.VIR_ERR_OPERATION_INVALID, d.destroy)
d.create()
wait_for(libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED)
assert c.listDomainsID() == [d.ID()] and c.lookupByID(d.ID()).name() == name
assert d.securityLabel()[1] and d.maxVcpus() == 2 and len(d.vcpus()[0]) == 2 and len(d.vcpusFlags.__doc__ or " ") > 0
assert d.info()[0] == libvirt.VIR_DOMAIN_RUNNING and d.memoryStats()["rss"] > 0
assert len(d.blockStats("vda")) == 5 and d.blockStatsFlags("vda")["wr_bytes"] == 0
assert d.blockInfo("vda")[0] == 1 << 20 and d.getCPUStats(True)[0]["cpu_time"] > 0
(_, figures), = c.getAllDomainStats(0, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING)
assert figures["block.0.name"] == "vda" and figures["vcpu.1.time"] >= 0 and figures["net.count"] == 1

# Calls of many threads on one connection.
wrong = []


def ask():
    for _ in range(20):
        if d.state()[0] != libvirt.VIR_DOMAIN_RUNNING or not c.getAllDomainStats():
            wrong.append("state")


threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not wrong

# A viewer that wants the screen for itself (RFC 6143, 7.3.1) keeps nobody from a picture.
viewer = socket.socket(fileno=d.openGraphicsFD(0))
hear_all = lambda count: viewer.recv(count, socket.MSG_WAITALL)
viewer.sendall(hear_all(12))
assert b"\1" in hear_all(hear_all(1)[0])
viewer.sendall(b"\1")
assert hear_all(4) == bytes(4)
viewer.sendall(b"\0")
assert hear_all(24)
pieces, stream = [], c.newStream(0)
assert d.screenshot(stream, 0) == "image/x-portable-pixmap"
stream.recvAll(lambda _stream, piece, _opaque: pieces.append(piece), None)
stream.finish()
assert b"".join(pieces).startswith(b"P6\n")
viewer.close()

# A stream that is left before its end.
stream = c.newStream(0)
d.openConsole(None, stream, 0)
stream.send(b"x")
stream.abort()

# A closed connection takes with it what was bound to it, and nothing else.
other = libvirt.open()
bound = other.createXML(document.replace(name, name + "-bound").replace("ff001", "ff002").replace("a.img", "b.img"),
                        libvirt.VIR_DOMAIN_START_AUTODESTROY | libvirt.VIR_DOMAIN_START_PAUSED)
assert bound.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]
del bound
assert other.close() == 0
with news:
    gone = (name + "-bound", libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED)
    assert news.wait_for(lambda: gone in heard, 30), heard

d.suspend()
wait_for(libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED)
d.resume()
d.destroy()
wait_for(libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED)
d.undefine()
wait_for(libvirt.VIR_DOMAIN_EVENT_UNDEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED_REMOVED)

# Who is told that the connection is closed.
closed = threading.Event()
c.registerCloseCallback(lambda *_: closed.set(), None)
print("kill", flush=True)
assert closed.wait(30)
print("done", flush=True)
