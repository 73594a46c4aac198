-- Forgeway's first schema.
--
-- Tenancy (design decision 18): every tenant-owned table has organization_id, and row level security is forced even
-- on the owner. A connection sees a tenant's rows only inside a transaction that has set app.organization_id.
-- Tables that must be read before the tenant is known (the inbox and the routing tables) are open to the roles that
-- need them, and to no other: ingress may only add deliveries; api never sees another tenant's rows.

DO $$
DECLARE wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['forgeway_ingress', 'forgeway_worker', 'forgeway_api'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', wanted);
      -- Roles belong to the whole server: another database's migration may create them at the same moment.
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION current_organization() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT nullif(current_setting('app.organization_id', true), '')::uuid $$;

-- Which master key sealed the secrets in this database: a value derived from the key, never the key. With another key,
-- or none, the server refuses to start instead of making a new one.
CREATE TABLE "master_key" (
  "version" integer PRIMARY KEY CHECK ("version" > 0),
  "check_value" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now()
);

-- ── Accounts ──────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE "organization" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "slug" text NOT NULL UNIQUE,
  "name" text NOT NULL,
  -- When the App was uninstalled and not installed again; the dashboard shows the install banner while it is set.
  "install_banner_since" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE "user" (
  "id" text PRIMARY KEY,
  "name" text NOT NULL,
  "email" text UNIQUE,
  "created_at" timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE "member" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "user_id" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
  "role" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("organization_id", "user_id")
);

-- Sealed columns (decision 16): <name>_ciphertext, _iv, _tag, all base64. secret_salt is random per row, so each row
-- has its own key; secret_key_version names the master key; secret_version grows with every write and is bound into
-- the seal, so that an older ciphertext put back is refused.
CREATE TABLE "connection" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "user_id" text REFERENCES "user" ("id") ON DELETE CASCADE,
  "name" text NOT NULL,
  "kind" text NOT NULL CHECK ("kind" IN ('github-app', 'oauth', 'pat')),
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "instance_url" text,
  "provider_account_id" text NOT NULL,
  "account_login" text,
  "account_type" text,
  "scopes" text,
  "app_id" text,
  "installation_id" bigint,
  "access_token_ciphertext" text,
  "access_token_iv" text,
  "access_token_tag" text,
  "refresh_token_ciphertext" text,
  "refresh_token_iv" text,
  "refresh_token_tag" text,
  "private_key_ciphertext" text,
  "private_key_iv" text,
  "private_key_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "access_token_expires_at" timestamptz,
  "refresh_token_expires_at" timestamptz,
  "revoked_at" timestamptz,
  "status" text NOT NULL DEFAULT 'active',
  "status_reason" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
-- NULLs must not defeat uniqueness: github.com has no instance_url, an organization's connection no user_id.
CREATE UNIQUE INDEX "connection_identity" ON "connection"
  ("organization_id", coalesce("user_id", ''), "forge", coalesce("instance_url", ''), "provider_account_id");
CREATE INDEX "connection_user_forge" ON "connection" ("user_id", "forge");
CREATE INDEX "connection_installation" ON "connection" ("forge", "host", "installation_id");

CREATE TABLE "installation" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "app_id" text NOT NULL,
  -- The forge's own number; virtual_id is what handlers see and never collides between hosts and Apps.
  "installation_id" bigint NOT NULL,
  "virtual_id" bigint NOT NULL UNIQUE,
  "account_id" bigint,
  "account_login" text,
  "account_type" text,
  "repository_selection" text,
  "permissions" jsonb NOT NULL DEFAULT '{}',
  "status" text NOT NULL DEFAULT 'active' CHECK ("status" IN ('active', 'suspended', 'deleted')),
  "suspended_at" timestamptz,
  "deleted_at" timestamptz,
  "remote_updated_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "app_id", "installation_id")
);
CREATE INDEX "installation_organization" ON "installation" ("organization_id");

CREATE TABLE "hook" (
  -- The last part of the webhook URL.
  "id" text PRIMARY KEY,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "scope" text NOT NULL CHECK ("scope" IN ('app', 'organization', 'repository', 'system')),
  "app_id" text,
  -- 'environment': the secret is WEBHOOK_SECRET and is not stored; 'sealed': it is in the columns below.
  "secret_source" text NOT NULL DEFAULT 'sealed' CHECK ("secret_source" IN ('environment', 'sealed')),
  "secret_ciphertext" text,
  "secret_iv" text,
  "secret_tag" text,
  "previous_secret_ciphertext" text,
  "previous_secret_iv" text,
  "previous_secret_tag" text,
  "previous_secret_until" timestamptz,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "enabled" boolean NOT NULL DEFAULT true,
  "created_at" timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE "audit_entry" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "actor" text NOT NULL,
  "action" text NOT NULL,
  "subject" text NOT NULL,
  "detail" jsonb NOT NULL DEFAULT '{}',
  "created_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "audit_entry_time" ON "audit_entry" ("organization_id", "created_at");

-- The first verified claim of a repository owns it (decision 18).
CREATE TABLE "repository_claim" (
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_id" bigint NOT NULL,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "claimed_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("forge", "host", "remote_id")
);

-- ── Inbox ─────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE "webhook_delivery" (
  "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Known once the delivery is classified.
  "organization_id" uuid,
  "hook_id" text NOT NULL,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "delivery_key" text NOT NULL,
  "event_type" text NOT NULL DEFAULT '',
  "action" text,
  "signature_valid" boolean NOT NULL DEFAULT true,
  "source" text NOT NULL DEFAULT 'webhook',
  "headers" jsonb NOT NULL DEFAULT '{}',
  -- Raw bytes as received; emptied when the retention time is over.
  "body" bytea,
  "body_sha256" bytea,
  "status" text NOT NULL DEFAULT 'received' CHECK ("status" IN ('received', 'assigned', 'done', 'ignored', 'dead')),
  -- Why it was ignored or is dead, in one sentence for a person.
  "reason" text,
  "error_message" text,
  "retry_count" integer NOT NULL DEFAULT 0,
  "next_retry_at" timestamptz,
  "received_at" timestamptz NOT NULL DEFAULT now(),
  "finished_at" timestamptz,
  UNIQUE ("hook_id", "delivery_key")
);
-- Measured: TOAST compression of a 21 KB body costs the database three times the CPU of storing it plain.
ALTER TABLE "webhook_delivery" ALTER COLUMN "body" SET STORAGE EXTERNAL;
CREATE INDEX "webhook_delivery_received" ON "webhook_delivery" ("id") WHERE "status" = 'received';
CREATE INDEX "webhook_delivery_organization" ON "webhook_delivery" ("organization_id", "id");
CREATE INDEX "webhook_delivery_finished" ON "webhook_delivery" ("finished_at") WHERE "body" IS NOT NULL;

CREATE TABLE "dispatch" (
  "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "delivery_id" bigint NOT NULL REFERENCES "webhook_delivery" ("id") ON DELETE CASCADE,
  -- One native update can be several events, in order.
  "event_index" integer NOT NULL DEFAULT 0,
  "event_name" text NOT NULL,
  "action" text,
  "app" text NOT NULL,
  "organization_id" uuid,
  "lane" text NOT NULL,
  "shard" smallint NOT NULL CHECK ("shard" BETWEEN 0 AND 63),
  "status" text NOT NULL DEFAULT 'pending' CHECK ("status" IN ('pending', 'parked', 'done', 'ignored', 'dead')),
  "attempts" integer NOT NULL DEFAULT 0,
  -- Epoch of the lease under which the last attempt began; still set and unfinished after a crash.
  "started_epoch" bigint,
  "next_attempt_at" timestamptz,
  "reason" text,
  "error" text,
  "replay_of" bigint REFERENCES "dispatch" ("id") ON DELETE CASCADE,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "finished_at" timestamptz
);
CREATE UNIQUE INDEX "dispatch_identity" ON "dispatch" ("delivery_id", "event_index", "app", coalesce("replay_of", 0));
CREATE INDEX "dispatch_pending" ON "dispatch" ("shard", "id") WHERE "status" = 'pending';
CREATE INDEX "dispatch_parked" ON "dispatch" ("next_attempt_at") WHERE "status" = 'parked';
CREATE INDEX "dispatch_dead" ON "dispatch" ("id") WHERE "status" = 'dead';

CREATE TABLE "lane_lease" (
  "shard" smallint PRIMARY KEY CHECK ("shard" BETWEEN 0 AND 63),
  "owner" text,
  -- Grows with every change of owner; a write under an older epoch is refused.
  "epoch" bigint NOT NULL DEFAULT 0,
  "expires_at" timestamptz
);
INSERT INTO "lane_lease" ("shard") SELECT generate_series(0, 63);

-- The same happening reported by two sources (two hooks, or a hook and the poller) runs once.
CREATE TABLE "event_claim" (
  "semantic_key" text PRIMARY KEY,
  "hook_id" text NOT NULL,
  "source" text NOT NULL,
  "delivery_id" bigint NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "event_claim_time" ON "event_claim" ("created_at");

-- ── Forge mirror ──────────────────────────────────────────────────────────────────────────────────────────────────
-- remote_id is the forge's numeric id; remote_updated_at is the version last seen: older data never overwrites newer.

CREATE TABLE "repository" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_id" bigint NOT NULL,
  "remote_url" text NOT NULL,
  "remote_provider" text GENERATED ALWAYS AS ("forge") STORED,
  "remote_owner" text NOT NULL,
  "remote_name" text NOT NULL,
  "remote_instance_url" text,
  "git_provider_connection_id" uuid REFERENCES "connection" ("id") ON DELETE SET NULL,
  "installation_id" uuid REFERENCES "installation" ("id") ON DELETE SET NULL,
  "default_branch" text NOT NULL,
  "private" boolean NOT NULL DEFAULT false,
  "archived" boolean NOT NULL DEFAULT false,
  "status" text NOT NULL DEFAULT 'active' CHECK ("status" IN ('active', 'paused', 'removed')),
  "remote_updated_at" timestamptz,
  -- Anything older only fills the mirror and starts nothing.
  "watermark_at" timestamptz NOT NULL DEFAULT now(),
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "remote_id")
);
CREATE INDEX "repository_organization" ON "repository" ("organization_id", "remote_owner", "remote_name");
CREATE INDEX "repository_installation" ON "repository" ("installation_id");

CREATE TABLE "pull_request" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "user_id" text REFERENCES "user" ("id") ON DELETE SET NULL,
  "repository_id" uuid REFERENCES "repository" ("id") ON DELETE SET NULL,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "instance_url" text,
  "remote_repository_id" bigint NOT NULL,
  "remote_id" bigint NOT NULL,
  "remote_owner" text NOT NULL,
  "remote_name" text NOT NULL,
  "number" integer NOT NULL,
  "title" text NOT NULL,
  "body" text,
  "state" text NOT NULL CHECK ("state" IN ('open', 'closed', 'merged')),
  "draft" boolean NOT NULL DEFAULT false,
  "status" text NOT NULL GENERATED ALWAYS AS (CASE WHEN "state" = 'open' AND "draft" THEN 'draft' ELSE "state" END) STORED,
  "author_id" bigint,
  "author_login" text,
  "head_branch" text NOT NULL,
  "base_branch" text NOT NULL,
  "head_sha" text NOT NULL,
  "base_sha" text NOT NULL,
  -- Null when the fork was deleted; such a pull request is never trusted.
  "head_repository_id" bigint,
  "merge_commit_sha" text,
  "labels" jsonb NOT NULL DEFAULT '[]',
  "assignees" jsonb NOT NULL DEFAULT '[]',
  "reviewers" jsonb NOT NULL DEFAULT '[]',
  "additions" integer,
  "deletions" integer,
  "changed_files" integer,
  "url" text NOT NULL,
  "session_id" uuid,
  "kanbanger_task_id" text,
  "remote_created_at" timestamptz,
  "remote_updated_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  "closed_at" timestamptz,
  "merged_at" timestamptz,
  UNIQUE ("forge", "host", "remote_repository_id", "number")
);
CREATE INDEX "pull_request_repository" ON "pull_request" ("repository_id", "updated_at");
CREATE INDEX "pull_request_session" ON "pull_request" ("session_id");
CREATE INDEX "pull_request_head" ON "pull_request" ("forge", "host", "remote_repository_id", "head_sha");

CREATE TABLE "git_commit" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" uuid REFERENCES "repository" ("id") ON DELETE SET NULL,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "instance_url" text,
  "remote_repository_id" bigint NOT NULL,
  "remote_owner" text NOT NULL,
  "remote_name" text NOT NULL,
  -- 40 hex digits, or 64 in a SHA-256 repository.
  "sha" varchar(64) NOT NULL,
  "message" text NOT NULL,
  "author_name" text,
  "author_email" text,
  "committed_at" timestamptz NOT NULL,
  "branch" text,
  "pull_request_id" uuid REFERENCES "pull_request" ("id") ON DELETE SET NULL,
  "session_id" uuid,
  "is_forgeway_commit" boolean NOT NULL DEFAULT false,
  UNIQUE ("forge", "host", "remote_repository_id", "sha")
);
CREATE INDEX "git_commit_pull_request" ON "git_commit" ("pull_request_id", "committed_at");

CREATE TABLE "review" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" uuid REFERENCES "repository" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_id" bigint NOT NULL,
  "number" integer NOT NULL,
  "author_id" bigint,
  "author_login" text,
  "state" text NOT NULL,
  "body" text,
  "commit_sha" text,
  "url" text NOT NULL,
  "submitted_at" timestamptz,
  "remote_updated_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "remote_id")
);
CREATE INDEX "review_pull_request" ON "review" ("repository_id", "number");

CREATE TABLE "comment" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" uuid REFERENCES "repository" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  -- 'issue': in a conversation; 'review': on a line of the diff; 'commit': on a commit.
  "kind" text NOT NULL CHECK ("kind" IN ('issue', 'review', 'commit')),
  "remote_id" bigint NOT NULL,
  "number" integer,
  "on_pull_request" boolean NOT NULL DEFAULT false,
  "author_id" bigint,
  "author_login" text,
  "body" text NOT NULL,
  "path" text,
  "line" integer,
  "commit_sha" text,
  "in_reply_to" bigint,
  "url" text NOT NULL,
  "deleted_at" timestamptz,
  "remote_created_at" timestamptz,
  "remote_updated_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "kind", "remote_id")
);
CREATE INDEX "comment_thread" ON "comment" ("repository_id", "number");

CREATE TABLE "issue" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" uuid REFERENCES "repository" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_repository_id" bigint NOT NULL,
  "remote_id" bigint NOT NULL,
  "number" integer NOT NULL,
  "title" text NOT NULL,
  "body" text,
  "state" text NOT NULL,
  "state_reason" text,
  "author_id" bigint,
  "author_login" text,
  "labels" jsonb NOT NULL DEFAULT '[]',
  "assignees" jsonb NOT NULL DEFAULT '[]',
  "milestone" text,
  "url" text NOT NULL,
  "closed_at" timestamptz,
  "deleted_at" timestamptz,
  "remote_created_at" timestamptz,
  "remote_updated_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "remote_repository_id", "number")
);

-- ── Work: desired state on the left, observed state on the right ──────────────────────────────────────────────────

CREATE TABLE "preview" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" uuid NOT NULL REFERENCES "repository" ("id") ON DELETE CASCADE,
  "pull_request_id" uuid NOT NULL UNIQUE REFERENCES "pull_request" ("id") ON DELETE CASCADE,
  -- Allocated, not computed (decision 19): the first label of its host name.
  "name" text NOT NULL UNIQUE CHECK ("name" ~ '^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$'),
  "driver" text NOT NULL,
  "desired_state" text NOT NULL CHECK ("desired_state" IN ('running', 'asleep', 'absent')),
  "desired_sha" text,
  -- Who pushed desired_sha, as the forge said it. Only the forge's permission API decides whether that is enough.
  "actor_id" bigint,
  "actor_login" text,
  -- The one commit that was found trusted, by the actor's right to write; a later push must be found trusted again.
  "trusted_sha" text,
  -- Grows with every change of what is desired; the reconciler writes down the one it has reached.
  "desired_version" bigint NOT NULL DEFAULT 1,
  "observed_version" bigint NOT NULL DEFAULT 0,
  "phase" text NOT NULL DEFAULT 'pending'
    CHECK ("phase" IN ('pending', 'waiting', 'building', 'ready', 'failed', 'sleeping', 'gone')),
  "observed_sha" text,
  "url" text,
  -- What a visitor and the sticky comment are told: why it waits, or the one-line cause of a failure.
  "message" text,
  "log_tail" text,
  "driver_state" jsonb NOT NULL DEFAULT '{}',
  "attempts" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz,
  "requested_at" timestamptz NOT NULL DEFAULT now(),
  "ready_at" timestamptz,
  "last_opened_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "preview_unsettled" ON "preview" ("organization_id", "next_attempt_at")
  WHERE "observed_version" <> "desired_version";

-- One sticky comment per pull request, with a section per topic.
CREATE TABLE "sticky_comment" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "pull_request_id" uuid NOT NULL UNIQUE REFERENCES "pull_request" ("id") ON DELETE CASCADE,
  "remote_comment_id" bigint,
  "sections" jsonb NOT NULL DEFAULT '{}',
  "desired_version" bigint NOT NULL DEFAULT 1,
  "observed_version" bigint NOT NULL DEFAULT 0,
  "attempts" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz,
  "error" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "sticky_comment_unsettled" ON "sticky_comment" ("organization_id")
  WHERE "observed_version" <> "desired_version";

CREATE TABLE "commit_status" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" uuid NOT NULL REFERENCES "repository" ("id") ON DELETE CASCADE,
  "pull_request_id" uuid REFERENCES "pull_request" ("id") ON DELETE CASCADE,
  "sha" text NOT NULL,
  "context" text NOT NULL,
  "state" text NOT NULL CHECK ("state" IN ('pending', 'success', 'failure', 'error')),
  "description" text NOT NULL,
  "target_url" text,
  "desired_version" bigint NOT NULL DEFAULT 1,
  "observed_version" bigint NOT NULL DEFAULT 0,
  "attempts" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz,
  "error" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("repository_id", "sha", "context")
);
CREATE INDEX "commit_status_unsettled" ON "commit_status" ("organization_id")
  WHERE "observed_version" <> "desired_version";

-- "Read this pull request from the forge again": commits, reviewers, file counts.
CREATE TABLE "pull_request_sync" (
  "pull_request_id" uuid PRIMARY KEY REFERENCES "pull_request" ("id") ON DELETE CASCADE,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "desired_version" bigint NOT NULL DEFAULT 1,
  "observed_version" bigint NOT NULL DEFAULT 0,
  "attempts" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz,
  "error" text,
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "pull_request_sync_unsettled" ON "pull_request_sync" ("organization_id")
  WHERE "observed_version" <> "desired_version";

-- ── Privileges and row level security ─────────────────────────────────────────────────────────────────────────────

-- Before PostgreSQL 15 anybody might create tables here, and with them catch what others meant to write elsewhere.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO forgeway_ingress, forgeway_worker, forgeway_api;

-- Tenant-owned tables: only the rows of the organization that the transaction named.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['member', 'connection', 'audit_entry', 'repository', 'pull_request', 'git_commit', 'review',
    'comment', 'issue', 'preview', 'sticky_comment', 'commit_status', 'pull_request_sync'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO forgeway_worker, forgeway_api', t);
  END LOOP;
END $$;
-- The trail is written once.
REVOKE UPDATE, DELETE ON "audit_entry" FROM forgeway_worker, forgeway_api;

-- Routing tables: read by worker (and hook by ingress) before the tenant is known; changed only as that tenant.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['installation', 'hook', 'repository_claim'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('CREATE POLICY route ON %I FOR SELECT TO forgeway_worker USING (true)', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO forgeway_worker, forgeway_api', t);
  END LOOP;
END $$;
CREATE POLICY receive ON "hook" FOR SELECT TO forgeway_ingress USING (true);
GRANT SELECT ON "hook" TO forgeway_ingress;

-- An organization is visible to its own transactions; the worker lists ids to sweep each tenant in turn.
ALTER TABLE "organization" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "organization" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "organization" USING ("id" = current_organization()) WITH CHECK ("id" = current_organization());
CREATE POLICY sweep ON "organization" FOR SELECT TO forgeway_worker USING (true);
GRANT SELECT, INSERT, UPDATE ON "organization" TO forgeway_worker, forgeway_api;

-- Inbox: ingress adds and revives and can read no body; the worker runs it; api sees its tenant's rows.
ALTER TABLE "webhook_delivery" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "webhook_delivery" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "webhook_delivery" FOR SELECT TO forgeway_api USING ("organization_id" = current_organization());
CREATE POLICY run ON "webhook_delivery" TO forgeway_worker USING (true) WITH CHECK (true);
CREATE POLICY receive ON "webhook_delivery" FOR INSERT TO forgeway_ingress WITH CHECK (true);
CREATE POLICY find ON "webhook_delivery" FOR SELECT TO forgeway_ingress USING (true);
CREATE POLICY revive ON "webhook_delivery" FOR UPDATE TO forgeway_ingress USING ("status" = 'dead') WITH CHECK ("status" = 'received');
GRANT INSERT ON "webhook_delivery" TO forgeway_ingress;
GRANT SELECT ("id", "hook_id", "delivery_key", "status", "received_at") ON "webhook_delivery" TO forgeway_ingress;
GRANT UPDATE ("status", "reason", "error_message", "finished_at") ON "webhook_delivery" TO forgeway_ingress;
GRANT SELECT, INSERT, UPDATE, DELETE ON "webhook_delivery" TO forgeway_worker;
GRANT SELECT ON "webhook_delivery" TO forgeway_api;

ALTER TABLE "dispatch" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "dispatch" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "dispatch" FOR SELECT TO forgeway_api USING ("organization_id" = current_organization());
CREATE POLICY run ON "dispatch" TO forgeway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON "dispatch" TO forgeway_worker;
GRANT SELECT ON "dispatch" TO forgeway_api;

GRANT SELECT, UPDATE ON "lane_lease" TO forgeway_worker;
GRANT SELECT, INSERT, DELETE ON "event_claim" TO forgeway_worker;
