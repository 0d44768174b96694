"""Asks a daemon of libvirt's protocol what a list of commands says, through the unmodified virsh and libvirt's
own binding for Python, and prints what each was answered as JSON.

Arguments: a directory that holds what the documents name, the URI, the list, and the daemon's command line. The
daemon says that it serves by sd_notify(3). What must differ is written the same: the directory, numbers of
processes and of machines, times."""

import json, os, re, shlex, socket, subprocess, sys, threading, time
from xml.etree import ElementTree

import libvirt

PLACE, URI, LIST, COMMAND = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
# What the same answer has of another number, another socket or another time.
VARYING = [
    (re.compile(re.escape(URI)), "URI"),
    (re.compile(re.escape(PLACE)), "PLACE"),
    (re.compile(re.escape(os.environ.get("SVIRT_RUNTIME_DIR", PLACE))), "RUN"),
    (re.compile(r"\+\d{5,}"), "+N"),
    (re.compile(r"qmp-\w{6}"), "qmp-N"),
    (re.compile(r" at 0x[0-9a-f]+"), ""),
    (re.compile(r"^ +\d+( +\S+ +(running|paused|in shutdown|idle))", re.M), r" N\1"),
    (re.compile(r"^(Id: +)\d+", re.M), r"\1N"),
    (re.compile(r"(<domain [^>]*)id='\d+'"), r"\1id='N'"),
    (re.compile(r" in function \w+"), ""),
    (re.compile(r'"(id": ?")(libvirt-\d+|svirtd)'), r'"\1N'),
    # Where an element stands on its line is its author's.
    (re.compile(r">\s*<"), ">\n<"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r"-{4,}"), "----"),
]
# Kinds of events (`virDomainEventID`): not those that carry figures.
TOLD = (0, 1, 3, 4, 6, 9, 10, 12, 13, 23)
ENVIRONMENT = dict(os.environ, LC_ALL="C", LIBVIRT_DEFAULT_URI=URI, VISUAL="true", EDITOR="true")


def begin():
    path = PLACE + "/notified"
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(path)
    notified.settimeout(60)
    log = open(PLACE + "/daemon.log", "w")
    streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
    daemon = subprocess.Popen(COMMAND, env=dict(os.environ, NOTIFY_SOCKET=path), **streams)
    notified.recv(100)
    return daemon


def ordered(found):
    """An object of JSON, whose members are in no order."""
    try:
        return found[1] + json.dumps(json.loads(found[2]), sort_keys=True)
    except ValueError:
        return found[0]


def same(text, mark):
    if mark == "?":
        return text.splitlines()[:1]
    text = re.sub(r'^(exit 0\n)(\{".*\})\s*$', ordered, text, flags=re.S)
    for pattern, words in VARYING:
        text = pattern.sub(words, text)
    if mark == "~":
        text = re.sub(r"\d+(\.\d+)?", "N", text)
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def virsh(line):
    said = subprocess.run(["virsh", *shlex.split(line.replace("PLACE", PLACE))], cwd=PLACE, env=ENVIRONMENT, timeout=60,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return "exit %d\n%s" % (said.returncode, said.stdout)


def program(line):
    """A line of a program, and all that it can tell of an error."""
    try:
        answer = eval(line, NAMES)
        return answer if isinstance(answer, str) else "%r" % (answer,)
    except libvirt.libvirtError as error:
        return "error %d of %d: %s" % (error.get_error_code(), error.get_error_domain(), error.get_error_message())


def part(document, path):
    """The elements of a document at a path."""
    found = ElementTree.fromstring(document).findall(path)
    return "\n".join(ElementTree.tostring(one, encoding="unicode").strip() for one in found)


class Heard:
    """The events since somebody looked last."""

    def __init__(self, connection):
        self.lines, self.news = [], threading.Condition()
        for kind in TOLD:
            connection.domainEventRegisterAny(None, kind, self.hear, kind)

    def hear(self, _connection, domain, *more):
        *details, kind = more
        with self.news:
            self.lines.append("event %d of %s: %r" % (kind, domain.name(), tuple(details)))
            self.news.notify_all()

    def look(self):
        with self.news:
            while self.news.wait(0.5):
                pass
            lines, self.lines = self.lines, []
        return "\n".join(lines)


def answers(lines):
    section = ""
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line
            continue
        mark, command = line[0], line.lstrip("~?")
        if command == "events":
            said = HEARD.look()
        elif command.startswith("! "):
            said = program(command[2:])
        else:
            said = virsh(command)
        yield {"command": section + " " + command, "said": same(said, mark)}


libvirt.registerErrorHandler(lambda *_: None, None)
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)], daemon=True).start()
DAEMON = begin()
C = libvirt.open(URI)
HEARD = Heard(C)
NAMES = {"libvirt": libvirt, "c": C, "place": PLACE, "time": time,
    "d": C.lookupByName, "part": part, "read": lambda name: open(PLACE + "/" + name).read()}
print(json.dumps(list(answers(open(LIST)))))
sys.stdout.flush()
DAEMON.terminate()
DAEMON.wait()
os._exit(0)
