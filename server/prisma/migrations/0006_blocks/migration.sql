-- Blocks between two people cut their direct conversation: `parley_append` has the outcome `blocked`.

-- Whether the one other person of a direct conversation blocks this one, or is blocked by them.
CREATE FUNCTION parley_is_blocked(direct uuid, person text) RETURNS boolean
LANGUAGE sql STABLE
AS $$
  SELECT EXISTS (
    SELECT FROM "ConversationParticipant" other
    JOIN "Block" b
      ON (b."userId", b."blockedId") IN ((other."userId", person), (person, other."userId")) AND b."endedAt" IS NULL
    WHERE other."conversationId" = direct AND other."userId" <> person)
$$;
