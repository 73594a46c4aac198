-- Several master keys. A key is recorded when a server starts with it; from activated_at on secrets are sealed with it, and
-- never again with an earlier one. sealed_root is the key that passwords, links and markers are derived from, sealed with
-- this master key; NULL: it is this master key itself, which is so for the first one.
ALTER TABLE "master_key" ADD COLUMN "activated_at" timestamptz, ADD COLUMN "sealed_root" text;
UPDATE "master_key" SET "activated_at" = "created_at";

-- The version to seal with. Whoever seals holds the lock until it commits, and a change of the version waits for them: once
-- that is over, no row is sealed with the version before.
CREATE FUNCTION sealing_key_version() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(72707370);
  RETURN (SELECT max(version) FROM master_key WHERE activated_at IS NOT NULL);
END $$;
REVOKE ALL ON FUNCTION sealing_key_version() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealing_key_version() TO forgeway_worker, forgeway_api;

-- How many rows each master key is needed for, in every table that has secrets, over all tenants. The owner of the schema sees
-- them in here alone.
CREATE FUNCTION sealed_rows() RETURNS TABLE ("table_name" text, "key_version" integer, "row_count" bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE t text;
BEGIN
  PERFORM set_config('app.sealed_rows', 'counting', true);
  FOR t IN SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
           WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
             AND a.attname = 'secret_key_version' AND NOT a.attisdropped ORDER BY c.relname LOOP
    RETURN QUERY EXECUTE format(
      'SELECT %L::text, secret_key_version, count(*) FROM public.%I WHERE secret_salt IS NOT NULL GROUP BY 2', t, t);
  END LOOP;
  PERFORM set_config('app.sealed_rows', '', true);
END $$;
REVOKE ALL ON FUNCTION sealed_rows() FROM PUBLIC;

-- A row whose secrets were replaced does not go back, whoever writes it: neither to an older master key nor to older secrets.
CREATE FUNCTION sealed_row_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the secrets of a row of % must not go back to an earlier version', TG_TABLE_NAME
    USING ERRCODE = 'check_violation';
END $$;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['connection', 'hook'] LOOP
    EXECUTE format('CREATE POLICY count_keys ON %I FOR SELECT TO CURRENT_USER
                    USING ((SELECT current_setting(''app.sealed_rows'', true)) = ''counting'')', t);
    EXECUTE format('CREATE TRIGGER sealed_row_goes_forward BEFORE UPDATE ON %I FOR EACH ROW
                    WHEN (NEW.secret_version < OLD.secret_version OR NEW.secret_key_version < OLD.secret_key_version)
                    EXECUTE FUNCTION sealed_row_goes_forward()', t);
  END LOOP;
END $$;
