-- Version 5: an object is known by what stays of it, and what could not be undone yet is not forgotten.

-- What was written of labels before names files in a way that nobody reads any more.
DELETE FROM ledger WHERE phase IN ('undone', 'left') AND attribute <> '"presence"';
DROP INDEX wants_label;
DROP INDEX ledger_open_label;

-- A label is the file's, under whatever name a machine has it: which file, as one text; NULL where the
-- path says which object it is. An attribute of a file says which file as well, and which model's.
ALTER TABLE wants ADD COLUMN file TEXT;
ALTER TABLE ledger ADD COLUMN file TEXT;
-- Of a label that was put back: the boot in which that was, until it was looked at after another one.
ALTER TABLE ledger ADD COLUMN boot TEXT;

CREATE INDEX wants_file ON wants (file) WHERE file IS NOT NULL;
-- An entry that is orphaned has no machine any more, and is tried again.
DROP INDEX ledger_open_object;
CREATE INDEX ledger_unsettled_object ON ledger (object)
  WHERE phase IN ('intent', 'done', 'orphaned');
CREATE INDEX ledger_unsettled_file ON ledger (file)
  WHERE phase IN ('intent', 'done', 'orphaned') AND file IS NOT NULL;
CREATE INDEX ledger_orphaned ON ledger (sequence) WHERE phase = 'orphaned';
CREATE INDEX ledger_boot ON ledger (boot, time_ms) WHERE boot IS NOT NULL;

-- An image is known by the same text, or by its path where nothing else stays of it.
DROP TABLE formats;
CREATE TABLE formats (
  image   TEXT PRIMARY KEY,
  format  TEXT NOT NULL,
  below   TEXT NOT NULL,             -- what its header named below it then, or nothing
  path    TEXT NOT NULL,             -- where it was then
  seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a user has set, in place of what the program takes.
CREATE TABLE settings (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- And when the kernel was last asked about a machine again, with what did not hold since when (JSON).
ALTER TABLE evidence ADD COLUMN verified_ms INTEGER;
ALTER TABLE evidence ADD COLUMN doubts TEXT;

-- A directory that is labelled with everything below it excludes what others use there, also where all
-- only read.
ALTER TABLE objects ADD COLUMN labelled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX objects_labelled ON objects (id) WHERE labelled = 1;
