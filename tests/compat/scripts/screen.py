"""A screen of one's own for programs with windows, and what is on it: read as a screen reader reads it
(AT-SPI), by its pixels, and used with its mouse and its keys."""

import os
import subprocess
import sys
import time

PATIENCE = 60


def enter():
    """Runs this script once more where there is a screen and a bus, and ends as it does."""
    if "IN_SCREEN" in os.environ:
        return
    told, tell = os.pipe()
    words = ["Xvfb", "-displayfd", str(tell), "-screen", "0", "1900x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(words, pass_fds=[tell], stderr=subprocess.DEVNULL)
    os.close(tell)
    try:
        number = os.read(told, 16).decode().strip()
        if not number:
            sys.exit("there is no screen")
        given = dict(os.environ, DISPLAY=f":{number}", IN_SCREEN="1", GSETTINGS_BACKEND="memory")
        words = ["dbus-run-session", "--", sys.executable, "-W", "ignore", *sys.argv]
        code = subprocess.run(words, env=given).returncode
    finally:
        server.terminate()
        server.wait()
    sys.exit(code)


enter()

import gi

gi.require_version("Atspi", "2.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Atspi, Gdk, GLib


def until(look, what):
    """What `look` gives when it gives something; a window may change while it is looked at."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            found = look()
            if found:
                return found
        except GLib.Error:
            pass
        time.sleep(0.05)
    picture().savev(f"{os.environ.get('HOME', '/tmp')}/failed.png", "png", [], [])
    raise SystemExit(f"not within {PATIENCE} s: {what}")


def children(node):
    return [node.get_child_at_index(number) for number in range(node.get_child_count())]


def all_in(node):
    yield node
    try:
        below = [child for child in children(node) if child]
    except GLib.Error:
        below = []
    for child in below:
        yield from all_in(child)


def windows():
    return [window for program in children(Atspi.get_desktop(0)) if program for window in children(program)]


def is_seen(node):
    return node.get_state_set().contains(Atspi.StateType.SHOWING)


def matches(node, role, name):
    if node.get_role_name() != role:
        return False
    return name(node.get_name()) if callable(name) else name is None or node.get_name() == name


def find(place, role, name=None, seen=True):
    """The first of a role and a name in a place: something found before, or what gives the place anew."""

    def look():
        for top in place() if callable(place) else [place]:
            for node in all_in(top):
                if matches(node, role, name) and (is_seen(node) or not seen):
                    return node

    return until(look, f"a {role} {name}")


def there_is(role, name, place=windows):
    """Whether it is there now."""
    try:
        return any(matches(node, role, name) for top in place() for node in all_in(top))
    except GLib.Error:
        return False


def press(node):
    """Clicks on it with the mouse, when that can be done. An action by AT-SPI would not return before the
    dialog that it opens is answered."""

    def can_be():
        states = node.get_state_set()
        return is_seen(node) and states.contains(Atspi.StateType.SENSITIVE) and place_of(node)

    def rests():
        # What moves still, on a busy host, would not be where it was seen.
        first = can_be()
        time.sleep(0.3)
        return first and first == can_be()

    until(rests, f"{node.get_name()} can be pressed")
    click_on(node)


MENUS = ("menu", "menu item", "radio menu item", "check menu item")


def choose(window, *path):
    """Something of a window's menus."""
    place = find(window, "menu bar")
    for title in path:
        below = lambda: [n for n in all_in(place) if n is not place and n.get_role_name() in MENUS]
        place = until(lambda: [n for n in below() if n.get_name() == title], " > ".join(path))[0]
        press(place)


def answer(button):
    """Presses a button of whatever asks."""
    press(find(lambda: [w for w in windows() if w.get_role_name() in ("alert", "dialog")], "push button", button))


def place_of(node):
    at = node.get_extents(Atspi.CoordType.SCREEN)
    return at.x, at.y, at.width, at.height


def click_on(node):
    x, y, width, height = place_of(node)
    Atspi.generate_mouse_event(x + width // 2, y + height // 2, "b1c")


def type_keys(text):
    for letter in text:
        Atspi.generate_keyboard_event(Gdk.unicode_to_keyval(ord(letter)), None, Atspi.KeySynthType.SYM)


def picture():
    """Everything on the screen."""
    root = Gdk.get_default_root_window()
    return Gdk.pixbuf_get_from_window(root, 0, 0, root.get_width(), root.get_height())


def rows(node):
    """The pixels where something is, red, green and blue, row by row."""
    x, y, width, height = place_of(node)
    part = picture().new_subpixbuf(x, y, width, height)
    stride, bytes_of, step = part.get_rowstride(), part.get_pixels(), part.get_n_channels()
    whole = [bytes_of[line * stride : line * stride + width * step] for line in range(height)]
    return [b"".join(row[at : at + 3] for at in range(0, len(row), step)) if step > 3 else row for row in whole]

