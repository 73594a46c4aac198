-- Every commit that was seen to be the head of a pull request. An approval names a commit by how it begins, and two commits that
-- begin alike are made in a second: with both at hand it is seen which names are ambiguous.
CREATE TABLE "seen_head" (
  "repository_id" uuid NOT NULL REFERENCES "repository" ("id") ON DELETE CASCADE,
  "number" integer NOT NULL,
  "sha" text NOT NULL,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "seen_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("repository_id", "number", "sha")
);
CREATE INDEX "seen_head_organization" ON "seen_head" ("organization_id");

ALTER TABLE "seen_head" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "seen_head" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "seen_head" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
GRANT SELECT, INSERT, DELETE ON "seen_head" TO forgeway_worker, forgeway_api;

-- By the database and not by those who write: it costs no statement of theirs, and none of them can leave it out.
CREATE FUNCTION remember_seen_head() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO seen_head (repository_id, number, sha, organization_id)
    VALUES (NEW.repository_id, NEW.number, NEW.head_sha, NEW.organization_id) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER remember_head AFTER INSERT OR UPDATE OF head_sha, repository_id ON "pull_request"
  FOR EACH ROW WHEN (NEW.repository_id IS NOT NULL AND NEW.head_sha IS NOT NULL)
  EXECUTE FUNCTION remember_seen_head();

-- RLS holds for whoever migrates, too.
ALTER TABLE "pull_request" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "seen_head" NO FORCE ROW LEVEL SECURITY;
INSERT INTO seen_head (repository_id, number, sha, organization_id)
  SELECT repository_id, number, head_sha, organization_id FROM pull_request
   WHERE repository_id IS NOT NULL AND head_sha IS NOT NULL AND state = 'open' ON CONFLICT DO NOTHING;
ALTER TABLE "pull_request" FORCE ROW LEVEL SECURITY;
ALTER TABLE "seen_head" FORCE ROW LEVEL SECURITY;
