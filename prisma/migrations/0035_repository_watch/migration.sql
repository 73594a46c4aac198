-- What is looked at for the runs of workspaces: one row for each repository of a connection, however many workspaces share it.

CREATE TABLE "repository_watch" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- Not a reference, as in a workspace: what is gone is said to be gone.
  "connection_id" uuid NOT NULL,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  -- As the workspaces name it, in small letters.
  "path" text NOT NULL,
  -- As the forge says: the number stays when the name changes. NULL while it has not been asked.
  "remote_id" bigint,
  "remote_path" text,
  "default_branch" text,
  -- What the forge last answered, by what was asked: {question: {etag, …}}.
  "seen" jsonb NOT NULL DEFAULT '{}',
  "checked_at" timestamptz,
  -- As every reconciled row has them. It is never settled: there is always a next look.
  "desired_version" bigint NOT NULL DEFAULT 1,
  "observed_version" bigint NOT NULL DEFAULT 0,
  "attempts" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz,
  "error" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("organization_id", "connection_id", "path")
);
CREATE INDEX "repository_watch_due" ON "repository_watch" ("organization_id", "next_attempt_at")
  WHERE "observed_version" <> "desired_version";
CREATE INDEX "repository_watch_remote" ON "repository_watch" ("organization_id", "forge", "host", "remote_id");

ALTER TABLE "repository_watch" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "repository_watch" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "repository_watch" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON "repository_watch" TO forgeway_worker, forgeway_api;

-- Whoever links a workspace, by whatever way: its repository is looked at, and at once.
CREATE FUNCTION "watch_workspace" () RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.vcs_repo_url IS NOT NULL AND NEW.vcs_connection_id IS NOT NULL AND NEW.remote_path IS NOT NULL THEN
    INSERT INTO repository_watch AS w (organization_id, connection_id, forge, host, path)
    VALUES (NEW.organization_id, NEW.vcs_connection_id, NEW.forge, NEW.host, lower(NEW.remote_path))
    ON CONFLICT (organization_id, connection_id, path) DO UPDATE SET desired_version = w.desired_version + 1,
      -- What one workspace is linked to may be another repository, or another branch, than what was seen for the rest.
      seen = '{}', next_attempt_at = NULL, attempts = 0, error = NULL, updated_at = now();
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "workspace_linked" AFTER INSERT ON "workspace" FOR EACH ROW EXECUTE FUNCTION watch_workspace();
CREATE TRIGGER "workspace_linked_anew" AFTER UPDATE ON "workspace" FOR EACH ROW
  WHEN ((OLD."vcs_repo_url", OLD."vcs_branch", OLD."vcs_connection_id", OLD."working_directory", OLD."trigger_prefixes", OLD."speculative_enabled")
    IS DISTINCT FROM (NEW."vcs_repo_url", NEW."vcs_branch", NEW."vcs_connection_id", NEW."working_directory", NEW."trigger_prefixes", NEW."speculative_enabled"))
  EXECUTE FUNCTION watch_workspace();

-- The plan as a person reads it, for the comment on the pull request and for pages; cut where it is long.
ALTER TABLE "run_phase" ADD COLUMN "rendered" text;
