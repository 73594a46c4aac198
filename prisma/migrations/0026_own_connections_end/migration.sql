-- What people connected for themselves in an organization goes, with its tokens, when they do not belong to it any more: nobody
-- else may see it or take it away. In whichever way the membership ends, and in the same transaction; only at its end, since
-- whoever is handed back to the mirror is removed and added again within it.
CREATE FUNCTION own_connections_end() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  acting text := current_setting('app.organization_id', true);
BEGIN
  -- The owner of the tables, too, sees the rows of one organization only.
  PERFORM set_config('app.organization_id', OLD.organization_id::text, true);
  IF NOT EXISTS (SELECT FROM member WHERE organization_id = OLD.organization_id AND user_id = OLD.user_id) THEN
    WITH gone AS (
      DELETE FROM connection WHERE organization_id = OLD.organization_id AND user_id = OLD.user_id RETURNING id
    )
    INSERT INTO audit_entry (organization_id, actor, action, subject, detail)
    SELECT OLD.organization_id, 'forgeway', 'connection.removed', id::text, '{"because": "the membership of its owner ended"}' FROM gone;
  END IF;
  PERFORM set_config('app.organization_id', coalesce(acting, ''), true);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "member_gone" AFTER DELETE ON "member" DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION own_connections_end();

-- Those whose owner has left already. The owner of the tables, too, would see no row.
ALTER TABLE "connection" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "member" NO FORCE ROW LEVEL SECURITY;
DELETE FROM "connection" c WHERE c."user_id" IS NOT NULL
  AND NOT EXISTS (SELECT FROM "member" m WHERE m."organization_id" = c."organization_id" AND m."user_id" = c."user_id");
ALTER TABLE "member" FORCE ROW LEVEL SECURITY;
ALTER TABLE "connection" FORCE ROW LEVEL SECURITY;
