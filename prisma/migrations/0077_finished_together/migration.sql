-- Workers write results of many deliveries in one statement. Telling of each in a call of its own was two fifths of what that
-- statement cost; it is told of all of them in one, as the organizations whose they are.
CREATE FUNCTION tell_finished_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  tenant text := coalesce(current_setting('app.organization_id', true), '');
  finished record;
BEGIN
  FOR finished IN
    SELECT n.organization_id, array_agg(n.id ORDER BY n.id) AS ids
    FROM new_rows n JOIN old_rows o ON o.id = n.id
    WHERE n.status IN ('done', 'ignored', 'dead') AND o.status <> n.status AND n.organization_id IS NOT NULL
    GROUP BY n.organization_id
  LOOP
    PERFORM set_config('app.organization_id', finished.organization_id::text, true);
    INSERT INTO change_event (organization_id, kind, subject_id, change)
    SELECT finished.organization_id, 'delivery', id::text, 'finished' FROM unnest(finished.ids) AS id;
  END LOOP;
  PERFORM set_config('app.organization_id', tenant, true);
  RETURN NULL;
END $$;

DROP TRIGGER "webhook_delivery_finished" ON "webhook_delivery";
CREATE TRIGGER "webhook_delivery_finished" AFTER UPDATE ON "webhook_delivery"
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION tell_finished_deliveries();
