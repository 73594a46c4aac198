-- A state that its sender says may follow no matter what the one before it was.
ALTER TABLE "state_version" ADD COLUMN "forced" boolean NOT NULL DEFAULT false;

-- `terraform login`: the code that a browser is sent back to the command line with.
ALTER TABLE "sign_in_code" DROP CONSTRAINT "sign_in_code_kind_check";
ALTER TABLE "sign_in_code" ADD CONSTRAINT "sign_in_code_kind_check"
  CHECK ("kind" IN ('setup', 'device', 'deep-link', 'terraform-login'));
