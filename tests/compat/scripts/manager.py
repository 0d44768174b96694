"""Leads machines with virt-manager's windows, and asks virsh and svirt what comes of it.

manager.py URI SVIRT NAME OTHER: NAME is defined and off, with a guest that shows and says each key that it
hears in the other case; OTHER was started by svirt, and ends when it is asked to."""

import os
import subprocess
import sys
import time

from screen import *

uri, svirt, name, other = sys.argv[1:]


def said(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else f"{done.stdout}{done.stderr}"


def virsh(*words):
    return said("virsh", "-q", "-c", uri, *words)


def state():
    return virsh("domstate", name)


def runs():
    return name in said(svirt, "ps")


def screenshot():
    """The width and the rows of the guest's screen, as the daemon gives it."""
    file = os.environ["HOME"] + "/guest.ppm"
    answer = virsh("screenshot", name, file)
    assert answer.startswith("Screenshot saved") or not answer, answer
    with open(file, "rb") as stream:
        data = stream.read()
    kind, size, depth, pixels = data.split(b"\n", 3)
    assert (kind, depth) == (b"P6", b"255"), (kind, depth)
    width, height = map(int, size.split())
    return width, [pixels[3 * width * line : 3 * width * (line + 1)] for line in range(height)]


def shows_the_guest(area):
    """Whether the window has the picture that the daemon gives: all but what may blink."""
    width, wanted = screenshot()
    shown = rows(area)
    if len(shown) < len(wanted) or len(shown[0]) < 3 * width:
        return False
    top, left = (len(shown) - len(wanted)) // 2, (len(shown[0]) // 3 - width) // 2
    part = [row[3 * left : 3 * (left + width)] for row in shown[top : top + len(wanted)]]
    equal = sum(a == b for a, b in zip(part, wanted))
    written = sum(any(row) for row in wanted)
    return written > 20 and len(wanted) - equal <= 4


def listed(machine, how):
    return find(windows, "table cell", f"{machine}\n{how}")


def manage():
    manager = find(windows, "frame", "Virtual Machine Manager")
    listed(other, "Running")

    step("run")
    click_on(listed(name, "Shutoff"))
    press(find(manager, "push button", "Run"))
    listed(name, "Running")
    assert state() == "running" and runs(), state()

    step("screen")
    press(find(manager, "push button", "Open"))
    window = find(windows, "frame", lambda title: title.startswith(f"{name} on "))
    # Nobody arranges windows here.
    window.set_position(600, 0, Atspi.CoordType.SCREEN)
    area = find(find(window, "viewport", "console-gfx-viewport"), "drawing area")
    until(lambda: shows_the_guest(area), "the guest's picture in its window")

    step("keys")
    # A click would catch the mouse.
    area.grab_focus()
    # Nobody says when the focus is there: keys before that are lost, and are pressed again.
    heard = lambda: "KEYS" in said(svirt, "logs", name)
    until(lambda: heard() or type_keys("keys") or time.sleep(1), "keys reach the guest")
    until(lambda: shows_the_guest(area), "what the guest wrote in its window")

    step("serial console")
    choose(window, "View", "Consoles", "Serial 1")
    terminal = find(window, "terminal")
    text = lambda: terminal.get_text(0, terminal.get_character_count())
    until(lambda: "KEYS" in text(), "the line so far")
    click_on(terminal)
    type_keys("line")
    until(lambda: "LINE" in text(), "the guest's answer on the line")

    step("pause")
    choose(window, "Virtual Machine", "Pause")
    listed(name, "Paused")
    assert state() == "paused", state()
    choose(window, "Virtual Machine", "Resume")
    listed(name, "Running")
    assert state() == "running", state()

    step("details")
    press(find(window, "radio button", "Details"))
    for device in ("Overview", "VirtIO Disk 1", "Display VNC", "Serial 1"):
        find(window, "table cell", device)
    click_on(find(window, "table cell", "Overview"))
    press(find(window, "page tab", "XML"))
    editor = find(find(window, "page tab", "XML"), "text")
    document = editor.get_text(0, editor.get_character_count())
    assert document.startswith("<domain") and f"<name>{name}</name>" in document, document

    step("force off")
    choose(window, "Virtual Machine", "Shut Down", "Force Off")
    answer("Yes")
    listed(name, "Shutoff")
    assert state() == "shut off" and not runs(), state()

    step("shut down")
    click_on(listed(other, "Running"))
    press(find(manager, "push button", "Shut Down"))
    until(lambda: virsh("list", "--all", "--name") == name, "a machine ends that is asked to")

    step("delete")
    choose(window, "Virtual Machine", "Delete")
    deleting = find(windows, "frame", "Delete Virtual Machine")
    # Disks belong to nobody's definition.
    files = find(deleting, "check box", "Delete associated storage files")
    press(files)
    until(lambda: not files.get_state_set().contains(Atspi.StateType.CHECKED), "disks are kept")
    press(find(deleting, "push button", "Delete"))
    until(lambda: not there_is("table cell", f"{name}\nShutoff"), "it is gone from the list")
    assert virsh("list", "--all", "--name") == "", virsh("list", "--all")


def step(what):
    print(what, flush=True)


log = open(os.environ["HOME"] + "/virt-manager.log", "w")
program = subprocess.Popen(["virt-manager", "--connect", uri, "--no-fork", "--debug"], stdout=log, stderr=log)
try:
    manage()
finally:
    program.terminate()
    program.wait()
print("done", flush=True)
