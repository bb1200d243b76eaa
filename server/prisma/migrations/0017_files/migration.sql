-- AlterTable
ALTER TABLE "Attachment" ADD COLUMN "bytesId" UUID,
ADD COLUMN "contentHash" TEXT,
ADD COLUMN "preview" TEXT,
ADD COLUMN "quarantinedAt" TIMESTAMPTZ(3),
ADD COLUMN "virus" TEXT;

-- DropIndex
DROP INDEX "Attachment_uploaderId_idx";

-- CreateIndex
CREATE INDEX "Attachment_uploaderId_contentHash_idx" ON "Attachment"("uploaderId", "contentHash");

-- CreateIndex
CREATE INDEX "Attachment_bytesId_idx" ON "Attachment"("bytesId");
