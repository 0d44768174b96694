-- Version 8: how many changes are not settled, apart from the ledger: whoever looks whether the store is whole
-- misses one that a damaged page hides. By triggers, so that it is right whoever settles one.
CREATE TABLE accounts (
  what  TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO accounts
  SELECT 'unsettled', count(*) FROM ledger NOT INDEXED WHERE phase NOT IN ('undone', 'left');

CREATE TRIGGER ledger_begun AFTER INSERT ON ledger
  WHEN NEW.phase NOT IN ('undone', 'left') BEGIN
  UPDATE accounts SET count = count + 1 WHERE what = 'unsettled';
END;
CREATE TRIGGER ledger_settled AFTER UPDATE OF phase ON ledger
  WHEN NEW.phase IN ('undone', 'left') AND OLD.phase NOT IN ('undone', 'left') BEGIN
  UPDATE accounts SET count = count - 1 WHERE what = 'unsettled';
END;
CREATE TRIGGER ledger_gone AFTER DELETE ON ledger
  WHEN OLD.phase NOT IN ('undone', 'left') BEGIN
  UPDATE accounts SET count = count - 1 WHERE what = 'unsettled';
END;

-- And a want says by a digest whether it is still what was written, as an entry of the ledger does: what a live
-- machine wants is not put back for one that died. One without is from a process that knew of none.
ALTER TABLE wants ADD COLUMN digest INTEGER;
