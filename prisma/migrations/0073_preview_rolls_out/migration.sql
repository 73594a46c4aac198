-- Between the build and the first answer a preview is rolled out, which people are told apart from being built; and a namespace of
-- a cluster takes its time to go, during which nothing is ready any more.
ALTER TABLE "preview" DROP CONSTRAINT "preview_phase_check";
ALTER TABLE "preview" ADD CONSTRAINT "preview_phase_check"
  CHECK ("phase" IN ('pending', 'waiting', 'building', 'starting', 'ready', 'failed', 'sleeping', 'removing', 'gone'));
