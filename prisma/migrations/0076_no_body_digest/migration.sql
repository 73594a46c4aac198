-- Nobody ever read it, and computing it was a twentieth of what a delivery cost a worker.
ALTER TABLE "webhook_delivery" DROP COLUMN "body_sha256";
