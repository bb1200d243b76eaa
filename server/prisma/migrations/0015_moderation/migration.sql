-- Who is kept from what, what is looked for in messages, and what waits for a decision.
ALTER TYPE "ReportOutcome" ADD VALUE 'restricted';

ALTER TABLE "User"
  ADD COLUMN "restrictionReason" TEXT,
  ADD COLUMN "banChangedAt" TIMESTAMPTZ(3),
  ADD COLUMN "erasedAt" TIMESTAMPTZ(3);

-- For the few people who were ever banned: every node asks about once a second.
CREATE INDEX "User_banChangedAt_idx" ON "User"("banChangedAt") WHERE "banChangedAt" IS NOT NULL;

CREATE TYPE "RuleKind" AS ENUM ('word', 'domain');
CREATE TYPE "RuleAction" AS ENUM ('accept', 'mask', 'hold', 'reject');
CREATE TYPE "HeldDecision" AS ENUM ('approved', 'rejected');

CREATE TABLE "ModerationRule" (
    "id" UUID NOT NULL,
    "kind" "RuleKind" NOT NULL,
    "pattern" TEXT NOT NULL,
    "action" "RuleAction" NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,

    CONSTRAINT "ModerationRule_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "ModerationRule_kind_pattern_key" ON "ModerationRule"("kind", "pattern");
CREATE INDEX "ModerationRule_createdAt_id_idx" ON "ModerationRule"("createdAt", "id");

CREATE TABLE "HeldMessage" (
    "id" UUID NOT NULL,
    "conversationId" UUID NOT NULL,
    "senderId" TEXT NOT NULL,
    "command" JSONB,
    "clientMessageId" TEXT,
    "requestDigest" TEXT,
    "cause" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "resolvedAt" TIMESTAMPTZ(3),
    "resolvedBy" TEXT,
    "decision" "HeldDecision",
    "note" TEXT,
    "sentAt" TIMESTAMPTZ(3),
    "refusal" TEXT,

    CONSTRAINT "HeldMessage_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "HeldMessage_conversationId_senderId_clientMessageId_key"
  ON "HeldMessage"("conversationId", "senderId", "clientMessageId");
CREATE INDEX "HeldMessage_createdAt_id_idx" ON "HeldMessage"("createdAt", "id");
CREATE INDEX "HeldMessage_senderId_idx" ON "HeldMessage"("senderId");
-- What was approved and is not sent yet: every node asks now and then, and hardly ever is there one.
CREATE INDEX "HeldMessage_unsent_idx" ON "HeldMessage"("resolvedAt")
  WHERE "decision" = 'approved' AND "sentAt" IS NULL AND "refusal" IS NULL;
