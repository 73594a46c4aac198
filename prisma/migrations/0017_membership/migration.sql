-- Roles that people have on forges, mirrored into roles that they have here.

-- `manual`: given by a person here; the mirror never touches it. Nobody owns an organization because a forge says so.
ALTER TABLE "member"
  ADD COLUMN "origin" text NOT NULL DEFAULT 'manual' CHECK ("origin" IN ('manual', 'forge')),
  ADD COLUMN "updated_at" timestamptz NOT NULL DEFAULT now(),
  ADD CONSTRAINT "member_no_owner_by_forge" CHECK ("origin" = 'manual' OR "role" <> 'owner');

-- An organization of a forge (a group, on a forge that nests them) whose people belong to one of our organizations. The first
-- verified claim has it: no other organization of this Forgeway can link it.
CREATE TABLE "organization_source" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_id" bigint NOT NULL,
  -- As it was called when it was read last; for asking and for showing, never for finding.
  "login" text NOT NULL,
  "name" text NOT NULL,
  "url" text NOT NULL DEFAULT '',
  -- Through which it is read: an App's installation, or that of a connection by token.
  "installation_id" uuid REFERENCES "installation" ("id") ON DELETE SET NULL,
  "state" text NOT NULL DEFAULT 'new' CHECK ("state" IN ('new', 'ok', 'failing', 'gone')),
  -- Why it is not `ok`, in one sentence for a person.
  "reason" text,
  -- By list: what stands in "forge_membership" is what the forge said with these.
  "etags" jsonb NOT NULL DEFAULT '{}',
  "due_at" timestamptz NOT NULL DEFAULT now(),
  -- Grows whenever somebody asks for a reading, so that one which was under way then does not count as it.
  "asked_version" bigint NOT NULL DEFAULT 1,
  -- Grows with every reading; what is written by an older one than the last that began is refused.
  "reading" bigint NOT NULL DEFAULT 0,
  "reading_until" timestamptz,
  "failures" integer NOT NULL DEFAULT 0,
  -- A webhook told that it was deleted: only then is its absence more than a token that sees less.
  "told_deleted" boolean NOT NULL DEFAULT false,
  "read_at" timestamptz,
  "linked_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "remote_id")
);
CREATE INDEX "organization_source_due" ON "organization_source" ("due_at");
CREATE INDEX "organization_source_organization" ON "organization_source" ("organization_id");

-- Which role here somebody has for a role there. Absent rows mean the defaults in accounts/membership/mapping.ts. That nothing
-- maps to owner is a rule of the table, so that no mistake above it can give one.
CREATE TABLE "role_mapping" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- Null: every source of the organization.
  "source_id" uuid REFERENCES "organization_source" ("id") ON DELETE CASCADE,
  -- Of a team by the forge's number; null: of the source itself.
  "team_remote_id" bigint CHECK ("team_remote_id" IS NULL OR "source_id" IS NOT NULL),
  "forge_role" text NOT NULL CHECK ("forge_role" IN ('owner', 'admin', 'maintainer', 'member', 'reader', 'any')),
  "role" text NOT NULL CHECK ("role" IN ('none', 'viewer', 'member', 'maintainer', 'admin')),
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX "role_mapping_identity" ON "role_mapping"
  ("organization_id", coalesce("source_id"::text, ''), coalesce("team_remote_id", 0), "forge_role");

CREATE TABLE "team" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- Null, like the forge's number: made here.
  "source_id" uuid REFERENCES "organization_source" ("id") ON DELETE CASCADE,
  "vcs_team_id" bigint,
  "vcs_parent_team_id" bigint,
  "slug" text NOT NULL,
  "name" text NOT NULL,
  "url" text,
  "vcs_synced_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("source_id", "vcs_team_id"),
  CHECK (("source_id" IS NULL) = ("vcs_team_id" IS NULL))
);
CREATE INDEX "team_organization" ON "team" ("organization_id");

CREATE TABLE "team_member" (
  "team_id" uuid NOT NULL REFERENCES "team" ("id") ON DELETE CASCADE,
  "user_id" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- The role in the team, in the forge's common words.
  "role" text NOT NULL,
  "origin" text NOT NULL DEFAULT 'manual' CHECK ("origin" IN ('manual', 'forge')),
  "created_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("team_id", "user_id")
);
CREATE INDEX "team_member_user" ON "team_member" ("organization_id", "user_id");

-- What the forge said of everybody, also of those who have never signed in here: a row per list that they stand on.
CREATE TABLE "forge_membership" (
  "source_id" uuid NOT NULL REFERENCES "organization_source" ("id") ON DELETE CASCADE,
  "list" text NOT NULL,
  "remote_user_id" bigint NOT NULL,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "vcs_team_id" bigint,
  -- Whether the row makes somebody belong to the organization, and not to a team alone.
  "of_organization" boolean NOT NULL,
  "login" text NOT NULL,
  "role" text NOT NULL CHECK ("role" IN ('owner', 'admin', 'maintainer', 'member', 'reader')),
  "seen_at" timestamptz NOT NULL,
  PRIMARY KEY ("source_id", "list", "remote_user_id")
);
CREATE INDEX "forge_membership_person" ON "forge_membership" ("organization_id", "remote_user_id");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['organization_source', 'role_mapping', 'team', 'team_member', 'forge_membership'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO forgeway_worker', t);
  END LOOP;
END $$;
-- The API shows all of it; only the mapping and what is given by hand is changed there. The mirror itself is the worker's.
GRANT SELECT ON "organization_source", "forge_membership" TO forgeway_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON "role_mapping", "team", "team_member" TO forgeway_api;
-- Which source is due, and which one a signed-in person's organization is, is found across tenants.
CREATE POLICY route ON "organization_source" FOR SELECT TO forgeway_worker USING (true);
