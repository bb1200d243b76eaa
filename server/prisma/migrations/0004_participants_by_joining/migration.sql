-- CreateIndex
CREATE INDEX "ConversationParticipant_conversationId_joinedAt_userId_idx" ON "ConversationParticipant"("conversationId", "joinedAt", "userId");
