-- Who may send where, and when: judged by `parley_append` under the lock of the conversation.
ALTER TABLE "Conversation"
  ADD COLUMN "slowModeSeconds" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "readOnly" BOOLEAN NOT NULL DEFAULT false;

ALTER TABLE "ConversationParticipant" ADD COLUMN "silencedUntil" TIMESTAMPTZ(3);

ALTER TABLE "User"
  ADD COLUMN "silencedUntil" TIMESTAMPTZ(3),
  ADD COLUMN "bannedAt" TIMESTAMPTZ(3);

-- The texts of confidential conversations, encrypted; their `content` is null.
ALTER TABLE "Message" ADD COLUMN "sealed" TEXT;

ALTER TABLE "MessageRevision"
  ADD COLUMN "sealed" TEXT,
  ALTER COLUMN "content" DROP NOT NULL;
