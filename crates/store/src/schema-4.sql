-- Version 4: a label is the file's, under whatever name a machine has it, so that it is looked for by
-- the attribute, which says which file. An object's presence has no such number.
CREATE INDEX wants_label ON wants (attribute) WHERE attribute <> '"presence"';
CREATE INDEX ledger_open_label ON ledger (attribute)
  WHERE phase IN ('intent', 'done') AND attribute <> '"presence"';

-- And when the kernel was last asked about it again, with what did not hold since when (JSON).
ALTER TABLE evidence ADD COLUMN verified_ms INTEGER;
ALTER TABLE evidence ADD COLUMN doubts TEXT;
