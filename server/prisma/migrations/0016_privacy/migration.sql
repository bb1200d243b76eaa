-- Copies of what is a person's own, erasures, and what neither they nor time may touch.
CREATE TYPE "PrivacyJobKind" AS ENUM ('export', 'erasure');
CREATE TYPE "JobState" AS ENUM ('waiting', 'running', 'done', 'failed');

CREATE TABLE "PrivacyJob" (
    "id" UUID NOT NULL,
    "kind" "PrivacyJobKind" NOT NULL,
    "userId" TEXT NOT NULL,
    "requestedBy" TEXT NOT NULL,
    "reason" TEXT,
    "state" "JobState" NOT NULL DEFAULT 'waiting',
    "done" INTEGER NOT NULL DEFAULT 0,
    "total" INTEGER NOT NULL DEFAULT 0,
    "place" JSONB NOT NULL DEFAULT '{}',
    "result" JSONB NOT NULL DEFAULT '{}',
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finishedAt" TIMESTAMPTZ(3),
    "expiresAt" TIMESTAMPTZ(3),

    CONSTRAINT "PrivacyJob_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "PrivacyJob_userId_kind_idx" ON "PrivacyJob"("userId", "kind");
CREATE INDEX "PrivacyJob_state_idx" ON "PrivacyJob"("state");
-- One at a time of each kind for each person, also where two ask at the same moment.
CREATE UNIQUE INDEX "PrivacyJob_one_open_key" ON "PrivacyJob"("kind", "userId") WHERE "state" IN ('waiting', 'running');

CREATE TABLE "LegalHold" (
    "id" UUID NOT NULL,
    "conversationId" UUID,
    "userId" TEXT,
    "reason" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "releasedAt" TIMESTAMPTZ(3),
    "releasedBy" TEXT,

    CONSTRAINT "LegalHold_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "LegalHold_conversationId_idx" ON "LegalHold"("conversationId");
CREATE INDEX "LegalHold_userId_idx" ON "LegalHold"("userId");

-- What is somebody's own is looked up by the person.
CREATE INDEX "Reaction_userId_idx" ON "Reaction"("userId");
CREATE INDEX "Attachment_uploaderId_idx" ON "Attachment"("uploaderId");
