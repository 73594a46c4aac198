-- What a version of a state was stays known when its bytes are not kept any more: by the word that clients of the public API know.
ALTER TABLE "state_version" DROP CONSTRAINT "state_version_status_check";
ALTER TABLE "state_version" ADD CONSTRAINT "state_version_status_check"
  CHECK ("status" IN ('pending', 'finalized', 'discarded', 'backing_data_permanently_deleted'));
