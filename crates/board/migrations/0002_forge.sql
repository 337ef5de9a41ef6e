-- What only a task has that is an issue of a forge, as JSON.
ALTER TABLE tasks ADD COLUMN origin TEXT;
ALTER TABLE tasks ADD COLUMN related TEXT;

-- The page of a pull request, where its forge has pages.
ALTER TABLE pull_requests ADD COLUMN url TEXT;

-- Comments that are to stand on a forge once each. A row without `comment` is one that somebody set out to
-- write: it may be there already. `holder` is the lock that they held meanwhile.
CREATE TABLE comments (
    run TEXT NOT NULL,
    event TEXT NOT NULL,
    comment BIGINT,
    holder TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    PRIMARY KEY (run, event),
    FOREIGN KEY (run) REFERENCES runs (id)
);

-- Repos into whose default branch nothing is merged until it has passed its tests again.
CREATE TABLE pauses (
    repo TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    reason TEXT NOT NULL,
    tip TEXT NOT NULL,
    begun_at TEXT NOT NULL
);
