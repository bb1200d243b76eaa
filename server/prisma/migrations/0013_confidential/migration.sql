-- Confidential conversations: the data key of each, wrapped by a master key of ENCRYPTION_KEYS (docs/encryption.md).
CREATE TABLE "ConversationKey" (
    "conversationId" UUID NOT NULL,
    "keyId" TEXT NOT NULL,
    "wrapped" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ConversationKey_pkey" PRIMARY KEY ("conversationId")
);

CREATE INDEX "ConversationKey_keyId_conversationId_idx" ON "ConversationKey"("keyId", "conversationId");

-- Files that are encrypted have a key of their own, and their name is encrypted with it.
ALTER TABLE "Attachment" ADD COLUMN "keyId" TEXT,
ADD COLUMN "wrappedKey" TEXT;

CREATE INDEX "Attachment_keyId_id_idx" ON "Attachment"("keyId", "id");
