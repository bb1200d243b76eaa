-- AlterTable
ALTER TABLE "User" ADD COLUMN     "invisible" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "lastSeenAt" TIMESTAMPTZ(3);
