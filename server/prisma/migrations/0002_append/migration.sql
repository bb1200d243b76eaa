-- The only way a message comes into being: `parley_append` stores a batch of sends in one statement.
--
-- It is a function and not a plain statement because of what a statement sees. A statement reads as of its start, and
-- the wait for a row lock comes after that: membership, keys and numbers read beside the lock could be older than it.
-- Inside of a volatile function each statement reads anew, so everything below the lock is as fresh as the lock.
--
-- commands: [{ idx, cid, sender, id, content, sanitized, key, digest, reply, metadata, mentions }]
-- answer:   { at, results: [{ idx, outcome, seq, rev, earlierId, reply, wasBehind, mentions }], joins: [{ cid, userId, … }] }
--   outcome: stored | duplicate | idempotency_conflict | not_found | not_a_participant | forbidden | unknown_reply
--
-- Two commands of one batch must not share (cid, sender, key): the caller keeps the second for the next batch.
CREATE FUNCTION parley_append(node text, commands jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
-- The plan is made once for each session and kept. It must not be one that was right for empty tables.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz;
  answer jsonb;
BEGIN
  -- In id order, so that two batches never wait for each other crosswise.
  PERFORM 1
  FROM "Conversation" c
  WHERE c.id = ANY (ARRAY(SELECT DISTINCT (x ->> 'cid')::uuid FROM jsonb_array_elements(commands) x))
  ORDER BY c.id
  FOR NO KEY UPDATE;

  moment := date_trunc('milliseconds', clock_timestamp());

  WITH command AS MATERIALIZED (
    SELECT x.*
    FROM jsonb_to_recordset(commands) AS x(
      idx int, cid uuid, sender text, id uuid, content text, sanitized boolean,
      key text, digest text, reply uuid, metadata jsonb, mentions jsonb)
  ),
  judged AS MATERIALIZED (
    SELECT
      command.*, c.type, c.rev AS base_rev, c."lastSeq" AS base_seq, earlier.id AS earlier_id,
      p."userId" IS NOT NULL AND p."leftAt" IS NULL AS present,
      p."lastReadSeq" < c."lastSeq" AS behind,
      CASE WHEN quoted.id IS NOT NULL THEN jsonb_build_object(
        'id', quoted.id, 'seq', quoted.seq, 'senderId', quoted."senderId",
        'content', quoted.content, 'deletedAt', quoted."deletedAt") END AS quote,
      CASE
        WHEN c.id IS NULL OR c."deletedAt" IS NOT NULL THEN 'not_found'
        WHEN earlier.id IS NOT NULL THEN
          CASE WHEN earlier."requestDigest" = command.digest THEN 'duplicate' ELSE 'idempotency_conflict' END
        WHEN p."userId" IS NULL AND c.type <> 'channel' THEN 'not_a_participant'
        WHEN p."removedBy" IS NOT NULL AND p."leftAt" IS NOT NULL THEN 'not_a_participant'
        WHEN p."leftAt" IS NOT NULL AND c.type = 'group' THEN 'not_a_participant'
        WHEN p.role = 'readonly' THEN 'forbidden'
        WHEN command.reply IS NOT NULL AND quoted.id IS NULL THEN 'unknown_reply'
        ELSE 'stored'
      END AS outcome
    FROM command
    LEFT JOIN "Conversation" c ON c.id = command.cid
    LEFT JOIN "ConversationParticipant" p ON p."conversationId" = command.cid AND p."userId" = command.sender
    LEFT JOIN "Message" earlier
      ON earlier."conversationId" = command.cid AND earlier."senderId" = command.sender
      AND earlier."clientMessageId" = command.key
    LEFT JOIN "Message" quoted ON quoted.id = command.reply AND quoted."conversationId" = command.cid
  ),
  -- Who comes in with these sends: newcomers of a channel, and in a direct conversation whoever of the two left.
  joiner AS MATERIALIZED (
    SELECT cid, user_id, base_rev, base_seq, row_number() OVER (PARTITION BY cid ORDER BY user_id) AS nth
    FROM (
      SELECT DISTINCT cid, sender AS user_id, base_rev, base_seq
      FROM judged WHERE outcome = 'stored' AND NOT present
      UNION
      SELECT d.cid, p."userId", d.base_rev, d.base_seq
      FROM (SELECT DISTINCT cid, base_rev, base_seq FROM judged WHERE outcome = 'stored' AND type = 'direct') d
      JOIN "ConversationParticipant" p ON p."conversationId" = d.cid AND p."leftAt" IS NOT NULL
    ) who
  ),
  placed AS MATERIALIZED (
    SELECT
      judged.*,
      base_seq + row_number() OVER sends AS seq,
      base_rev + coalesce(j.joins, 0) + row_number() OVER sends AS rev
    FROM judged
    LEFT JOIN (SELECT cid AS joined_cid, count(*) AS joins FROM joiner GROUP BY cid) j ON joined_cid = cid
    WHERE outcome = 'stored'
    WINDOW sends AS (PARTITION BY cid ORDER BY idx)
  ),
  own AS MATERIALIZED (
    SELECT cid, sender, max(seq) AS seq FROM placed GROUP BY cid, sender
  ),
  joined AS (
    INSERT INTO "ConversationParticipant"
      ("conversationId", "userId", "joinedAt", "lastReadSeq", "lastDeliveredSeq", "lastOwnSeq", rev)
    SELECT
      joiner.cid, joiner.user_id, moment, coalesce(own.seq, joiner.base_seq), coalesce(own.seq, joiner.base_seq),
      coalesce(own.seq, 0), joiner.base_rev + joiner.nth
    FROM joiner
    LEFT JOIN own ON own.cid = joiner.cid AND own.sender = joiner.user_id
    ON CONFLICT ("conversationId", "userId") DO UPDATE SET
      "leftAt" = NULL, "removedBy" = NULL, "joinedAt" = excluded."joinedAt",
      "lastReadSeq" = excluded."lastReadSeq", "lastDeliveredSeq" = excluded."lastDeliveredSeq",
      "lastOwnSeq" = greatest("ConversationParticipant"."lastOwnSeq", excluded."lastOwnSeq"), rev = excluded.rev
    RETURNING *
  ),
  stored AS (
    INSERT INTO "Message"
      (id, "conversationId", seq, rev, "senderId", content, metadata, sanitized, "replyToId", "clientMessageId",
       "requestDigest", "createdAt")
    SELECT id, cid, seq, rev, sender, content, metadata, sanitized, reply, key, digest, moment FROM placed
  ),
  -- SEND-3. Those who come in have their pointer from `joined`.
  pointed AS (
    UPDATE "ConversationParticipant" p
    SET "lastReadSeq" = own.seq, "lastDeliveredSeq" = own.seq, "lastOwnSeq" = own.seq
    FROM own
    WHERE p."conversationId" = own.cid AND p."userId" = own.sender AND p."leftAt" IS NULL
  ),
  mentioned AS (
    INSERT INTO "Mention" ("conversationId", "messageId", "userId", seq)
    SELECT placed.cid, placed.id, p."userId", placed.seq
    FROM placed
    CROSS JOIN LATERAL jsonb_array_elements_text(placed.mentions) AS named(user_id)
    JOIN "ConversationParticipant" p
      ON p."conversationId" = placed.cid AND p."userId" = named.user_id AND p."leftAt" IS NULL
    RETURNING "messageId", "userId"
  ),
  head AS MATERIALIZED (
    SELECT cid, max(seq) AS seq, max(rev) AS rev FROM placed GROUP BY cid
  ),
  moved AS (
    UPDATE "Conversation" c
    SET "lastSeq" = head.seq, rev = head.rev, "lastMessageAt" = moment,
        "participantCount" = c."participantCount" + (SELECT count(*) FROM joiner WHERE joiner.cid = c.id)
    FROM head
    WHERE c.id = head.cid
  ),
  noticed AS (
    INSERT INTO "ChangeNotice" (xid, "nodeId", "conversationIds", revs, "userIds")
    SELECT pg_current_xact_id()::text::bigint, node, array_agg(cid), array_agg(rev), ARRAY(SELECT user_id FROM joiner)
    FROM head
    HAVING count(*) > 0
  )
  SELECT jsonb_build_object(
    'at', (extract(epoch FROM moment) * 1000)::bigint,
    'results', (
      SELECT jsonb_agg(jsonb_build_object(
        'idx', judged.idx, 'outcome', judged.outcome, 'seq', placed.seq, 'rev', placed.rev,
        'earlierId', judged.earlier_id, 'reply', judged.quote, 'wasBehind', judged.behind,
        'mentions', CASE WHEN jsonb_array_length(judged.mentions) > 0
          THEN (SELECT jsonb_agg("userId") FROM mentioned WHERE "messageId" = judged.id) END))
      FROM judged
      LEFT JOIN placed ON placed.idx = judged.idx),
    'joins', (
      SELECT jsonb_agg(jsonb_build_object(
        'conversationId', "conversationId", 'userId', "userId", 'role', role, 'rev', rev,
        'lastReadSeq', "lastReadSeq", 'lastDeliveredSeq', "lastDeliveredSeq") ORDER BY rev)
      FROM joined))
  INTO answer;

  RETURN answer;
END;
$$;
