-- Version 7: what lives and is no machine has changed the host too: a drill, as long as it lasts.
ALTER TABLE runs ADD COLUMN drill INTEGER NOT NULL DEFAULT 0;
