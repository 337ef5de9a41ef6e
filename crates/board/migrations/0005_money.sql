-- What each run of agent work may spend and did, in millionths of a dollar. One that has not ended has no `ended_at`;
-- `reserved` counts for as long as it is there, and `spent` where it is more.
CREATE TABLE ledger (
    run TEXT PRIMARY KEY,
    repo TEXT NOT NULL,
    number BIGINT NOT NULL,
    machine TEXT NOT NULL,
    runtime TEXT NOT NULL,
    account TEXT,
    reserved BIGINT,
    spent BIGINT,
    begun_at TEXT NOT NULL,
    ended_at TEXT,
    FOREIGN KEY (run) REFERENCES runs (id)
);
CREATE INDEX ledger_by_task ON ledger (repo, number);
CREATE INDEX ledger_by_time ON ledger (ended_at);
CREATE INDEX ledger_by_place ON ledger (machine, runtime, begun_at);

-- What was said last of the usage windows of accounts. `lifted_at` is when a person said that work goes on anyway.
CREATE TABLE windows (
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    told TEXT NOT NULL,
    told_at TEXT NOT NULL,
    lifted_at TEXT,
    PRIMARY KEY (account, name)
);
