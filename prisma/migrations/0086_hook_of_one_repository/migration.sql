-- The repository of a hook that was made at one, by the forge's own number, which a rename and a transfer keep: such a hook tells of it
-- alone. NULL: of hooks of other levels, and of those of before whose repository is not known here.
ALTER TABLE "hook" ADD COLUMN "remote_repository_id" bigint;
-- The owner, too, would see no row.
ALTER TABLE "hook" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "repository" NO FORCE ROW LEVEL SECURITY;
UPDATE "hook" h SET "remote_repository_id" = r."remote_id"
FROM "repository" r
WHERE h."scope" = 'repository' AND h."connection_id" IS NOT NULL AND r."organization_id" = h."organization_id"
  AND r."forge" = h."forge" AND r."host" = h."host" AND r."status" <> 'removed'
  AND lower(r."remote_owner" || '/' || r."remote_name") = lower(h."target");
ALTER TABLE "repository" FORCE ROW LEVEL SECURITY;
ALTER TABLE "hook" FORCE ROW LEVEL SECURITY;

-- The forge looks for such a hook by the name that its repository has now, and so do we.
CREATE FUNCTION follow_repository_name() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE hook SET target = NEW.remote_owner || '/' || NEW.remote_name
  WHERE scope = 'repository' AND remote_repository_id = NEW.remote_id AND forge = NEW.forge AND host = NEW.host
    AND organization_id = NEW.organization_id;
  RETURN NULL;
END $$;
CREATE TRIGGER "repository_renamed" AFTER UPDATE OF "remote_owner", "remote_name" ON "repository" FOR EACH ROW
  WHEN ((OLD."remote_owner", OLD."remote_name") IS DISTINCT FROM (NEW."remote_owner", NEW."remote_name"))
  EXECUTE FUNCTION follow_repository_name();
