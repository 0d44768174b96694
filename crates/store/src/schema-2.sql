-- Version 2: a claim on what a block device lies on.

ALTER TABLE claims ADD COLUMN beneath INTEGER NOT NULL DEFAULT 0;
