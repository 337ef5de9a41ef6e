-- When a run was meant for a machine, which a queued one is not yet, and what was said when it was queued.
ALTER TABLE runs ADD COLUMN reserved_at TEXT;
ALTER TABLE runs ADD COLUMN wish TEXT;
CREATE INDEX runs_by_start ON runs (reserved_at) WHERE kind <> 'test';
