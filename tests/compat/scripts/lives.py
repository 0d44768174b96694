"""Two descriptions of a domain, as it is defined and as it runs: a domain's document is the first argument, its
name the second. It fails at the first thing that is otherwise."""

import sys
import libvirt
from libvirt import VIR_DOMAIN_AFFECT_CONFIG as CONFIG, VIR_DOMAIN_AFFECT_CURRENT as CURRENT
from libvirt import VIR_DOMAIN_AFFECT_LIVE as LIVE, VIR_DOMAIN_METADATA_TITLE as TITLE
from libvirt import VIR_DOMAIN_METADATA_DESCRIPTION as DESCRIPTION, VIR_DOMAIN_METADATA_ELEMENT as ELEMENT
from libvirt import VIR_ERR_OPERATION_INVALID as INVALID

document, name = open(sys.argv[1]).read(), sys.argv[2]
libvirt.registerErrorHandler(lambda *_: None, None)


def fails(code, call, *arguments):
    try:
        call(*arguments)
    except libvirt.libvirtError as error:
        assert error.get_error_code() == code, (error, error.get_error_code())
    else:
        raise AssertionError("it did not fail")


c = libvirt.open()
d = c.defineXML(document)

# Notes about a domain that does not run are its definition's.
d.setMetadata(TITLE, "defined", None, None, CURRENT)
fails(INVALID, d.setMetadata, TITLE, "live", None, None, LIVE)
assert d.metadata(TITLE, None, CURRENT) == "defined" == d.metadata(TITLE, None, CONFIG)
fails(INVALID, d.metadata, TITLE, None, LIVE)

# Of one that runs, each is apart.
d.create()
d.setMetadata(TITLE, "live", None, None, CURRENT)
assert d.metadata(TITLE, None, LIVE) == "live" == d.metadata(TITLE, None, CURRENT)
assert d.metadata(TITLE, None, CONFIG) == "defined"
assert "<title>live<" in d.XMLDesc(0)
assert "<title>defined<" in d.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
fails(libvirt.VIR_ERR_INVALID_ARG, d.metadata, TITLE, None, LIVE | CONFIG)
d.setMetadata(DESCRIPTION, "both", None, None, LIVE | CONFIG)
d.setMetadata(ELEMENT, "<a/>", "k", "urn:x", CONFIG)
fails(libvirt.VIR_ERR_NO_DOMAIN_METADATA, d.metadata, ELEMENT, "urn:x", LIVE)
assert d.metadata(ELEMENT, "urn:x", CONFIG) == "<a/>"
d.setMemoryFlags(32 << 10, CONFIG)
assert d.maxMemory() == 64 << 10
fails(INVALID, d.setMemoryFlags, 128 << 10, LIVE | libvirt.VIR_DOMAIN_MEM_MAXIMUM)
fails(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, d.setVcpusFlags, 1, LIVE)
fails(INVALID, c.createXML, document, 0)
d.destroy()
assert d.metadata(TITLE, None, CURRENT) == "defined" and d.metadata(DESCRIPTION, None, CURRENT) == "both"

# One that is defined runs as something else this once.
other = document.replace("<vcpu>2", "<vcpu>1").replace("<memory", "<title>other</title><memory", 1)
fails(libvirt.VIR_ERR_OPERATION_FAILED, c.createXML, other.replace("ff001", "ff00f"), 0)
fails(libvirt.VIR_ERR_OPERATION_FAILED, c.createXML, other.replace(name, name + "-x"), 0)
t = c.createXML(other, 0)
assert t.UUIDString() == d.UUIDString() and t.isPersistent() and t.metadata(TITLE, None, LIVE) == "other"
assert "<title>other<" in t.XMLDesc(0) and t.info()[3] == 1
assert "<title>defined<" in t.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
t.destroy()
assert d.isPersistent() and not d.isActive() and "<title>defined<" in d.XMLDesc(0)
d.undefine()

# virt-install's way: one that runs is defined, and stays when it has ended.
t = c.createXML(other, 0)
assert not t.isPersistent()
fails(INVALID, t.setMetadata, TITLE, "x", None, None, CONFIG)
t.setMetadata(TITLE, "noted", None, None, CURRENT)
p = c.defineXML(document)
assert p.isPersistent() and p.isActive() and p.metadata(TITLE, None, LIVE) == "noted"
fails(libvirt.VIR_ERR_NO_DOMAIN_METADATA, p.metadata, TITLE, None, CONFIG)
p.destroy()
assert c.lookupByName(name).isPersistent()
p.undefine()

# What is bound to a connection is told apart from what runs after it under the same name.
b = libvirt.open()
d = b.defineXML(document)
d.createWithFlags(libvirt.VIR_DOMAIN_START_AUTODESTROY)
d.destroy()
d.create()
del d
b.close()
d = c.lookupByName(name)
assert d.isActive()
d.destroy()
d.undefine()
print("done", flush=True)
