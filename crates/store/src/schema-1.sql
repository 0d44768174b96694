-- Version 1. A file like this one never changes after a release: what changes is a further file.

CREATE TABLE definitions (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  request    TEXT NOT NULL,          -- JSON; its form belongs to whoever defined the machine
  autostart  INTEGER NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;

-- One row for each live machine. What it holds goes with it.
CREATE TABLE runs (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  pid        INTEGER NOT NULL,       -- of the supervisor,
  start_time INTEGER NOT NULL,       -- which field 22 of proc_pid_stat(5)
  boot_id    TEXT NOT NULL,          -- and the boot tell from a later process of that number
  state      TEXT NOT NULL,
  started_ms INTEGER NOT NULL,
  transient  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Long texts, apart from `runs` so that a list of machines does not read them, and apart from
-- each other so that writing the second does not write the first again.
CREATE TABLE plans (
  run  TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
  plan TEXT NOT NULL                 -- JSON
) STRICT;
CREATE TABLE evidence (
  run      TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
  evidence TEXT NOT NULL             -- JSON
) STRICT;

-- The processes of a machine that runs: whoever cleans up after its supervisor ends these first.
CREATE TABLE processes (
  run        TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  position   INTEGER NOT NULL,
  pid        INTEGER NOT NULL,
  start_time INTEGER NOT NULL,       -- field 22 of proc_pid_stat(5), in the boot of the run
  PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
  kind  TEXT NOT NULL,
  value INTEGER NOT NULL,
  run   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_run ON reservations (run);

CREATE TABLE wants (
  run       TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  position  INTEGER NOT NULL,
  object    TEXT NOT NULL,
  attribute TEXT NOT NULL,           -- JSON
  value     TEXT NOT NULL,           -- JSON
  PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX wants_object ON wants (object);

-- What machines use, each once: nearly all of it is libraries that all machines have, and with them
-- apart from their holders a start writes and reads few pages however many machines live. What
-- nobody uses any more is kept for the next machine until there is much of it.
CREATE TABLE objects (
  id            INTEGER PRIMARY KEY,
  device        INTEGER NOT NULL,
  inode         INTEGER NOT NULL,
  path          TEXT NOT NULL,
  access        TEXT NOT NULL,
  sharing_group TEXT,                -- NULL: private
  beneath       INTEGER NOT NULL     -- what a block device lies on
) STRICT;
CREATE INDEX objects_written ON objects (id) WHERE access = 'write';
CREATE INDEX objects_file ON objects (device, inode);
CREATE INDEX objects_path ON objects (path);

CREATE TABLE claims (
  run      TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  object   INTEGER NOT NULL,         -- which stays for a while when its last claim is gone
  PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_object ON claims (object);

-- Every change to the host. Not tied to `runs`: an entry outlives its machine while it is open.
CREATE TABLE ledger (
  sequence  INTEGER PRIMARY KEY,
  machine   TEXT NOT NULL,
  name      TEXT NOT NULL,
  object    TEXT NOT NULL,
  attribute TEXT NOT NULL,           -- JSON
  before    TEXT NOT NULL,           -- JSON
  after     TEXT NOT NULL,           -- JSON
  phase     TEXT NOT NULL,
  reason    TEXT NOT NULL,
  time_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_open ON ledger (machine) WHERE phase IN ('intent', 'done');
CREATE INDEX ledger_open_object ON ledger (object) WHERE phase IN ('intent', 'done');

CREATE TABLE formats (
  filesystem TEXT NOT NULL,
  inode      INTEGER NOT NULL,
  format     TEXT NOT NULL,
  below      TEXT NOT NULL,          -- what its header named below it then, or nothing
  path       TEXT NOT NULL,          -- where it was then
  seen_ms    INTEGER NOT NULL,
  PRIMARY KEY (filesystem, inode)
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
  sequence INTEGER PRIMARY KEY,
  key      TEXT NOT NULL UNIQUE,
  value    TEXT NOT NULL
) STRICT;

CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  time_ms  INTEGER NOT NULL,
  machine  TEXT NOT NULL,
  kind     TEXT NOT NULL,
  detail   TEXT NOT NULL
) STRICT;
