import type { RoundPlan } from '../harness/round.ts';

/** A change of the server's text. `find` stands there exactly once. */
export interface Patch {
  /** Below the server's folder; or `APPEND`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A server with one mistake, which the suite has to find. */
export interface Mutant {
  readonly id: string;
  readonly title: string;
  /** How the mistake looks in this server, where it is not just what the title says. */
  readonly adapted?: string;
  readonly patches: readonly Patch[];
  readonly round: Omit<RoundPlan, 'name'>;
  /** Invariants that it breaks; one of them must be found broken. */
  readonly breaks: readonly string[];
}

const MESSAGING = 'src/modules/messaging';
/** The migration that defines `parley_append` last. */
export const APPEND = 'parley_append';
const TABLES = 'prisma/migrations/0001_log/migration.sql';

function round(
  workloads: string[],
  faults: string[],
  more: Partial<Omit<RoundPlan, 'name' | 'workloads' | 'faults'>> = {},
): Mutant['round'] {
  return { cluster: 'two', workloads, faults, seconds: 15, mode: 'single', scale: 0.5, ...more };
}

const NO_UNIQUE_KEY: Patch = {
  file: TABLES,
  find: 'CREATE UNIQUE INDEX "Message_conversationId_senderId_clientMessageId_key"',
  replace: 'CREATE INDEX "Message_conversationId_senderId_clientMessageId_key"',
};

/** The mistakes, by their number in the list of the suite. */
export const MUTANTS: readonly Mutant[] = [
  {
    id: 'M1',
    title: 'synchronous_commit off, and PostgreSQL killed',
    patches: [
      {
        file: 'src/infrastructure/database.ts',
        find: "WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END",
        replace: "WHEN 'off' THEN 'off' ELSE 'off' END",
      },
      {
        file: 'src/infrastructure/database.ts',
        find: "if (server.commit === 'off') {",
        replace: "if (server.commit === 'never') {",
      },
    ],
    round: round(['W1'], ['F03']),
    breaks: ['I1', 'I2', 'I3', 'I6'],
  },
  {
    id: 'M2',
    title: 'no dedupe index',
    adapted: 'neither the index nor the look-up under the lock',
    patches: [
      NO_UNIQUE_KEY,
      { file: APPEND, find: `AND earlier."clientMessageId" = command.key`, replace: 'AND false' },
    ],
    round: round(['W1'], ['F11']),
    breaks: ['I2', 'I5'],
  },
  {
    id: 'M3',
    title: 'dedupe within a window of 30 s',
    adapted: 'a window of 3 s, so that a short run outlasts it',
    patches: [
      NO_UNIQUE_KEY,
      {
        file: APPEND,
        find: `AND earlier."clientMessageId" = command.key`,
        replace: `AND earlier."clientMessageId" = command.key AND earlier."createdAt" > now() - interval '3 seconds'`,
      },
    ],
    round: round(['W1'], ['F06']),
    breaks: ['I2', 'I5'],
  },
  {
    id: 'M4',
    title: 'emit before commit',
    adapted: 'changes other than sends are told inside of their transaction',
    patches: [
      {
        file: `${MESSAGING}/services/committer.ts`,
        find: 'return await this.#log.change(conversationId, work);',
        replace: `return await this.#log.change(conversationId, async (change) => {
        const answer = await work(change);
        this.#publisher.announce(change.facts);
        return answer;
      });`,
      },
    ],
    round: round(['W5'], ['F03', 'F11', 'F03'], { seconds: 25 }),
    breaks: ['I3', 'I6', 'I7', 'I12'],
  },
  {
    id: 'M5',
    title: 'a BIGSERIAL as cursor',
    adapted: 'the tailer goes on after the highest notice id it saw; links to PostgreSQL are slow and Redis is dead',
    patches: [
      {
        file: `${MESSAGING}/repositories/changes.repository.ts`,
        find: 'SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS cursor`',
        replace: 'SELECT coalesce(max(id), 0)::text AS cursor FROM "ChangeNotice"`',
      },
      {
        file: `${MESSAGING}/repositories/changes.repository.ts`,
        find: `WHERE xid >= \${cursor}::bigint`,
        replace: `WHERE id > \${cursor}::bigint`,
      },
      {
        file: `${MESSAGING}/repositories/changes.repository.ts`,
        find: '        pg_snapshot_xmin(pg_current_snapshot())::text AS cursor,',
        replace: `        coalesce((SELECT max(id) FROM recent), \${cursor}::bigint)::text AS cursor,`,
      },
    ],
    round: round(['WX'], ['FX'], { seconds: 30, scale: 1 }),
    breaks: ['I8', 'I6'],
  },
  {
    id: 'M6',
    title: 'seq from max() + 1',
    adapted: 'without the row lock, which would make it right; and without the unique index, which would refuse it',
    patches: [
      { file: APPEND, find: '  ORDER BY c.id\n  FOR NO KEY UPDATE;', replace: '  ORDER BY c.id;' },
      // A lone send has its lock and its number from one statement; here it goes the road of many.
      { file: APPEND, find: 'IF extras IS NULL AND cardinality(ids) = 1 THEN', replace: 'IF false THEN' },
      { file: APPEND, find: 'IF extras IS NULL AND cardinality(ids) > 1 THEN', replace: 'IF extras IS NULL THEN' },
      {
        file: APPEND,
        find: 'c."lastSeq" + command.nth AS seq',
        replace:
          '(SELECT coalesce(max(n.seq), 0) FROM "Message" n WHERE n."conversationId" = c.id) + command.nth AS seq',
      },
      {
        file: APPEND,
        find: 'c."lastSeq" AS base_seq',
        replace: '(SELECT coalesce(max(n.seq), 0) FROM "Message" n WHERE n."conversationId" = c.id) AS base_seq',
      },
      {
        file: TABLES,
        find: 'CREATE UNIQUE INDEX "Message_conversationId_seq_key"',
        replace: 'CREATE INDEX "Message_conversationId_seq_key"',
      },
    ],
    round: round(['W1'], []),
    breaks: ['I3', 'I7'],
  },
  {
    id: 'M7',
    title: 'rooms instead of computed recipients, and Redis gone for one node',
    adapted: 'a fact is told to the room as soon as it comes, whatever came before it',
    patches: [
      {
        file: `${MESSAGING}/services/realtime-messaging.service.ts`,
        find: 'else follower.addWaiting(fact);',
        replace: 'else this.#apply(follower, fact);',
      },
    ],
    round: round(['W3'], ['F07']),
    breaks: ['I9', 'I6'],
  },
  {
    id: 'M8',
    title: 'connection state recovery on',
    adapted: 'there are no rooms to be put back into; so: who connects again is put where they were before, unread',
    patches: [
      {
        file: `${MESSAGING}/services/realtime-messaging.service.ts`,
        find: 'const memberships = await this.#reader.findMemberships(userId);',
        replace:
          'const kept = ((globalThis as any).kept ??= new Map()); ' +
          'const memberships = kept.get(userId) ?? (await this.#reader.findMemberships(userId)); ' +
          'kept.set(userId, memberships);',
      },
    ],
    round: round(['W3'], ['F10'], { seconds: 30 }),
    breaks: ['I7', 'I9', 'I6', 'I15'],
  },
  {
    id: 'M9',
    title: 'no tailer',
    adapted: 'Redis is dead, or drops what is published: nothing else makes good what was lost',
    patches: [{ file: `${MESSAGING}/index.ts`, find: 'await tailer.start();', replace: 'await Promise.resolve();' }],
    round: round(['WX'], ['F05'], { seconds: 15, scale: 1 }),
    breaks: ['I8', 'I6'],
  },
  {
    id: 'M10',
    title: 'pointer without GREATEST',
    patches: [
      {
        file: `${MESSAGING}/repositories/receipts.repository.ts`,
        find: 'read: Prisma.sql`greatest(p."lastReadSeq", target.seq)`',
        replace: 'read: Prisma.sql`target.seq`',
      },
    ],
    round: round(['W4'], [], { seconds: 10 }),
    breaks: ['I10'],
  },
  {
    id: 'M11',
    title: 'unread as a counter in Redis',
    adapted: 'a count that messages raise and reading resets, and that deletions do not lower',
    patches: [
      {
        file: `${MESSAGING}/repositories/sql.ts`,
        find: `u.seq > p."lastReadSeq" AND u."deletedAt" IS NOT NULL`,
        replace: `u.seq > p."lastReadSeq" AND u."deletedAt" IS NOT NULL AND false`,
      },
    ],
    round: round(['W4'], [], { seconds: 15 }),
    breaks: ['I10'],
  },
  {
    id: 'M13',
    title: 'INCR and EXPIRE apart',
    adapted: 'what a crash between the two leaves: entries of the limiter that never age',
    patches: [
      {
        file: 'src/middleware/rate-limit.ts',
        find: "  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)\n",
        replace: '',
      },
      {
        file: 'src/middleware/rate-limit.ts',
        find: "  redis.call('PEXPIRE', KEYS[1], ARGV[1])\n",
        replace: "  redis.call('PERSIST', KEYS[1])\n",
      },
    ],
    round: round(['W8'], [], { cluster: 'rate', seconds: 28 }),
    breaks: ['I11'],
  },
  {
    id: 'M14',
    title: 'ack before commit',
    patches: [
      {
        file: `${MESSAGING}/repositories/message-log.ts`,
        find: 'await withRetries(() => this.#database.query<{ answer: AppendAnswer }>(APPEND, values), { tries });',
        replace: `await withRetries(() => new Promise<[{ answer: AppendAnswer }]>((resolve, reject) => {
      this.#database.prisma.$transaction(async (tx) => {
        resolve(await tx.$queryRawUnsafe<[{ answer: AppendAnswer }]>(APPEND.text, ...values));
        await new Promise((done) => setTimeout(done, 40));
      }).catch(reject);
    }), { tries });`,
      },
    ],
    round: round(['W1'], ['F03', 'F11']),
    breaks: ['I1', 'I2', 'I3', 'I6'],
  },
  {
    id: 'M15',
    title: 'no FIFO for each socket',
    patches: [
      {
        file: 'src/middleware/socket-door.ts',
        find: 'COMMANDS[name].mutating',
        replace: 'COMMANDS[name].mutating && false',
      },
    ],
    round: round(['W5'], ['F16'], { seconds: 25 }),
    breaks: ['I4'],
  },
  {
    id: 'M16',
    title: 'the delete event carries the content',
    patches: [
      {
        file: `${MESSAGING}/services/messaging.service.ts`,
        find: "name: 'message:deleted', payload: { conversationId, rev: left.rev, message: left }",
        replace:
          "name: 'message:deleted', payload: { conversationId, rev: left.rev, message: { ...left, content: message.content } }",
      },
    ],
    round: round(['W5'], [], { seconds: 10 }),
    breaks: ['I12', 'I6'],
  },
  {
    id: 'M17',
    title: 'a cache key without the user',
    adapted: 'the view of a conversation is kept for two seconds under its id',
    patches: [
      {
        file: `${MESSAGING}/repositories/conversations.repository.ts`,
        find: 'return (await this.findViews(conversationId, [userId])).get(userId) ?? null;',
        replace: `const kept = keptViews.get(conversationId);
    if (kept && Date.now() < kept.until) return kept.view;
    const view = (await this.findViews(conversationId, [userId])).get(userId) ?? null;
    keptViews.set(conversationId, { view, until: Date.now() + 2_000 });
    return view;`,
      },
      {
        file: `${MESSAGING}/repositories/conversations.repository.ts`,
        find: 'export class ConversationsRepository {',
        replace:
          'const keptViews = new Map<string, { view: ConversationView | null; until: number }>();\n\nexport class ConversationsRepository {',
      },
    ],
    round: round(['W4'], [], { seconds: 8 }),
    breaks: ['I10'],
  },
  {
    id: 'M19',
    title: 'the upsert of a participant resets the role',
    patches: [
      {
        file: `${MESSAGING}/repositories/participants.repository.ts`,
        find: `"leftAt" = NULL, "removedBy" = NULL, "joinedAt" = excluded."joinedAt",`,
        replace: `"leftAt" = NULL, "removedBy" = NULL, role = 'member', "joinedAt" = excluded."joinedAt",`,
      },
    ],
    round: round(['W3'], [], { seconds: 15 }),
    breaks: ['I14', 'I6'],
  },
  {
    id: 'M20',
    title: 'a lost COMMIT is retried and nobody told',
    adapted: 'as a message of its own, since under its id and key the second would be refused',
    patches: [
      {
        file: 'src/infrastructure/database-errors.ts',
        find: "failure.kind !== 'conflict' ||",
        replace: "(failure.kind !== 'conflict' && !failure.outcomeUnknown) ||",
      },
      {
        file: `${MESSAGING}/repositories/message-log.ts`,
        find: 'await withRetries(() => this.#database.query<{ answer: AppendAnswer }>(APPEND, values), { tries });',
        replace: `await withRetries(() => {
      if (made++ > 0) {
        const fresh = commands.map((command) => ({ ...command, id: crypto.randomUUID(), clientMessageId: null }));
        const columns = toColumns(fresh);
        values[1] = columns.ids;
        values[6] = columns.keys;
      }
      return this.#database.query<{ answer: AppendAnswer }>(APPEND, values);
    }, { tries: 3 });`,
      },
      {
        file: `${MESSAGING}/repositories/message-log.ts`,
        find: '    const values = [this.#nodeId, ids,',
        replace: '    let made = 0;\n    const values = [this.#nodeId, ids,',
      },
    ],
    round: round(['W1'], ['F11'], { seconds: 25, scale: 1 }),
    breaks: ['I1', 'I2', 'I5'],
  },
  {
    id: 'M21',
    title: 'the default options of ioredis',
    patches: [
      {
        file: 'src/infrastructure/redis.ts',
        find: '{ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 1, commandTimeout: 250 }',
        replace: '{}',
      },
      {
        file: 'src/infrastructure/redis.ts',
        find: 'db: address.database,\n    enableOfflineQueue: !forCommands,',
        replace: 'db: address.database,',
      },
      {
        file: 'src/middleware/rate-limit.ts',
        find: 'if (!commandTimeout || enableOfflineQueue) {',
        replace: 'if (commandTimeout === -1 && enableOfflineQueue) {',
      },
    ],
    round: round(['W1'], ['F07'], { seconds: 20, scale: 2 }),
    breaks: ['I15'],
  },
  {
    id: 'M22',
    title: 'a write buffer without bound',
    patches: [
      {
        file: 'src/infrastructure/slow-clients.ts',
        find: 'if (watch.isTooSlow(client, connection, now)) sampler.end(client);',
        replace: 'if (watch.isTooSlow(client, connection, now)) still.add(client);',
      },
    ],
    round: round(['W1'], ['F12'], { seconds: 5 }),
    breaks: ['I16'],
  },
  {
    id: 'M24',
    title: 'a listener that nothing wraps',
    adapted: 'a command without an acknowledgement function is answered all the same',
    patches: [
      {
        file: 'src/middleware/socket-door.ts',
        find: "typeof last === 'function' ? this.#guardAck(last as Acknowledge) : ignoreAck",
        replace: '(last as Acknowledge)',
      },
    ],
    round: round(['W1'], [], { seconds: 10 }),
    breaks: ['I15'],
  },
  {
    id: 'M25',
    title: '`changes` reads a window of two minutes',
    adapted: 'a window of two seconds, so that a short run outlasts it',
    patches: [
      {
        file: `${MESSAGING}/repositories/changes.repository.ts`,
        find: `WHERE "conversationId" = \${conversationId}::uuid AND rev > \${after} ORDER BY rev LIMIT`,
        replace: `WHERE "conversationId" = \${conversationId}::uuid AND rev > \${after} AND "createdAt" > now() - interval '2 seconds' ORDER BY rev LIMIT`,
      },
    ],
    round: round(['W1'], ['F01', 'F10'], { seconds: 15 }),
    breaks: ['I6'],
  },
];
