-- Numbers that only grow: `events` for events, `forge` for tasks and pull requests together.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE tasks (
    repo TEXT NOT NULL,
    number BIGINT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    labels TEXT NOT NULL,
    files TEXT NOT NULL,
    waits_for TEXT NOT NULL,
    state TEXT NOT NULL,
    merge_commit TEXT,
    close_reason TEXT,
    created_at TEXT NOT NULL,
    PRIMARY KEY (repo, number)
);
CREATE INDEX tasks_by_number ON tasks (number);
CREATE INDEX tasks_open ON tasks (number) WHERE state = 'open';

CREATE TABLE changes (
    repo TEXT NOT NULL,
    number BIGINT NOT NULL,
    branch TEXT NOT NULL,
    base_branch TEXT NOT NULL,
    state TEXT NOT NULL,
    head TEXT,
    merge_commit TEXT,
    fence BIGINT NOT NULL,
    PRIMARY KEY (repo, number),
    FOREIGN KEY (repo, number) REFERENCES tasks (repo, number)
);
CREATE INDEX changes_unmerged ON changes (repo, number) WHERE state <> 'merged';

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    repo TEXT NOT NULL,
    number BIGINT NOT NULL,
    machine TEXT NOT NULL,
    runtime TEXT NOT NULL,
    model TEXT,
    attempt BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    state TEXT NOT NULL,
    since TEXT,
    ended TEXT,
    created_at TEXT NOT NULL,
    FOREIGN KEY (repo, number) REFERENCES changes (repo, number)
);
CREATE UNIQUE INDEX runs_one_live ON runs (repo, number, kind) WHERE state <> 'ended';
CREATE INDEX runs_live ON runs (created_at, id) WHERE state <> 'ended';
CREATE INDEX runs_by_task ON runs (repo, number);
CREATE INDEX runs_by_age ON runs (created_at, id);

CREATE TABLE gates (
    repo TEXT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (repo, number, kind),
    FOREIGN KEY (repo, number) REFERENCES changes (repo, number)
);

CREATE TABLE pull_requests (
    repo TEXT NOT NULL,
    number BIGINT NOT NULL,
    task BIGINT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    merge_commit TEXT,
    opened_at TEXT NOT NULL,
    PRIMARY KEY (repo, number),
    FOREIGN KEY (repo, task) REFERENCES changes (repo, number)
);
CREATE INDEX pull_requests_by_task ON pull_requests (repo, task);
CREATE UNIQUE INDEX pull_requests_open ON pull_requests (repo, task) WHERE state = 'open';

CREATE TABLE events (
    number BIGINT PRIMARY KEY,
    at TEXT NOT NULL,
    repo TEXT NOT NULL,
    task BIGINT NOT NULL,
    fact TEXT NOT NULL
);
CREATE INDEX events_by_task ON events (repo, task, number);
