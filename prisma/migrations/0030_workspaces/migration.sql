-- Workspaces: which repository plans and applies what, the runs of each, and the state that they leave.

-- ── What is stored of them: archives, plans, states ─────────────────────────────────────────────────────────────────────────

-- Its bytes are in pieces, each sealed with the key that is sealed here, so that another master key is a matter of one row.
CREATE TABLE "blob" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "kind" text NOT NULL CHECK ("kind" IN ('configuration', 'plan', 'plan-json', 'state', 'state-json')),
  -- Of the plain bytes. NULL while they are still coming.
  "sha256" text,
  "size" bigint NOT NULL DEFAULT 0,
  "data_key_ciphertext" text,
  "data_key_iv" text,
  "data_key_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "created_at" timestamptz NOT NULL DEFAULT now()
);
-- The same archive is kept once.
CREATE UNIQUE INDEX "blob_content" ON "blob" ("organization_id", "sha256") WHERE "kind" = 'configuration' AND "sha256" IS NOT NULL;
CREATE INDEX "blob_unfinished" ON "blob" ("organization_id", "created_at") WHERE "sha256" IS NULL;

CREATE TABLE "blob_chunk" (
  "blob_id" uuid NOT NULL REFERENCES "blob" ("id") ON DELETE CASCADE,
  "ordinal" integer NOT NULL CHECK ("ordinal" >= 0),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "bytes" bytea NOT NULL,
  PRIMARY KEY ("blob_id", "ordinal")
);
-- Sealed, so nothing that could be compressed.
ALTER TABLE "blob_chunk" ALTER COLUMN "bytes" SET STORAGE EXTERNAL;

-- ── Workspaces ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE "workspace" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "name" text NOT NULL CHECK ("name" ~ '^[A-Za-z0-9_-]{1,90}$'),
  "description" text,
  "execution_mode" text NOT NULL DEFAULT 'remote' CHECK ("execution_mode" IN ('remote', 'local', 'agent')),
  "auto_apply" boolean NOT NULL DEFAULT false,
  -- NULL: whichever the executor has.
  "terraform_version" text,
  -- Relative to the root of the repository, without slashes at its ends; empty: the root.
  "working_directory" text NOT NULL DEFAULT '',
  -- Relative to the root of the repository. Empty: every change is of interest.
  "trigger_prefixes" jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof("trigger_prefixes") = 'array' AND jsonb_array_length("trigger_prefixes") <= 20),
  "speculative_enabled" boolean NOT NULL DEFAULT true,
  "allow_destroy_plan" boolean NOT NULL DEFAULT true,
  "tags" jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof("tags") = 'array'),
  -- As it was written. NULL: linked to no repository.
  "vcs_repo_url" text,
  -- NULL: the default branch of the repository.
  "vcs_branch" text,
  -- Not a reference: a workspace keeps its settings when its connection goes, and says that it is gone.
  "vcs_connection_id" uuid,
  "forge" text,
  "host" text,
  -- NULL while the forge has not been asked for the repository's number; from then on the number is what counts, not the path.
  "remote_repository_id" bigint,
  "remote_path" text,
  -- Moves only in the transaction that queues the run for it.
  "vcs_last_commit_sha" text,
  "vcs_last_error" text,
  "vcs_last_polled_at" timestamptz,
  -- Held by a person (or a machine) until they give it back; runs hold by being active.
  "locked_at" timestamptz,
  "locked_by" text,
  "lock_reason" text,
  -- A run whose apply ended in a way that nobody should build upon, or that asked for the lock itself.
  "locked_by_run_id" uuid,
  "current_state_version_id" uuid,
  "created_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("organization_id", "name"),
  CHECK (("locked_at" IS NULL) = ("locked_by" IS NULL)),
  CHECK ("vcs_repo_url" IS NULL OR ("forge" IS NOT NULL AND "host" IS NOT NULL))
);
CREATE INDEX "workspace_repository" ON "workspace" ("organization_id", "forge", "host", "remote_repository_id")
  WHERE "vcs_repo_url" IS NOT NULL;
CREATE INDEX "workspace_connection" ON "workspace" ("vcs_connection_id") WHERE "vcs_connection_id" IS NOT NULL;

CREATE TABLE "workspace_variable" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "workspace_id" uuid NOT NULL REFERENCES "workspace" ("id") ON DELETE CASCADE,
  "key" text NOT NULL,
  "category" text NOT NULL CHECK ("category" IN ('terraform', 'env')),
  "hcl" boolean NOT NULL DEFAULT false,
  "sensitive" boolean NOT NULL DEFAULT false,
  "description" text,
  -- NULL of a sensitive one, whose value is sealed.
  "value" text,
  "sealed_value_ciphertext" text,
  "sealed_value_iv" text,
  "sealed_value_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("workspace_id", "category", "key"),
  CHECK (NOT ("sensitive" AND "value" IS NOT NULL))
);
CREATE INDEX "workspace_variable_organization" ON "workspace_variable" ("organization_id");

-- What the people of a team may do in a workspace beyond what their role in the organization gives them.
CREATE TABLE "workspace_team" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "workspace_id" uuid NOT NULL REFERENCES "workspace" ("id") ON DELETE CASCADE,
  "team_id" uuid NOT NULL REFERENCES "team" ("id") ON DELETE CASCADE,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "access" text NOT NULL CHECK ("access" IN ('read', 'plan', 'write', 'admin')),
  "created_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("workspace_id", "team_id")
);
CREATE INDEX "workspace_team_organization" ON "workspace_team" ("organization_id");

-- ── Configuration versions ──────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE "configuration_version" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "workspace_id" uuid NOT NULL REFERENCES "workspace" ("id") ON DELETE CASCADE,
  "source" text NOT NULL CHECK ("source" IN ('vcs', 'api')),
  "status" text NOT NULL DEFAULT 'pending' CHECK ("status" IN ('pending', 'fetching', 'uploaded', 'errored', 'archived')),
  "speculative" boolean NOT NULL DEFAULT false,
  -- A run is made as soon as the archive has arrived, without being asked for.
  "auto_queue_runs" boolean NOT NULL DEFAULT true,
  "blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL,
  "sha256" text,
  "size" bigint,
  "error" text,
  "error_message" text,
  -- Of source vcs: what it is an archive of.
  "vcs_commit_sha" text,
  "vcs_branch" text,
  "vcs_pull_request_number" integer,
  "created_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "configuration_version_workspace" ON "configuration_version" ("workspace_id", "created_at");
CREATE INDEX "configuration_version_blob" ON "configuration_version" ("blob_id") WHERE "blob_id" IS NOT NULL;

-- ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE "run" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- The order in which runs of a workspace take their turn.
  "number" bigint GENERATED ALWAYS AS IDENTITY,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "workspace_id" uuid NOT NULL REFERENCES "workspace" ("id") ON DELETE CASCADE,
  "configuration_version_id" uuid NOT NULL REFERENCES "configuration_version" ("id") ON DELETE CASCADE,
  "status" text NOT NULL DEFAULT 'pending' CHECK ("status" IN ('pending', 'fetching', 'planning', 'planned',
    'planned_and_finished', 'confirmed', 'applying', 'applied', 'errored', 'discarded', 'canceled')),
  -- When each status was entered, by its name.
  "status_timestamps" jsonb NOT NULL DEFAULT '{}',
  "source" text NOT NULL CHECK ("source" IN ('vcs', 'api', 'cli', 'ui', 'comment')),
  "message" text NOT NULL DEFAULT '',
  -- Never to be applied, whatever is asked.
  "plan_only" boolean NOT NULL DEFAULT false,
  "auto_apply" boolean NOT NULL DEFAULT false,
  "is_destroy" boolean NOT NULL DEFAULT false,
  "refresh" boolean NOT NULL DEFAULT true,
  "refresh_only" boolean NOT NULL DEFAULT false,
  "allow_empty_apply" boolean NOT NULL DEFAULT false,
  -- Planned for a plan file on somebody's disk: it waits for the apply of that file, and holds up nobody before.
  "save_plan" boolean NOT NULL DEFAULT false,
  "target_addrs" jsonb NOT NULL DEFAULT '[]',
  "replace_addrs" jsonb NOT NULL DEFAULT '[]',
  "terraform_version" text,
  -- Values of this run alone: [{key, value}], sealed, since the command line they come from may have held secrets.
  "variables_ciphertext" text,
  "variables_iv" text,
  "variables_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "vcs_commit_sha" text,
  -- The tracked branch, or of a pull request its head.
  "vcs_branch" text,
  "vcs_pull_request_number" integer,
  -- What the tracked branch was when the pull request was planned; an apply needs it to be that still.
  "vcs_base_sha" text,
  -- A repetition of a plan for the same commit that somebody asked for; 0: the first.
  "repetition" integer NOT NULL DEFAULT 0,
  -- Code of somebody without the right to write, until a maintainer approved this very commit.
  "trusted" boolean NOT NULL DEFAULT true,
  "created_by" text NOT NULL,
  "confirmed_by" text,
  "confirmed_comment" text,
  -- Asked for, and done by whoever executes it.
  "cancel_requested_at" timestamptz,
  "cancel_requested_by" text,
  "force_canceled_at" timestamptz,
  -- What a person is told of an end that is no success, or of what it waits for.
  "status_reason" text,
  "executor" text,
  "executor_state" jsonb NOT NULL DEFAULT '{}',
  -- Grows with every process that takes the run; what comes under an older number is not written.
  "fencing_number" bigint NOT NULL DEFAULT 0,
  "lease_owner" text,
  "lease_until" timestamptz,
  -- As every reconciled row has them.
  "desired_version" bigint NOT NULL DEFAULT 1,
  "observed_version" bigint NOT NULL DEFAULT 0,
  "attempts" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz,
  "error" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  "finished_at" timestamptz
);
-- A pull request's commit is planned once, whoever noticed it first.
CREATE UNIQUE INDEX "run_speculative" ON "run" ("workspace_id", "vcs_pull_request_number", "vcs_commit_sha", "repetition")
  WHERE "vcs_pull_request_number" IS NOT NULL;
-- One at a time; plans that nobody can apply go beside it.
CREATE UNIQUE INDEX "run_active" ON "run" ("workspace_id")
  WHERE NOT "plan_only" AND NOT ("save_plan" AND "status" = 'planned')
    AND "status" IN ('fetching', 'planning', 'planned', 'confirmed', 'applying');
CREATE INDEX "run_workspace" ON "run" ("workspace_id", "number" DESC);
CREATE INDEX "run_unsettled" ON "run" ("organization_id", "next_attempt_at") WHERE "observed_version" <> "desired_version";
CREATE INDEX "run_leased" ON "run" ("organization_id", "lease_until") WHERE "lease_until" IS NOT NULL;
CREATE INDEX "run_configuration" ON "run" ("configuration_version_id");

-- The plan of a run and its apply: made with the run, each with an id of its own.
CREATE TABLE "run_phase" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "run_id" uuid NOT NULL REFERENCES "run" ("id") ON DELETE CASCADE,
  "phase" text NOT NULL CHECK ("phase" IN ('plan', 'apply')),
  "status" text NOT NULL DEFAULT 'pending'
    CHECK ("status" IN ('pending', 'queued', 'running', 'finished', 'errored', 'canceled', 'unreachable')),
  "started_at" timestamptz,
  "finished_at" timestamptz,
  -- Of a plan: whether there is anything to apply. NULL while it is not known.
  "has_changes" boolean,
  "resource_additions" integer,
  "resource_changes" integer,
  "resource_destructions" integer,
  "resource_imports" integer,
  -- Of a plan: [{address, type, name, actions, …}], without any value.
  "changes" jsonb,
  -- The one plan that may be applied, and the same as JSON; both sealed.
  "plan_blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL,
  "json_blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL,
  -- Bytes of log in all, those among them that were left out at its limit not counted.
  "log_size" bigint NOT NULL DEFAULT 0,
  "log_truncated" boolean NOT NULL DEFAULT false,
  -- Nothing more will come.
  "log_closed" boolean NOT NULL DEFAULT false,
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("run_id", "phase")
);
CREATE INDEX "run_phase_organization" ON "run_phase" ("organization_id");

CREATE TABLE "run_log_chunk" (
  "phase_id" uuid NOT NULL REFERENCES "run_phase" ("id") ON DELETE CASCADE,
  -- Of its first byte in the whole log.
  "position" bigint NOT NULL CHECK ("position" >= 0),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "bytes" bytea NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("phase_id", "position")
);

-- ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE "state_version" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "workspace_id" uuid NOT NULL REFERENCES "workspace" ("id") ON DELETE CASCADE,
  "run_id" uuid REFERENCES "run" ("id") ON DELETE SET NULL,
  "status" text NOT NULL DEFAULT 'pending' CHECK ("status" IN ('pending', 'finalized', 'discarded')),
  "serial" bigint NOT NULL CHECK ("serial" >= 0),
  "lineage" text,
  "md5" text NOT NULL,
  "size" bigint,
  "state_blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL,
  "json_blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL,
  "terraform_version" text,
  -- [{type, name, module, provider, count}], and [{name, type, sensitive}]: no value.
  "resources" jsonb NOT NULL DEFAULT '[]',
  "outputs" jsonb NOT NULL DEFAULT '[]',
  "created_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "state_version_workspace" ON "state_version" ("workspace_id", "created_at" DESC);
CREATE INDEX "state_version_run" ON "state_version" ("run_id") WHERE "run_id" IS NOT NULL;

ALTER TABLE "workspace" ADD CONSTRAINT "workspace_current_state_version_id_fkey"
  FOREIGN KEY ("current_state_version_id") REFERENCES "state_version" ("id") ON DELETE SET NULL;
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_locked_by_run_id_fkey"
  FOREIGN KEY ("locked_by_run_id") REFERENCES "run" ("id") ON DELETE SET NULL;

-- ── Walls ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['blob', 'blob_chunk', 'workspace', 'workspace_variable', 'workspace_team', 'configuration_version',
                           'run', 'run_phase', 'run_log_chunk', 'state_version'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO forgeway_worker, forgeway_api', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['blob', 'workspace_variable', 'run'] LOOP
    EXECUTE format('CREATE POLICY count_keys ON %I FOR SELECT TO CURRENT_USER
                    USING ((SELECT current_setting(''app.sealed_rows'', true)) = ''counting'')', t);
    EXECUTE format('CREATE TRIGGER sealed_row_goes_forward BEFORE UPDATE ON %I FOR EACH ROW
                    WHEN (NEW.secret_version < OLD.secret_version OR NEW.secret_key_version < OLD.secret_key_version)
                    EXECUTE FUNCTION sealed_row_goes_forward()', t);
  END LOOP;
END $$;
-- What was written stays as it was.
REVOKE UPDATE ON "blob_chunk", "run_log_chunk" FROM forgeway_worker, forgeway_api;

-- What is told to those who listen.
CREATE TRIGGER "workspace_made" AFTER INSERT OR DELETE ON "workspace"
  FOR EACH ROW EXECUTE FUNCTION tell_change('workspace');
CREATE TRIGGER "workspace_changed" AFTER UPDATE ON "workspace"
  FOR EACH ROW WHEN ((OLD."name", OLD."vcs_repo_url", OLD."vcs_branch", OLD."vcs_last_error", OLD."locked_at", OLD."current_state_version_id")
    IS DISTINCT FROM (NEW."name", NEW."vcs_repo_url", NEW."vcs_branch", NEW."vcs_last_error", NEW."locked_at", NEW."current_state_version_id"))
  EXECUTE FUNCTION tell_change('workspace', 'changed');
CREATE TRIGGER "run_made" AFTER INSERT OR DELETE ON "run"
  FOR EACH ROW EXECUTE FUNCTION tell_change('run');
CREATE TRIGGER "run_changed" AFTER UPDATE ON "run"
  FOR EACH ROW WHEN ((OLD."status", OLD."status_reason", OLD."cancel_requested_at")
    IS DISTINCT FROM (NEW."status", NEW."status_reason", NEW."cancel_requested_at"))
  EXECUTE FUNCTION tell_change('run', 'changed');
