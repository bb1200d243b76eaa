-- `parley_append` as in 0018_extras (0012_append says what it takes and answers), with a road of its own for a lone send.
CREATE OR REPLACE FUNCTION parley_append(
  node text, ids uuid[], cids uuid[], senders text[], contents text[], sanitizeds boolean[], keys text[], digests text[],
  nths int[], extras text[]
) RETURNS json
LANGUAGE plpgsql VOLATILE
-- The plans are made once for each session and kept, whatever the size of a batch. (Left to itself PostgreSQL would plan
-- some of them anew for every batch.) They must not be ones that were right for empty tables.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz;
  plain int;
  seqs bigint[];
  revs bigint[];
  behinds boolean[];
  answer json;
  newcomer record;
  chain record;
  inviter text;
  entry uuid;
  chained text;
  cid uuid;
  sender text;
  number bigint;
  revision bigint;
  kind "ConversationType";
  behind boolean;
BEGIN
  -- A lone plain send: nobody else's answer depends on it, and statements for one row take half of the time of statements
  -- for many. What it is asked for is what plain sends are asked for below.
  IF extras IS NULL AND cardinality(ids) = 1 THEN
    cid := cids[1];
    sender := senders[1];
    BEGIN
      -- The lock, the numbers, and the time, which is taken once the row is held.
      UPDATE "Conversation" c
      SET "lastSeq" = c."lastSeq" + 1, rev = c.rev + 1, "lastMessageAt" = date_trunc('milliseconds', clock_timestamp())
      WHERE c.id = cid AND c."deletedAt" IS NULL AND NOT c.confidential AND NOT c."readOnly"
        AND c."slowModeSeconds" = 0 AND (c.type <> 'direct' OR c."participantCount" = 2)
      RETURNING c."lastSeq", c.rev, c.type, c."lastMessageAt" INTO number, revision, kind, moment;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'not plain' USING ERRCODE = 'PLAIN';
      END IF;

      -- SEND-3. A statement that begins now sees who is in it now; most people have read what came before.
      UPDATE "ConversationParticipant" p
      SET "lastReadSeq" = number, "lastDeliveredSeq" = number, "lastOwnSeq" = number
      WHERE p."conversationId" = cid AND p."userId" = sender AND p."leftAt" IS NULL AND p.role <> 'readonly'
        AND p."silencedUntil" IS NULL AND p."lastReadSeq" >= number - 1;
      behind := NOT FOUND;
      IF behind THEN
        UPDATE "ConversationParticipant" p
        SET "lastReadSeq" = number, "lastDeliveredSeq" = number, "lastOwnSeq" = number
        WHERE p."conversationId" = cid AND p."userId" = sender AND p."leftAt" IS NULL AND p.role <> 'readonly'
          AND p."silencedUntil" IS NULL;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'not plain' USING ERRCODE = 'PLAIN';
        END IF;
      END IF;
      IF EXISTS (SELECT FROM "User" u WHERE u.id = sender AND u."silencedUntil" > moment) THEN
        RAISE EXCEPTION 'not plain' USING ERRCODE = 'PLAIN';
      END IF;
      IF kind = 'direct' AND EXISTS (
        SELECT FROM "ConversationParticipant" other
        WHERE other."conversationId" = cid AND other."userId" <> sender AND (
          EXISTS (SELECT FROM "Block" b
            WHERE b."userId" = other."userId" AND b."blockedId" = sender AND b."endedAt" IS NULL)
          OR EXISTS (SELECT FROM "Block" b
            WHERE b."userId" = sender AND b."blockedId" = other."userId" AND b."endedAt" IS NULL))
      ) THEN
        RAISE EXCEPTION 'not plain' USING ERRCODE = 'PLAIN';
      END IF;

      INSERT INTO "Message"
        (id, "conversationId", seq, rev, "senderId", content, sanitized, "clientMessageId", "requestDigest", "createdAt")
      VALUES
        (ids[1], cid, number, revision, sender, contents[1], sanitizeds[1], keys[1], digests[1], moment);
      INSERT INTO "ChangeNotice" (xid, "nodeId", "conversationIds", revs, "userIds")
      VALUES (pg_current_xact_id()::text::bigint, node, cids, ARRAY[revision], '{}');

      RETURN json_build_object('at', (extract(epoch FROM moment) * 1000)::bigint,
        'seqs', ARRAY[number], 'revs', ARRAY[revision], 'behinds', ARRAY[behind]);
    EXCEPTION WHEN unique_violation OR SQLSTATE 'PLAIN' THEN
      -- A key that has its message already, or a send that is not as plain. Nothing was written, and what follows decides.
      NULL;
    END;
  END IF;

  -- In id order, so that two batches never wait for each other crosswise.
  PERFORM 1
  FROM "Conversation" c
  WHERE c.id = ANY (cids)
  ORDER BY c.id
  FOR NO KEY UPDATE;

  -- Many plain sends: by people who are in, where no rule asks for more, with nothing beside the text. What they need is
  -- read and judged in one go; a single command that needs more sends all of them down the other road.
  IF extras IS NULL AND cardinality(ids) > 1 THEN
    moment := date_trunc('milliseconds', clock_timestamp());
    SELECT count(*), array_agg(seq), array_agg(rev), array_agg(behind)
    INTO plain, seqs, revs, behinds
    FROM (
      SELECT c."lastSeq" + command.nth AS seq, c.rev + command.nth AS rev, p."lastReadSeq" < c."lastSeq" AS behind
      FROM unnest(cids, senders, nths) WITH ORDINALITY AS command(cid, sender, nth, place)
      JOIN "Conversation" c ON c.id = command.cid
      -- By its whole key (OFFSET 0 keeps it so): an index of the conversation alone would be walked from end to end.
      CROSS JOIN LATERAL (
        SELECT "leftAt", role, "silencedUntil", "lastReadSeq" FROM "ConversationParticipant"
        WHERE "conversationId" = command.cid AND "userId" = command.sender OFFSET 0
      ) p
      WHERE c."deletedAt" IS NULL AND NOT c.confidential AND NOT c."readOnly" AND c."slowModeSeconds" = 0
        AND p."leftAt" IS NULL AND p.role <> 'readonly' AND p."silencedUntil" IS NULL
        -- A direct conversation has both in it, and neither blocks the other.
        AND CASE WHEN c.type = 'direct' THEN c."participantCount" = 2 AND NOT EXISTS (
          SELECT FROM "ConversationParticipant" other
          WHERE other."conversationId" = c.id AND other."userId" <> command.sender AND (
            EXISTS (SELECT FROM "Block" b
              WHERE b."userId" = other."userId" AND b."blockedId" = command.sender AND b."endedAt" IS NULL)
            OR EXISTS (SELECT FROM "Block" b
              WHERE b."userId" = command.sender AND b."blockedId" = other."userId" AND b."endedAt" IS NULL))
          ) ELSE true END
      ORDER BY command.place
    ) sent
    WHERE NOT EXISTS (SELECT FROM "User" u WHERE u."silencedUntil" > moment AND u.id = ANY (senders));

    IF plain = cardinality(ids) THEN
      BEGIN
        INSERT INTO "Message"
          (id, "conversationId", seq, rev, "senderId", content, sanitized, "clientMessageId", "requestDigest", "createdAt")
        SELECT id, cid, seq, rev, sender, content, sanitized, key, digest, moment
        FROM unnest(ids, cids, seqs, revs, senders, contents, sanitizeds, keys, digests)
          AS command(id, cid, seq, rev, sender, content, sanitized, key, digest);

        -- SEND-3
        UPDATE "ConversationParticipant" p
        SET "lastReadSeq" = own.seq, "lastDeliveredSeq" = own.seq, "lastOwnSeq" = own.seq
        FROM (
          SELECT cid, sender, max(seq) AS seq FROM unnest(cids, senders, seqs) AS command(cid, sender, seq)
          GROUP BY cid, sender
        ) own
        WHERE p."conversationId" = own.cid AND p."userId" = own.sender;

        WITH head AS MATERIALIZED (
          SELECT cid, max(seq) AS seq, max(rev) AS rev FROM unnest(cids, seqs, revs) AS command(cid, seq, rev) GROUP BY cid
        ),
        moved AS (
          UPDATE "Conversation" c SET "lastSeq" = head.seq, rev = head.rev, "lastMessageAt" = moment
          FROM head WHERE c.id = head.cid
        )
        INSERT INTO "ChangeNotice" (xid, "nodeId", "conversationIds", revs, "userIds")
        SELECT pg_current_xact_id()::text::bigint, node, array_agg(cid), array_agg(rev), '{}' FROM head;

        RETURN json_build_object('at', (extract(epoch FROM moment) * 1000)::bigint,
          'seqs', seqs, 'revs', revs, 'behinds', behinds);
      EXCEPTION WHEN unique_violation THEN
        -- A key that has its message already: nothing of this was written, and the other road tells which one it is.
        NULL;
      END;
    END IF;
  END IF;

  -- Every other case. Files first: of two sends with one file, or of a send and the sweep, only one gets it.
  IF extras IS NOT NULL THEN
    PERFORM 1
    FROM "Attachment" a
    WHERE a.id = ANY (ARRAY(
      SELECT (file #>> '{}')::uuid
      FROM unnest(extras) AS extra, jsonb_path_query(extra::jsonb, '$.attachments[*]') AS file))
    ORDER BY a.id
    FOR NO KEY UPDATE;
  END IF;

  moment := date_trunc('milliseconds', clock_timestamp());

  WITH command AS MATERIALIZED (
    SELECT
      x.*, e.sealed, e.reply, e.metadata, coalesce(e.mentions, '[]') AS mentions,
      coalesce(e.attachments, '[]') AS attachments
    FROM unnest(ids, cids, senders, contents, sanitizeds, keys, digests, extras) WITH ORDINALITY
      AS x(id, cid, sender, content, sanitized, key, digest, extra, place)
    CROSS JOIN LATERAL jsonb_to_record(coalesce(x.extra, '{}')::jsonb)
      AS e(sealed text, reply uuid, metadata jsonb, mentions jsonb, attachments jsonb)
  ),
  judged AS MATERIALIZED (
    SELECT
      command.*, c.type, c.rev AS base_rev, c."lastSeq" AS base_seq, earlier.id AS earlier_id,
      files.unknown AS unknown_file,
      p."userId" IS NOT NULL AND p."leftAt" IS NULL AS present,
      p."lastReadSeq" < c."lastSeq" AS behind,
      p."lastOwnSeq" AS own_seq,
      CASE WHEN coalesce(p.role, 'member') = 'member' THEN c."slowModeSeconds" ELSE 0 END AS pace,
      CASE WHEN quoted.id IS NOT NULL THEN json_build_object(
        'id', quoted.id, 'seq', quoted.seq, 'senderId', quoted."senderId",
        'content', quoted.content, 'sealed', quoted.sealed, 'deletedAt', quoted."deletedAt") END AS quote,
      CASE
        WHEN c.id IS NULL OR c."deletedAt" IS NOT NULL THEN 'not_found'
        WHEN earlier.id IS NOT NULL THEN
          CASE
            WHEN earlier."requestDigest" = command.digest THEN 'duplicate'
            -- Without the key the two digests cannot be held against each other.
            WHEN c.confidential <> (command.sealed IS NOT NULL) THEN 'not_sealed'
            ELSE 'idempotency_conflict'
          END
        WHEN p."userId" IS NULL AND c.type <> 'channel' THEN 'not_a_participant'
        WHEN p."removedBy" IS NOT NULL AND p."leftAt" IS NOT NULL THEN 'not_a_participant'
        WHEN p."leftAt" IS NOT NULL AND c.type = 'group' THEN 'not_a_participant'
        WHEN p.role = 'readonly' OR p."silencedUntil" > moment THEN 'forbidden'
        WHEN command.sender IN (SELECT u.id FROM "User" u WHERE u."silencedUntil" > moment) THEN 'forbidden'
        WHEN c."readOnly" AND (p.role IS NULL OR p.role NOT IN ('owner', 'moderator')) THEN 'forbidden'
        WHEN c.type = 'direct' AND parley_is_blocked(c.id, command.sender) THEN 'blocked'
        WHEN c.confidential <> (command.sealed IS NOT NULL) THEN 'not_sealed'
        WHEN command.reply IS NOT NULL AND quoted.id IS NULL THEN 'unknown_reply'
        WHEN files.unknown IS NOT NULL THEN 'unknown_attachment'
        WHEN files.used THEN 'attachment_in_use'
        ELSE 'stored'
      END AS verdict
    FROM command
    LEFT JOIN "Conversation" c ON c.id = command.cid
    -- These two by their whole keys (OFFSET 0 keeps it so): an index of the conversation would be walked from end to end.
    LEFT JOIN LATERAL (
      SELECT * FROM "ConversationParticipant"
      WHERE "conversationId" = command.cid AND "userId" = command.sender OFFSET 0
    ) p ON true
    LEFT JOIN LATERAL (SELECT * FROM "Message" WHERE id = command.reply OFFSET 0) quoted
      ON quoted."conversationId" = command.cid
    LEFT JOIN "Message" earlier
      ON earlier."conversationId" = command.cid AND earlier."senderId" = command.sender
      AND earlier."clientMessageId" = command.key
    LEFT JOIN LATERAL (
      SELECT
        min(named.place) FILTER (
          WHERE a.id IS NULL OR a."uploaderId" <> command.sender OR a."readyAt" IS NULL OR a."deletedAt" IS NOT NULL
        ) AS unknown,
        bool_or(a."messageId" IS NOT NULL) AS used
      FROM jsonb_array_elements_text(command.attachments) WITH ORDINALITY AS named(file, place)
      LEFT JOIN "Attachment" a ON a.id = named.file::uuid
    ) files ON command.attachments <> '[]'
  ),
  -- Slow mode: a member has one message in so many seconds, and of several in one batch the first.
  paced AS MATERIALIZED (
    SELECT
      judged.*,
      CASE
        WHEN verdict <> 'stored' OR pace = 0 THEN 0
        WHEN count(*) FILTER (WHERE verdict = 'stored') OVER (PARTITION BY cid, sender ORDER BY place) > 1
          THEN pace * 1000
        ELSE coalesce((
          SELECT ceil(extract(epoch FROM m."createdAt" - moment) * 1000) + pace * 1000
          FROM "Message" m WHERE m."conversationId" = judged.cid AND m.seq = judged.own_seq), 0)
      END AS wait
    FROM judged
  ),
  -- What is decided, and how many of its conversation are stored up to here.
  decided AS MATERIALIZED (
    SELECT *, count(*) FILTER (WHERE outcome = 'stored') OVER (PARTITION BY cid ORDER BY place) AS nth
    FROM (SELECT paced.*, CASE WHEN wait > 0 THEN 'slow' ELSE verdict END AS outcome FROM paced) paced
  ),
  -- Who comes in with these sends: newcomers of a channel, and in a direct conversation whoever of the two left.
  joiner AS MATERIALIZED (
    SELECT cid, user_id, base_rev, base_seq, row_number() OVER (PARTITION BY cid ORDER BY user_id) AS nth
    FROM (
      SELECT DISTINCT cid, sender AS user_id, base_rev, base_seq
      FROM decided WHERE outcome = 'stored' AND NOT present
      UNION
      SELECT d.cid, p."userId", d.base_rev, d.base_seq
      FROM (SELECT DISTINCT cid, base_rev, base_seq FROM decided WHERE outcome = 'stored' AND type = 'direct') d
      JOIN "ConversationParticipant" p ON p."conversationId" = d.cid AND p."leftAt" IS NOT NULL
    ) who
  ),
  arrivals AS MATERIALIZED (
    SELECT cid, count(*) AS joins FROM joiner GROUP BY cid
  ),
  -- Every command; those that are not stored have neither number.
  placed AS MATERIALIZED (
    SELECT
      decided.*,
      CASE WHEN outcome = 'stored' THEN base_seq + nth END AS seq,
      CASE WHEN outcome = 'stored' THEN base_rev + nth
        + coalesce((SELECT joins FROM arrivals WHERE arrivals.cid = decided.cid), 0) END AS rev
    FROM decided
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
      (id, "conversationId", seq, rev, "senderId", content, sealed, metadata, sanitized, "replyToId", "clientMessageId",
       "requestDigest", "createdAt", "hasExtras")
    SELECT id, cid, seq, rev, sender, content, sealed, metadata, sanitized, reply, key, digest, moment,
      mentions <> '[]' OR attachments <> '[]'
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
  SELECT json_build_object(
    'at', (extract(epoch FROM moment) * 1000)::bigint,
    'results', (
      SELECT json_agg(json_build_object(
        'place', placed.place, 'outcome', placed.outcome, 'seq', placed.seq, 'rev', placed.rev,
        'earlierId', placed.earlier_id, 'reply', placed.quote, 'wasBehind', placed.behind,
        'mentions', CASE WHEN placed.mentions <> '[]'
          THEN (SELECT json_agg("userId" ORDER BY "userId") FROM mentioned WHERE "messageId" = placed.id) END,
        'file', placed.unknown_file,
        'attachments', CASE WHEN placed.attachments <> '[]'
          THEN (SELECT json_agg(to_json(attached) ORDER BY "position") FROM attached WHERE "messageId" = placed.id) END,
        'waitMs', placed.wait))
      FROM placed),
    'joins', (
      SELECT json_agg(json_build_object(
        'conversationId', "conversationId", 'userId', "userId", 'role', role, 'rev', rev,
        'lastReadSeq', "lastReadSeq", 'lastDeliveredSeq', "lastDeliveredSeq") ORDER BY rev)
      FROM joined))
  INTO answer;

  -- Whoever came in leaves an entry in the audit chain (DEL-2), hashed as the server does it: SHA-256 of the fields as
  -- JSON with sorted keys.
  IF json_typeof(answer -> 'joins') = 'array' THEN
    FOR newcomer IN
      SELECT (x ->> 'conversationId')::uuid AS cid, x ->> 'userId' AS person, x ->> 'role' AS role
      FROM json_array_elements(answer -> 'joins') x
    LOOP
      SELECT c."auditCount" + 1 AS place, c."auditHash" AS hash INTO chain FROM "Conversation" c WHERE c.id = newcomer.cid;
      -- They came by their own send, or by that of the other one of a direct conversation.
      SELECT x.sender INTO inviter FROM unnest(cids, senders) AS x(cid, sender)
      WHERE x.cid = newcomer.cid ORDER BY x.sender = newcomer.person DESC LIMIT 1;
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
