-- Whoever asks right after uninstalling the App is to see it: a webhook that was taken in may still wait for its turn. The API
-- may not read the inbox, so it is told only whether such a one waits; 'mirror' is the app that writes them down.
CREATE INDEX "webhook_delivery_installation_news" ON "webhook_delivery" ("id")
  WHERE "status" = 'received' AND "event_type" IN ('installation', 'installation_repositories');
CREATE INDEX "dispatch_installation_news" ON "dispatch" ("id")
  WHERE "status" = 'pending' AND "event_name" IN ('installation', 'installation_repositories');

CREATE FUNCTION installation_news_waits() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  waits boolean;
BEGIN
  PERFORM set_config('app.inbox_load', 'counting', true);
  SELECT EXISTS (SELECT FROM webhook_delivery
      WHERE status = 'received' AND event_type IN ('installation', 'installation_repositories'))
    OR EXISTS (SELECT FROM dispatch
      WHERE status = 'pending' AND event_name IN ('installation', 'installation_repositories') AND app = 'mirror')
    INTO waits;
  PERFORM set_config('app.inbox_load', '', true);
  RETURN waits;
END $$;
REVOKE ALL ON FUNCTION installation_news_waits() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION installation_news_waits() TO forgeway_api;
