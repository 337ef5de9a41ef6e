-- When somebody was at work. At most one has no `closed_at`.
CREATE TABLE sessions (
    number BIGINT PRIMARY KEY,
    opened_at TEXT NOT NULL,
    closed_at TEXT
);

-- What happened since a moment.
CREATE INDEX events_by_time ON events (at, number);
