-- An account on a forge may be connected for a whole organization, by somebody who manages its connections.
ALTER TABLE "account_link" ADD COLUMN "for_organization" boolean NOT NULL DEFAULT false;
