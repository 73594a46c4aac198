-- How the host of a connection is reached, and what has become of the connection.

ALTER TABLE "connection"
  -- PEM of the only certificates that are trusted for it; no secret.
  ADD COLUMN "ca_certificate" text,
  -- Without user name and password, which are sealed beside it.
  ADD COLUMN "proxy_url" text,
  ADD COLUMN "proxy_credentials_ciphertext" text,
  ADD COLUMN "proxy_credentials_iv" text,
  ADD COLUMN "proxy_credentials_tag" text,
  ADD COLUMN "status_since" timestamptz NOT NULL DEFAULT now(),
  ADD CONSTRAINT "connection_status_check"
    CHECK ("status" IN ('active', 'expired', 'revoked', 'insufficient_scope', 'unreachable'));
