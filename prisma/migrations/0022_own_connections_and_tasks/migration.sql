-- Pull requests are looked for by the task of the external board that they are linked to.
CREATE INDEX "pull_request_task" ON "pull_request" ("organization_id", "kanbanger_task_id")
  WHERE "kanbanger_task_id" IS NOT NULL;

-- A person's own connections are nobody else's news: events go to a whole organization.
DROP TRIGGER "connection_made" ON "connection";
DROP TRIGGER "connection_changed" ON "connection";
CREATE TRIGGER "connection_made" AFTER INSERT ON "connection"
  FOR EACH ROW WHEN (NEW."user_id" IS NULL) EXECUTE FUNCTION tell_change('connection');
CREATE TRIGGER "connection_gone" AFTER DELETE ON "connection"
  FOR EACH ROW WHEN (OLD."user_id" IS NULL) EXECUTE FUNCTION tell_change('connection');
CREATE TRIGGER "connection_changed" AFTER UPDATE ON "connection"
  FOR EACH ROW WHEN (NEW."user_id" IS NULL
    AND (OLD."name", OLD."status", OLD."status_reason", OLD."capabilities", OLD."sync_mode", OLD."access_token_expires_at")
      IS DISTINCT FROM (NEW."name", NEW."status", NEW."status_reason", NEW."capabilities", NEW."sync_mode", NEW."access_token_expires_at"))
  EXECUTE FUNCTION tell_change('connection', 'changed');
