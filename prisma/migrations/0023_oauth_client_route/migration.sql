-- How the instance of an OAuth client is reached: certificates of its own and a proxy, as a connection has them (0011). They are
-- the administrator's. Those of a connection are a tenant's to choose and are not used with the client's secret.

ALTER TABLE "oauth_client"
  ADD COLUMN "ca_certificate" text,
  ADD COLUMN "proxy_url" text,
  ADD COLUMN "proxy_credentials_ciphertext" text,
  ADD COLUMN "proxy_credentials_iv" text,
  ADD COLUMN "proxy_credentials_tag" text;

-- The worker renews with them.
GRANT SELECT ("ca_certificate", "proxy_url", "proxy_credentials_ciphertext", "proxy_credentials_iv", "proxy_credentials_tag")
  ON "oauth_client" TO forgeway_worker;
