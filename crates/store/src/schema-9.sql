-- Version 9: by what a live machine's label is found: by each of its categories, by nothing where it has none, and
-- by itself where a label has no categories.
CREATE TABLE label_parts (
  model TEXT NOT NULL,
  part  TEXT NOT NULL,
  parts INTEGER NOT NULL,            -- how many categories the label has
  run   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  PRIMARY KEY (model, part, parts, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX label_parts_run ON label_parts (run);
