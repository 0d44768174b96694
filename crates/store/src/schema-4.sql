-- Version 4: a label is the file's, under whatever name a machine has it, so that it is looked for by
-- the attribute, which says which file. An object's presence has no such number.
CREATE INDEX wants_label ON wants (attribute) WHERE attribute <> '"presence"';
CREATE INDEX ledger_open_label ON ledger (attribute)
  WHERE phase IN ('intent', 'done') AND attribute <> '"presence"';
