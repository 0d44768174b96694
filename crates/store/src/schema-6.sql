-- Version 6: an entry of the ledger says by a digest whether it is still what was written. Those of
-- before are given theirs when this is done.
ALTER TABLE ledger ADD COLUMN digest INTEGER;

-- How long the boot had lasted in which a label was put back (milliseconds): the host's clock may be set
-- in between.
ALTER TABLE ledger ADD COLUMN boot_ms INTEGER;
DROP INDEX ledger_boot;
CREATE INDEX ledger_boot ON ledger (boot, boot_ms) WHERE boot IS NOT NULL;
