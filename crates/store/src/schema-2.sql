-- Version 2: what the user of a live machine had asked for when it was started. Its form belongs to
-- whoever started it; nothing for a machine that was started under version 1.
ALTER TABLE plans ADD COLUMN request TEXT;
