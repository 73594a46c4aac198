-- Agents at work: their sessions, what is recorded of them, and what people tell them.

CREATE TABLE "agent_session" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" uuid NOT NULL REFERENCES "repository" ("id") ON DELETE CASCADE,
  -- The work item: one issue or pull request of one repository, by the forge's own numbers (decision 13).
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_repository_id" bigint NOT NULL,
  "number" integer NOT NULL,
  "on_pull_request" boolean NOT NULL,
  "kind" text NOT NULL DEFAULT 'task' CHECK ("kind" IN ('task', 'review')),
  -- What asked for it, such as one command of one comment: asked twice, it is one session (I3).
  "command_key" text NOT NULL,
  "retry_of" uuid REFERENCES "agent_session" ("id") ON DELETE SET NULL,
  -- Who asked, by the account on the forge or by ours, and as the trail names them.
  "requester_id" bigint,
  "requester_login" text,
  "user_id" text REFERENCES "user" ("id") ON DELETE SET NULL,
  "requested_by" text NOT NULL,
  "agent" text NOT NULL,
  "instructions" text NOT NULL DEFAULT '',
  -- Only what was written by then is told to the agent (R14).
  "triggered_at" timestamptz NOT NULL,
  -- How often the agent was sent off: a reply to what has come back is another round of the same session.
  "round" integer NOT NULL DEFAULT 1,
  "base_branch" text,
  "base_sha" text,
  "head_sha" text,
  "branch" text,
  "status" text NOT NULL DEFAULT 'assigned' CHECK ("status" IN ('assigned', 'provisioning', 'running', 'blocked', 'pushing',
    'in_review', 'merged', 'completed', 'failed', 'cancelled')),
  -- It is to end; over it is only when nothing of it runs any more.
  "stop_wanted" text CHECK ("stop_wanted" IN ('cancelled', 'superseded', 'budget', 'timeout', 'lost')),
  "question" jsonb,
  -- The agent's last message, and why it failed: for people.
  "message" text,
  "failure" text,
  -- At most one session of a work item holds the lease, and each has a higher number than the one before.
  "lease_held" boolean NOT NULL DEFAULT false,
  "fence" bigint,
  "heartbeat_at" timestamptz,
  "runner" text,
  "runner_handle" jsonb,
  -- How far the agent's lines have been read: written in the transaction that writes what they say.
  "line_cursor" bigint NOT NULL DEFAULT 0,
  "event_sequence" bigint NOT NULL DEFAULT 0,
  "limit_seconds" integer NOT NULL CHECK ("limit_seconds" > 0),
  "limit_tokens" bigint CHECK ("limit_tokens" > 0),
  "limit_cost_micros" bigint CHECK ("limit_cost_micros" > 0),
  "tokens" bigint NOT NULL DEFAULT 0,
  "cost_micros" bigint NOT NULL DEFAULT 0,
  -- Time at work, without waiting for people: of the rounds before, and since when it works now.
  "worked_seconds" integer NOT NULL DEFAULT 0,
  "working_since" timestamptz,
  "pull_request_id" uuid REFERENCES "pull_request" ("id") ON DELETE SET NULL,
  "pull_request_number" integer,
  "pull_request_url" text,
  "result_sha" text,
  "desired_version" bigint NOT NULL DEFAULT 1,
  "observed_version" bigint NOT NULL DEFAULT 0,
  "attempts" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz,
  "error" text,
  "started_at" timestamptz,
  "ended_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  CHECK ("fence" IS NOT NULL OR NOT "lease_held"),
  UNIQUE ("organization_id", "command_key")
);
CREATE UNIQUE INDEX "agent_session_lease" ON "agent_session" ("forge", "host", "remote_repository_id", "number")
  WHERE "lease_held";
CREATE UNIQUE INDEX "agent_session_fence" ON "agent_session" ("forge", "host", "remote_repository_id", "number", "fence");
CREATE INDEX "agent_session_repository" ON "agent_session" ("repository_id", "number");
CREATE INDEX "agent_session_changed" ON "agent_session" ("organization_id", "updated_at", "id");
CREATE INDEX "agent_session_pull_request" ON "agent_session" ("pull_request_id") WHERE "pull_request_id" IS NOT NULL;
CREATE INDEX "agent_session_unsettled" ON "agent_session" ("organization_id", "next_attempt_at")
  WHERE "observed_version" <> "desired_version";

-- The record. Written by the state machine alone, numbered without a gap, and never changed.
CREATE TABLE "session_event" (
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "session_id" uuid NOT NULL REFERENCES "agent_session" ("id") ON DELETE CASCADE,
  "sequence" bigint NOT NULL,
  "kind" text NOT NULL,
  "data" jsonb NOT NULL DEFAULT '{}',
  "created_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY ("session_id", "sequence")
);
CREATE INDEX "session_event_organization" ON "session_event" ("organization_id");

-- What people told an agent, and whether it has been handed over. The sender's own id: sent twice, it is one.
CREATE TABLE "client_input" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "session_id" uuid NOT NULL REFERENCES "agent_session" ("id") ON DELETE CASCADE,
  "client_input_id" text NOT NULL,
  "position" bigint GENERATED ALWAYS AS IDENTITY,
  "round" integer NOT NULL,
  "written_by" text NOT NULL,
  "body" text NOT NULL,
  "delivered_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("session_id", "client_input_id")
);
CREATE INDEX "client_input_waiting" ON "client_input" ("session_id", "position") WHERE "delivered_at" IS NULL;

-- A task of the external board that a session works on.
CREATE TABLE "task_run" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "user_id" text REFERENCES "user" ("id") ON DELETE SET NULL,
  "kanbanger_workspace_id" text,
  "kanbanger_issue_id" text,
  "kanbanger_issue_identifier" text,
  "session_id" uuid REFERENCES "agent_session" ("id") ON DELETE SET NULL,
  "repository_id" uuid REFERENCES "repository" ("id") ON DELETE SET NULL,
  "worktree_id" text,
  "status" text NOT NULL DEFAULT 'starting' CHECK ("status" IN ('starting', 'running', 'blocked', 'completed', 'failed')),
  "blocked_reason" text,
  "pull_request_id" uuid REFERENCES "pull_request" ("id") ON DELETE SET NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  "completed_at" timestamptz
);
CREATE UNIQUE INDEX "task_run_session" ON "task_run" ("session_id");
CREATE INDEX "task_run_issue" ON "task_run" ("organization_id", "kanbanger_issue_id")
  WHERE "kanbanger_issue_id" IS NOT NULL;

-- What the place that an agent works in belongs to: a task, a pull request.
CREATE TABLE "worktree_link" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "session_id" uuid NOT NULL REFERENCES "agent_session" ("id") ON DELETE CASCADE,
  "worktree_id" text NOT NULL,
  "task_run_id" uuid REFERENCES "task_run" ("id") ON DELETE CASCADE,
  "pull_request_id" uuid REFERENCES "pull_request" ("id") ON DELETE CASCADE,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  CHECK (("task_run_id" IS NULL) <> ("pull_request_id" IS NULL))
);
CREATE UNIQUE INDEX "worktree_link_task" ON "worktree_link" ("worktree_id", "task_run_id") WHERE "task_run_id" IS NOT NULL;
CREATE UNIQUE INDEX "worktree_link_pull_request" ON "worktree_link" ("worktree_id", "pull_request_id")
  WHERE "pull_request_id" IS NOT NULL;
CREATE INDEX "worktree_link_session" ON "worktree_link" ("session_id");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['agent_session', 'session_event', 'client_input', 'task_run', 'worktree_link'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO forgeway_worker, forgeway_api', t);
  END LOOP;
END $$;
-- The record is written once.
REVOKE UPDATE ON "session_event" FROM forgeway_worker, forgeway_api;

-- What was written to and by whom stays with the session: pull requests and commits know theirs.
ALTER TABLE "pull_request" ADD CONSTRAINT "pull_request_session_id_fkey" FOREIGN KEY ("session_id")
  REFERENCES "agent_session" ("id") ON DELETE SET NULL;
ALTER TABLE "git_commit" ADD CONSTRAINT "git_commit_session_id_fkey" FOREIGN KEY ("session_id")
  REFERENCES "agent_session" ("id") ON DELETE SET NULL;
CREATE INDEX "git_commit_session" ON "git_commit" ("session_id") WHERE "session_id" IS NOT NULL;

CREATE TRIGGER "agent_session_made" AFTER INSERT OR DELETE ON "agent_session"
  FOR EACH ROW EXECUTE FUNCTION tell_change('session');
CREATE TRIGGER "agent_session_changed" AFTER UPDATE ON "agent_session"
  FOR EACH ROW WHEN ((OLD."status", OLD."stop_wanted", OLD."event_sequence", OLD."pull_request_id")
    IS DISTINCT FROM (NEW."status", NEW."stop_wanted", NEW."event_sequence", NEW."pull_request_id"))
  EXECUTE FUNCTION tell_change('session', 'changed');
