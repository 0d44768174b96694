"""Two connections that change one domain at the same time: a domain's document is the first argument, its name the
second. Whatever comes of it is something that one after the other could have done."""

import re
import sys
import threading
import libvirt

document, name = open(sys.argv[1]).read(), sys.argv[2]
document = re.sub("<interface.*</interface>", "", document, flags=re.S)
other = document.replace("<vcpu>2", "<vcpu>1")
libvirt.registerErrorHandler(lambda *_: None, None)
one, two = libvirt.open(), libvirt.open()
# In the wrong state, gone, or in the way of what somebody else did in this moment.
LEGAL = {libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_FAILED}


def together(*calls):
    begun, came = threading.Barrier(len(calls)), [None] * len(calls)

    def call(number):
        begun.wait()
        try:
            calls[number]()
            came[number] = True
        except libvirt.libvirtError as error:
            assert error.get_error_code() in LEGAL, error
            came[number] = False
        except Exception as error:
            came[number] = error

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(calls))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert set(came) <= {True, False}, came
    return came


def end():
    for domain in one.listAllDomains():
        if domain.isActive():
            domain.destroy()


for _ in range(10):
    assert together(lambda: one.defineXML(document), lambda: two.defineXML(other)) == [True, True]
    d, e = one.lookupByName(name), two.lookupByName(name)
    assert re.search("<vcpu[^>]*>([12])<", d.XMLDesc(0)) and e.XMLDesc(0) == d.XMLDesc(0)
    # None of two changes of a definition is lost.
    together(lambda: d.setMemoryFlags(32 << 10, libvirt.VIR_DOMAIN_AFFECT_CONFIG),
             lambda: e.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "t", None, None, libvirt.VIR_DOMAIN_AFFECT_CONFIG))
    assert "<title>t<" in d.XMLDesc(0) and "<currentMemory unit='KiB'>32768<" in d.XMLDesc(0), d.XMLDesc(0)
    assert d.undefine() == 0

for _ in range(5):
    d = one.defineXML(document)
    e = two.lookupByName(name)
    started, undefined = together(d.create, e.undefine)
    left = one.listAllDomains()
    assert len(left) == int(started or not undefined), (started, undefined, left)
    if left:
        assert (bool(left[0].isActive()), bool(left[0].isPersistent())) == (started, not undefined)
    end()
    if not undefined:
        d.undefine()

d, e = one.defineXML(document), two.lookupByName(name)
for _ in range(5):
    # One of them may find it running, or not.
    destroyed, started = together(e.destroy, d.create)
    if started and not destroyed:
        assert d.isActive()
    if destroyed and not started:
        assert not d.isActive()
    assert d.isPersistent() and d.XMLDesc(0)
    active = d.isActive()
    assert together(d.create, e.create).count(True) == 1 - active and d.isActive()
    assert any(together(d.destroy, e.destroy)) and not d.isActive()
d.undefine()
print("done", flush=True)
