"""The tables of human review, and the words that stand in their columns.

It knows names of columns and states; it must not know when anything changes.
"""

import secrets

from local_sagemaker.database import Database

# States of an assignment. The first two hold one of a loop's answers for a worker; the third gave
# it. What was declined keeps its worker away from the loop; the others are over without a trace.
WORKING, PAUSED, SUBMITTED = "working", "paused", "submitted"
DECLINED, RELEASED, LEFT = "declined", "released", "left"
EXPIRED, STOPPED = "expired", "stopped"

# Statuses of a human loop, as the API shows them.
IN_PROGRESS, STOPPING = "InProgress", "Stopping"
LOOP_COMPLETED, LOOP_STOPPED, LOOP_FAILED = "Completed", "Stopped", "Failed"

_TABLES = (
    """
    CREATE TABLE review_workers (
        worker_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
        region TEXT NOT NULL, sub TEXT NOT NULL, joined REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE review_templates (digest TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE review_flows (
        id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
        arn TEXT NOT NULL, created REAL NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL,
        keywords TEXT NOT NULL, task_count INTEGER NOT NULL, lifetime REAL NOT NULL,
        time_limit REAL NOT NULL, output TEXT NOT NULL, kms_key TEXT, role TEXT NOT NULL,
        task_ui TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX review_flows_by_arn ON review_flows (arn) WHERE NOT deleted;
    CREATE TABLE review_loops (
        number INTEGER PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL,
        name TEXT NOT NULL, flow TEXT NOT NULL REFERENCES review_flows (id),
        template TEXT REFERENCES review_templates (digest), created REAL NOT NULL,
        expires REAL NOT NULL,
        status TEXT NOT NULL, outcome TEXT, failure_code TEXT, failure_reason TEXT,
        UNIQUE (account, region, name)
    );
    -- By themselves, because a row is written anew with each change of its status.
    CREATE TABLE review_inputs (
        loop INTEGER PRIMARY KEY REFERENCES review_loops (number) ON DELETE CASCADE,
        content TEXT NOT NULL, attributes TEXT NOT NULL
    );
    CREATE INDEX review_loops_by_flow ON review_loops (flow, created);
    CREATE INDEX review_loops_by_template ON review_loops (template);
    CREATE INDEX review_loops_open ON review_loops (flow, number) WHERE status = 'InProgress';
    CREATE INDEX review_loops_expiring ON review_loops (expires) WHERE status = 'InProgress';
    CREATE INDEX review_loops_due ON review_loops (number) WHERE outcome IS NOT NULL;
    CREATE TABLE review_assignments (
        id TEXT PRIMARY KEY,
        loop INTEGER NOT NULL REFERENCES review_loops (number) ON DELETE CASCADE,
        worker TEXT NOT NULL REFERENCES review_workers (worker_id), state TEXT NOT NULL,
        accepted REAL NOT NULL, deadline REAL NOT NULL, spent REAL NOT NULL,
        resumed REAL NOT NULL, submitted REAL, answer TEXT
    ) WITHOUT ROWID;
    CREATE INDEX review_assignments_by_loop ON review_assignments (loop);
    CREATE UNIQUE INDEX review_assignments_once ON review_assignments (loop, worker)
        WHERE state IN ('working', 'paused', 'submitted', 'declined');
    CREATE INDEX review_assignments_held ON review_assignments (deadline)
        WHERE state IN ('working', 'paused');

    -- Loops in progress, and how many answers of each nobody gives yet.
    CREATE VIEW review_open AS
        SELECT l.number, l.flow, l.expires, f.time_limit, f.task_count - (
            SELECT COUNT(*) FROM review_assignments a
            WHERE a.loop = l.number AND a.state IN ('working', 'paused', 'submitted')
        ) AS free
        FROM review_loops l JOIN review_flows f ON f.id = l.flow
        WHERE l.status = 'InProgress' AND l.outcome IS NULL;
    -- Which loops are not offered to which workers.
    CREATE VIEW review_away AS
        SELECT loop, worker FROM review_assignments
        WHERE state IN ('working', 'paused', 'submitted', 'declined');
    -- Assignments with all that a worker sees of them.
    CREATE VIEW review_tasks AS
        SELECT a.*, l.name AS loop_name, i.content AS input, l.status, f.id AS flow, f.title,
            f.description, f.account, f.region, f.time_limit, f.role, t.content AS template
        FROM review_assignments a JOIN review_loops l ON l.number = a.loop
        JOIN review_inputs i ON i.loop = l.number
        JOIN review_flows f ON f.id = l.flow JOIN review_templates t ON t.digest = l.template
    """,
)


def create_tables(database: Database) -> None:
    """Make the tables of human review, or bring them up to date."""
    database.migrate("human_review", _TABLES)


def token() -> str:
    """Return an identifier that nobody can guess."""
    return secrets.token_urlsafe(18)
