-- Who said how the host of a connection is reached. What an owner says over the API holds for that connection alone: otherwise who may
-- connect one account would choose the certificates and the proxy that tokens of others pass.
ALTER TABLE "connection" ADD COLUMN "route_by" text NOT NULL DEFAULT 'operator' CHECK ("route_by" IN ('operator', 'owner'));
