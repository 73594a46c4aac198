-- Clusters that an organization's previews live on, beside the one that the environment names.

CREATE TABLE "preview_cluster" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "name" text NOT NULL,
  -- A context of the server's own kubeconfig; NULL: the organization gave a kubeconfig of its own, which is sealed.
  "context" text,
  -- What the operator's settings say differently here, by their names.
  "settings" jsonb NOT NULL DEFAULT '{}',
  -- Where new previews are made. The others keep those that were made there until they are gone.
  "chosen" boolean NOT NULL DEFAULT true,
  "kubeconfig_ciphertext" text,
  "kubeconfig_iv" text,
  "kubeconfig_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "created_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("organization_id", "name"),
  CHECK (("context" IS NULL) = ("kubeconfig_ciphertext" IS NOT NULL))
);
CREATE UNIQUE INDEX "preview_cluster_chosen" ON "preview_cluster" ("organization_id") WHERE "chosen";

ALTER TABLE "preview_cluster" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "preview_cluster" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "preview_cluster" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
CREATE POLICY count_keys ON "preview_cluster" FOR SELECT TO CURRENT_USER
  USING ((SELECT current_setting('app.sealed_rows', true)) = 'counting');
CREATE TRIGGER sealed_row_goes_forward BEFORE UPDATE ON "preview_cluster" FOR EACH ROW
  WHEN (NEW.secret_version < OLD.secret_version OR NEW.secret_key_version < OLD.secret_key_version)
  EXECUTE FUNCTION sealed_row_goes_forward();
GRANT SELECT, INSERT, UPDATE, DELETE ON "preview_cluster" TO forgeway_api, forgeway_worker;

-- The cluster that a preview lives on: `default`, `context/…`, or a row of preview_cluster. NULL: on a machine of ours.
ALTER TABLE "preview" ADD COLUMN "cluster" text;
