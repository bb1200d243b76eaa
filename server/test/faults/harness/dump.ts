import { Redis } from 'ioredis';
import { giveUp } from '../workloads/stage.ts';
import { type Call, type Caller, changes, get, pause } from './calls.ts';
import type { Cluster } from './cluster.ts';
import type { Device } from './device.ts';
import type { Thing } from './history.ts';
import { changeThing } from './things.ts';

/*
 * The state file of a round: what the database holds in the end, what each node answers, and what else could have kept a
 * text, as docs/history-format.md describes it.
 */

/** One line of the state file. */
export type StateRecord =
  | {
      readonly kind: 'conversation';
      readonly id: string;
      readonly type: string;
      readonly title: string | null;
      readonly lastSeq: number;
      readonly rev: number;
      readonly auditCount: number;
    }
  | {
      readonly kind: 'message';
      readonly conversationId: string;
      readonly id: string;
      readonly seq: number;
      readonly rev: number;
      readonly senderId: string;
      readonly content: string | null;
      readonly clientMessageId: string | null;
      /** Milliseconds since the epoch, by the database's clock. */
      readonly createdAt: number;
      readonly edited: boolean;
      readonly deleted: boolean;
      readonly reactions: readonly string[];
      /** Earlier texts that are kept. */
      readonly revisions: number;
    }
  | {
      readonly kind: 'participant';
      readonly conversationId: string;
      readonly userId: string;
      readonly role: string;
      readonly present: boolean;
      readonly removed: boolean;
      readonly rev: number;
      readonly lastReadSeq: number;
    }
  | {
      readonly kind: 'audit';
      readonly conversationId: string;
      readonly position: number;
      readonly action: string;
      readonly actorId: string;
      readonly targetId: string | null;
      readonly hash: string;
      readonly previousHash: string;
    }
  | { readonly kind: 'verify'; readonly conversationId: string; readonly answer: unknown }
  | {
      readonly kind: 'read';
      readonly node: string;
      readonly conversationId: string;
      readonly person: string;
      readonly rev: number;
      readonly things: readonly Thing[];
    }
  | {
      readonly kind: 'mine';
      readonly node: string;
      readonly conversationId: string;
      readonly person: string;
      readonly unreadCount: number;
      readonly lastReadSeq: number;
    }
  | { readonly kind: 'device'; readonly device: string; readonly conversationId: string; readonly known: number | null }
  /** Text found outside of the tables: keys and values of Redis. */
  | { readonly kind: 'text'; readonly where: string; readonly text: string }
  | { readonly kind: 'quiet'; readonly afterMs: number; readonly reached: boolean };

/** Runs a query that answers with one column `row` of JSON. */
export type Ask = <Row>(sql: string, values: readonly unknown[]) => Promise<Row[]>;

/** Where the conversations are that somebody is in. */
export type Heads = () => Promise<{ userId: string; conversationId: string; rev: number }[]>;

const QUIET_WITHIN_MS = 30_000;

/** Waits until every device knows the present `rev` of everything its person is in: nothing is told to them by this. */
export async function awaitQuiet(
  heads: Heads,
  devices: readonly Device[],
): Promise<{ afterMs: number; reached: boolean }> {
  const start = performance.now();
  for (;;) {
    const late = (await heads()).filter(({ userId, conversationId, rev }) =>
      devices.some((device) => device.person === userId && (device.known.get(conversationId) ?? 0) < rev),
    );
    const afterMs = Math.round(performance.now() - start);
    if (late.length === 0) return { afterMs, reached: true };
    if (afterMs > QUIET_WITHIN_MS) return { afterMs, reached: false };
    await pause(100);
  }
}

/** From the tables, past every node. */
export function headsBySql(ask: Ask, conversations: readonly string[]): Heads {
  return () =>
    ask(
      `SELECT jsonb_build_object('userId', p."userId", 'conversationId', c.id, 'rev', c.rev) AS row
       FROM "ConversationParticipant" p JOIN "Conversation" c ON c.id = p."conversationId"
       WHERE c.id = ANY($1::uuid[]) AND p."leftAt" IS NULL`,
      [conversations],
    );
}

/** From the node's own answers, where nobody else may open the database. */
export function headsByCalls(caller: Caller, devices: readonly Device[]): Heads {
  return async () => {
    const heads = [];
    for (const { person } of devices) {
      const call = get(person, '/conversations?limit=200', 'list');
      const outcome = await caller.call(call, { door: 'rest', node: caller.cluster.nodes[0]! });
      if (outcome.phase !== 'ok') continue;
      const { items } = outcome.data as { items: { id: string; rev: number }[] };
      heads.push(...items.map(({ id, rev }) => ({ userId: person, conversationId: id, rev })));
    }
    return heads;
  };
}

/** What the tables hold, one line for each row. */
export async function readTables(ask: Ask, conversations: readonly string[]): Promise<StateRecord[]> {
  const records: StateRecord[] = [];
  for (const query of QUERIES) records.push(...(await ask<StateRecord>(query, [conversations])));
  return records;
}

/** What every node answers in the end, what devices know, and what Redis keeps. Nothing may be changing any more. */
export async function readFinals(options: {
  cluster: Cluster;
  caller: Caller;
  conversations: readonly string[];
  members: ReadonlyMap<string, readonly string[]>;
  devices: readonly Device[];
}): Promise<StateRecord[]> {
  const { cluster, caller, conversations, members } = options;
  const records: StateRecord[] = [];
  for (const { name, known } of options.devices) {
    for (const conversationId of conversations) {
      records.push({ kind: 'device', device: name, conversationId, known: known.get(conversationId) ?? null });
    }
  }
  for (const node of cluster.nodes) {
    const ask = async <Answer>(call: Call): Promise<Answer> => {
      const outcome = await caller.callUntilKnown(call, () => ({ door: 'rest', node }), giveUp());
      if (outcome.phase !== 'ok') throw new Error(`final read on ${node.name}: ${JSON.stringify({ call, outcome })}`);
      return outcome.data as Answer;
    };
    for (const [conversationId, userIds] of members) {
      const person = userIds[0]!;
      const things: Thing[] = [];
      let rev = 0;
      for (let hasMore = true; hasMore; ) {
        const page = await ask<WirePage>(changes(person, conversationId, rev));
        things.push(...page.changes.map(changeThing));
        hasMore = page.hasMore;
        rev = hasMore ? page.changes.at(-1)!.rev : page.rev;
      }
      records.push({ kind: 'read', node: node.name, conversationId, person, rev, things });
      // Of a large one, some: each is a call of its own.
      for (const userId of userIds.slice(0, 25)) {
        const call = get(userId, `/conversations/${conversationId}`, 'conversation', { conversationId });
        const { me } = await ask<{ me: { unreadCount: number; lastReadSeq: number } }>(call);
        const { unreadCount, lastReadSeq } = me;
        records.push({ kind: 'mine', node: node.name, conversationId, person: userId, unreadCount, lastReadSeq });
      }
    }
  }
  await verifyAudit(options, (record) => records.push(record));
  if (cluster.redis) records.push(...(await textsOfRedis(cluster.redis.url)));
  return records;
}

type WirePage = { changes: Parameters<typeof changeThing>[0][]; rev: number; hasMore: boolean };

async function verifyAudit(
  { caller, cluster, conversations }: { caller: Caller; cluster: Cluster; conversations: readonly string[] },
  write: (record: StateRecord) => void,
): Promise<void> {
  const token = await caller.token(caller.idOf('auditor'), ['admin']);
  for (const conversationId of conversations) {
    const response = await fetch(
      `${cluster.nodes[0]!.ownUrl}/api/messaging/v1/audit/verify?conversationId=${conversationId}`,
      { headers: { authorization: `Bearer ${token}` } },
    );
    write({ kind: 'verify', conversationId, answer: { status: response.status, body: await response.json() } });
  }
}

/** Everything that Redis keeps, as text. */
async function textsOfRedis(url: string): Promise<StateRecord[]> {
  const redis = new Redis(url, { retryStrategy: () => null });
  redis.on('error', () => {});
  const lines: StateRecord[] = [];
  try {
    for (const key of await redis.keys('*')) {
      const dumped = await redis.dumpBuffer(key);
      lines.push({ kind: 'text', where: `redis ${key}`, text: `${key} ${dumped?.toString('latin1') ?? ''}` });
    }
  } finally {
    redis.disconnect();
  }
  return lines;
}

const QUERIES = [
  `SELECT jsonb_build_object('kind', 'conversation', 'id', id, 'type', type, 'title', title, 'lastSeq', "lastSeq",
     'rev', rev, 'auditCount', "auditCount") AS row
   FROM "Conversation" WHERE id = ANY($1::uuid[])`,
  `SELECT jsonb_build_object('kind', 'message', 'conversationId', "conversationId", 'id', id, 'seq', seq, 'rev', rev,
     'senderId', "senderId", 'content', content, 'clientMessageId', "clientMessageId",
     'createdAt', (extract(epoch FROM "createdAt") * 1000)::bigint,
     'edited', "editedAt" IS NOT NULL, 'deleted', "deletedAt" IS NOT NULL,
     'reactions', coalesce((SELECT jsonb_agg(emoji || ' ' || "userId") FROM "Reaction" r WHERE r."messageId" = m.id), '[]'),
     'revisions', (SELECT count(*) FROM "MessageRevision" v WHERE v."messageId" = m.id)) AS row
   FROM "Message" m WHERE "conversationId" = ANY($1::uuid[]) ORDER BY "conversationId", seq`,
  `SELECT jsonb_build_object('kind', 'participant', 'conversationId', "conversationId", 'userId', "userId", 'role', role,
     'present', "leftAt" IS NULL, 'removed', "removedBy" IS NOT NULL, 'rev', rev, 'lastReadSeq', "lastReadSeq") AS row
   FROM "ConversationParticipant" WHERE "conversationId" = ANY($1::uuid[])`,
  `SELECT jsonb_build_object('kind', 'audit', 'conversationId', "conversationId", 'position', position, 'action', action,
     'actorId', "actorId", 'targetId', "targetId", 'hash', hash, 'previousHash', "previousHash") AS row
   FROM "AuditEntry" WHERE "conversationId" = ANY($1::uuid[]) ORDER BY "conversationId", position`,
];
