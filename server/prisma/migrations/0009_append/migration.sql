-- The only way a message comes into being: `parley_append` stores a batch of sends in one statement.
--
-- It is a function and not a plain statement because of what a statement sees. A statement reads as of its start, and
-- the wait for a row lock comes after that: membership, keys and numbers read beside the lock could be older than it.
-- Inside of a volatile function each statement reads anew, so everything below the lock is as fresh as the lock.
--
-- commands: [{ idx, cid, sender, id, content, sanitized, key, digest, reply, metadata, mentions, attachments }]
-- answer:   { at, results: [{ idx, outcome, seq, rev, earlierId, reply, wasBehind, mentions, file, attachments }],
--             joins: [{ conversationId, userId, … }] }
--   outcome: stored | duplicate | idempotency_conflict | not_found | not_a_participant | forbidden | blocked
--            | unknown_reply | unknown_attachment | attachment_in_use
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
  newcomer record;
  chain record;
  inviter text;
  entry uuid;
  chained text;
BEGIN
  -- In id order, so that two batches never wait for each other crosswise.
  PERFORM 1
  FROM "Conversation" c
  WHERE c.id = ANY (ARRAY(SELECT DISTINCT (x ->> 'cid')::uuid FROM jsonb_array_elements(commands) x))
  ORDER BY c.id
  FOR NO KEY UPDATE;

  -- Their rows too, so that of two sends with one file, or of a send and the sweep, only one gets it.
  IF jsonb_path_exists(commands, '$[*].attachments[*]') THEN
    PERFORM 1
    FROM "Attachment" a
    WHERE a.id = ANY (ARRAY(
      SELECT (file #>> '{}')::uuid FROM jsonb_path_query(commands, '$[*].attachments[*]') AS file))
    ORDER BY a.id
    FOR NO KEY UPDATE;
  END IF;

  moment := date_trunc('milliseconds', clock_timestamp());

  WITH command AS MATERIALIZED (
    SELECT x.*
    FROM jsonb_to_recordset(commands) AS x(
      idx int, cid uuid, sender text, id uuid, content text, sanitized boolean,
      key text, digest text, reply uuid, metadata jsonb, mentions jsonb, attachments jsonb)
  ),
  judged AS MATERIALIZED (
    SELECT
      command.*, c.type, c.rev AS base_rev, c."lastSeq" AS base_seq, earlier.id AS earlier_id,
      files.unknown AS unknown_file,
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
        WHEN c.type = 'direct' AND parley_is_blocked(c.id, command.sender) THEN 'blocked'
        WHEN command.reply IS NOT NULL AND quoted.id IS NULL THEN 'unknown_reply'
        WHEN files.unknown IS NOT NULL THEN 'unknown_attachment'
        WHEN files.used THEN 'attachment_in_use'
        ELSE 'stored'
      END AS outcome
    FROM command
    LEFT JOIN "Conversation" c ON c.id = command.cid
    LEFT JOIN "ConversationParticipant" p ON p."conversationId" = command.cid AND p."userId" = command.sender
    LEFT JOIN "Message" earlier
      ON earlier."conversationId" = command.cid AND earlier."senderId" = command.sender
      AND earlier."clientMessageId" = command.key
    -- By its key alone (OFFSET 0 keeps it so): an index of the conversation would be walked from end to end.
    LEFT JOIN LATERAL (SELECT * FROM "Message" WHERE id = command.reply OFFSET 0) quoted
      ON quoted."conversationId" = command.cid
    LEFT JOIN LATERAL (
      SELECT
        min(named.place) FILTER (
          WHERE a.id IS NULL OR a."uploaderId" <> command.sender OR a."readyAt" IS NULL OR a."deletedAt" IS NOT NULL
        ) AS unknown,
        bool_or(a."messageId" IS NOT NULL) AS used
      FROM jsonb_array_elements_text(command.attachments) WITH ORDINALITY AS named(file, place)
      LEFT JOIN "Attachment" a ON a.id = named.file::uuid
    ) files ON jsonb_array_length(command.attachments) > 0
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
  arrivals AS MATERIALIZED (
    SELECT cid, count(*) AS joins FROM joiner GROUP BY cid
  ),
  numbered AS MATERIALIZED (
    SELECT judged.*, count(*) FILTER (WHERE outcome = 'stored') OVER (PARTITION BY cid ORDER BY idx) AS nth
    FROM judged
  ),
  -- Every command; those that are not stored have neither number.
  placed AS MATERIALIZED (
    SELECT
      numbered.*,
      CASE WHEN outcome = 'stored' THEN base_seq + nth END AS seq,
      CASE WHEN outcome = 'stored' THEN base_rev + nth
        + coalesce((SELECT joins FROM arrivals WHERE arrivals.cid = numbered.cid), 0) END AS rev
    FROM numbered
  ),
  own AS MATERIALIZED (
    SELECT cid, sender, max(seq) AS seq FROM placed WHERE outcome = 'stored' GROUP BY cid, sender
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
    SELECT id, cid, seq, rev, sender, content, metadata, sanitized, reply, key, digest, moment
    FROM placed WHERE outcome = 'stored'
  ),
  attached AS (
    UPDATE "Attachment" a
    SET "messageId" = placed.id, "conversationId" = placed.cid, "position" = named.place
    FROM placed
    CROSS JOIN LATERAL jsonb_array_elements_text(placed.attachments) WITH ORDINALITY AS named(file, place)
    WHERE a.id = named.file::uuid AND placed.outcome = 'stored' AND placed.attachments <> '[]'
    RETURNING a.*
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
    SELECT placed.cid, placed.id, person."userId", placed.seq
    FROM placed
    CROSS JOIN LATERAL jsonb_array_elements_text(placed.mentions) AS named(user_id)
    CROSS JOIN LATERAL (
      SELECT "userId" FROM "ConversationParticipant"
      WHERE "conversationId" = placed.cid AND "userId" = named.user_id AND "leftAt" IS NULL OFFSET 0
    ) person
    WHERE placed.outcome = 'stored' AND placed.mentions <> '[]'
    RETURNING "messageId", "userId"
  ),
  head AS MATERIALIZED (
    SELECT cid, max(seq) AS seq, max(rev) AS rev FROM placed WHERE outcome = 'stored' GROUP BY cid
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
        'idx', placed.idx, 'outcome', placed.outcome, 'seq', placed.seq, 'rev', placed.rev,
        'earlierId', placed.earlier_id, 'reply', placed.quote, 'wasBehind', placed.behind,
        'mentions', CASE WHEN placed.mentions <> '[]'
          THEN (SELECT jsonb_agg("userId" ORDER BY "userId") FROM mentioned WHERE "messageId" = placed.id) END,
        'file', placed.unknown_file,
        'attachments', CASE WHEN placed.attachments <> '[]'
          THEN (SELECT jsonb_agg(to_jsonb(attached) ORDER BY "position") FROM attached WHERE "messageId" = placed.id) END))
      FROM placed),
    'joins', (
      SELECT jsonb_agg(jsonb_build_object(
        'conversationId', "conversationId", 'userId', "userId", 'role', role, 'rev', rev,
        'lastReadSeq', "lastReadSeq", 'lastDeliveredSeq', "lastDeliveredSeq") ORDER BY rev)
      FROM joined))
  INTO answer;

  -- Whoever came in leaves an entry in the audit chain (DEL-2), hashed as the server does it: SHA-256 of the fields as
  -- JSON with sorted keys.
  IF jsonb_typeof(answer -> 'joins') = 'array' THEN
    FOR newcomer IN
      SELECT (x ->> 'conversationId')::uuid AS cid, x ->> 'userId' AS person, x ->> 'role' AS role
      FROM jsonb_array_elements(answer -> 'joins') x
    LOOP
      SELECT c."auditCount" + 1 AS place, c."auditHash" AS hash INTO chain FROM "Conversation" c WHERE c.id = newcomer.cid;
      -- They came by their own send, or by that of the other one of a direct conversation.
      SELECT x ->> 'sender' INTO inviter FROM jsonb_array_elements(commands) x
      WHERE (x ->> 'cid')::uuid = newcomer.cid ORDER BY (x ->> 'sender') = newcomer.person DESC LIMIT 1;
      -- A UUIDv7: the time, then the random part of a UUIDv4.
      entry := (SELECT lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || substr(r, 14)
        FROM replace(gen_random_uuid()::text, '-', '') AS r)::uuid;
      chained := encode(sha256(convert_to(
        '{"action":"participant.added","actorId":' || to_json(inviter)
        || ',"after":{"role":' || to_json(newcomer.role)
        || '},"at":"' || to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        || '","before":null,"conversationId":"' || newcomer.cid || '","id":"' || entry
        || '","position":' || chain.place || ',"previousHash":"' || chain.hash
        || '","reason":null,"targetId":' || to_json(newcomer.person) || '}', 'UTF8')), 'hex');
      INSERT INTO "AuditEntry"
        (id, "conversationId", position, at, "actorId", action, "targetId", after, "previousHash", hash)
      VALUES
        (entry, newcomer.cid, chain.place, moment, inviter, 'participant.added', newcomer.person,
         jsonb_build_object('role', newcomer.role), chain.hash, chained);
      UPDATE "Conversation" c SET "auditCount" = chain.place, "auditHash" = chained WHERE c.id = newcomer.cid;
    END LOOP;
  END IF;

  RETURN answer;
END;
$$;
