-- AlterTable
ALTER TABLE "User" ADD COLUMN     "sessionsRevokedAt" TIMESTAMPTZ(3);

-- Every node asks about once a second who is new here; hardly anybody ever is.
CREATE INDEX "User_sessionsRevokedAt_idx" ON "User" ("sessionsRevokedAt") WHERE "sessionsRevokedAt" IS NOT NULL;
