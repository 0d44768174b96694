-- Version 3: what the security modules call a live machine, and the groups with which it shares.

CREATE TABLE labels (
  run   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  model TEXT NOT NULL,
  label TEXT NOT NULL,               -- JSON
  PRIMARY KEY (run, model)
) STRICT, WITHOUT ROWID;

-- The groups that have a live machine. No two have the same category, or a machine of one of them
-- would reach what the other shares.
CREATE TABLE sharing_groups (
  name     TEXT PRIMARY KEY,
  category INTEGER NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  sharing_group TEXT NOT NULL REFERENCES sharing_groups (name),
  seat          INTEGER NOT NULL,    -- by which those who cannot read this know that it is there
  run           TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  PRIMARY KEY (sharing_group, seat),
  UNIQUE (sharing_group, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_run ON members (run);

-- A group ends with its last machine, whatever ends that.
CREATE TRIGGER members_last AFTER DELETE ON members BEGIN
  DELETE FROM sharing_groups WHERE name = OLD.sharing_group
    AND NOT EXISTS (SELECT 1 FROM members WHERE sharing_group = OLD.sharing_group);
END;
