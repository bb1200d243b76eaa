/**
 * `npm run bench:log`: the log alone, without doors and sockets. Sends a second through `MessageLog` beside those of one
 * Prisma interactive transaction for each message, and the list of conversations with unread counts, over a PostgreSQL
 * of its own that makes every commit durable.
 *
 * --quick   small sizes and short rounds
 * --write   puts the results into docs/performance.md
 */
import { parseArgs } from 'node:util';
import type { PrismaClient } from '../server/prisma/generated/client.ts';
import { type Database, openDatabase } from '../server/src/infrastructure/database.ts';
import { ConversationsRepository } from '../server/src/modules/messaging/repositories/conversations.repository.ts';
import { type AppendCommand, MessageLog } from '../server/src/modules/messaging/repositories/message-log.ts';
import type { RowOpener } from '../server/src/modules/messaging/repositories/rows.ts';
import { newId } from '../server/src/utils/ids.ts';
import { runOnServer } from '../server/test/support/database.ts';
import { silentLogger } from '../server/test/support/logger.ts';
import { startPostgres } from '../server/test/support/postgres.ts';
import { describeRun, table, writeSection } from './support/performance-doc.ts';
import {
  conversationId,
  openPlainClient,
  personId,
  READER,
  seedConversations,
  seedDatabase,
  seedHistory,
} from './support/seed.ts';
import { format, formatSummary, median, quantile, type Summary, summarize } from './support/statistics.ts';

const { values: flags } = parseArgs({ options: { quick: { type: 'boolean' }, write: { type: 'boolean' } } });
const SENDERS = 100;
const ROUNDS = 3;
const SIZES = flags.quick
  ? { roundMs: 1_000, messages: 50_000, reads: 100 }
  : { roundMs: 4_000, messages: 1_000_000, reads: 1_000 };
const LISTED = { conversations: 500, page: 50 };
const GOAL = 10;
/** None of the conversations is confidential. */
const PLAIN: RowOpener = { open: (row) => row };

/** Stores one message; resolves once it is durable. */
type Send = (command: AppendCommand) => Promise<unknown>;

const postgres = await startPostgres({
  settings: { fsync: 'on', synchronous_commit: 'on', shared_buffers: '512MB', max_wal_size: '4GB' },
});
try {
  const sends = await withDatabase('sends', measureSends);
  const list = await withDatabase('history', measureList);
  const run = await describeRun(sends.version);
  const report = `${run}\n\n${sends.report}\n\n${list.report}`;
  console.log(`\n${report}`);
  if (flags.write) await writeSection('bench:log', report);
  if (sends.leastRatio < GOAL || list.hasSeqScan) process.exitCode = 1;
} finally {
  await postgres.stop();
}

async function withDatabase<T>(name: string, work: (database: Database, url: string) => Promise<T>): Promise<T> {
  await runOnServer(postgres.url, `CREATE DATABASE ${name}`);
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  const database = await openDatabase({ databaseUrl: url.href, dataDir: '', logger: silentLogger });
  try {
    return await work(database, url.href);
  } finally {
    await database.close();
  }
}

// ── sends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

async function measureSends(database: Database, databaseUrl: string) {
  const { prisma } = database;
  const people = Array.from({ length: SENDERS }, (_, nth) => personId(nth));
  await seedDatabase({ prisma, databaseUrl }, (seeded) => seedConversations(seeded, 50, () => people));
  const plain = openPlainClient(databaseUrl);
  try {
    return await compareRoads(database, plain);
  } finally {
    await plain.$disconnect();
  }
}

async function compareRoads(database: Database, plain: PrismaClient) {
  const log = new MessageLog({ database, nodeId: newId() });
  const roads: Record<string, Send> = {
    batched: (command) => log.append(command),
    transaction: (command) => sendInTransaction(plain, command),
  };

  const rows: string[][] = [['100 senders at once', '`MessageLog`, sends/s', 'a transaction each, sends/s', 'ratio']];
  let leastRatio = Number.POSITIVE_INFINITY;
  for (const conversations of [50, 1]) {
    const rates: Record<string, number[]> = { batched: [], transaction: [] };
    for (let round = 0; round <= ROUNDS; round += 1) {
      // Turn about, so that neither always comes after the other. The first round warms up.
      const names = round % 2 === 0 ? ['transaction', 'batched'] : ['batched', 'transaction'];
      for (const name of names) {
        const rate = await measureRate(roads[name]!, conversations, round === 0 ? SIZES.roundMs / 2 : SIZES.roundMs);
        if (round > 0) rates[name]!.push(rate);
        console.log(`${conversations} conversations, ${name}, round ${round}: ${format(rate)} sends/s`);
      }
    }
    const [batched, transaction] = [summarize(rates.batched!), summarize(rates.transaction!)];
    const ratio = batched.median / transaction.median;
    leastRatio = Math.min(leastRatio, ratio);
    rows.push([
      conversations === 1 ? 'one conversation' : `${conversations} conversations`,
      formatSummary(batched),
      formatSummary(transaction),
      `${format(ratio)} ×`,
    ]);
  }
  await checkLog(database.prisma);
  const lone = await measureLone(roads);
  rows.push(['one sender, ms for each', ...['batched', 'transaction'].map((name) => formatSummary(lone[name]!)), '']);
  return {
    report: `${table(rows)}\n\nGoal: ${GOAL} ×. Medians of ${ROUNDS} rounds, with spread.`,
    leastRatio,
    version: database.version,
  };
}

/** Each sender sends its next message when the one before is durable. */
async function measureRate(send: Send, conversations: number, durationMs: number): Promise<number> {
  const start = performance.now();
  let stored = 0;
  await Promise.all(
    Array.from({ length: SENDERS }, async (_, nth) => {
      while (performance.now() - start < durationMs) {
        await send(makeCommand(personId(nth), conversationId(nth % conversations)));
        stored += 1;
      }
    }),
  );
  return (stored * 1_000) / (performance.now() - start);
}

async function measureLone(roads: Record<string, Send>): Promise<Record<string, Summary>> {
  const rounds: Record<string, number[]> = { batched: [], transaction: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, send] of Object.entries(roads)) {
      const times: number[] = [];
      for (let count = 0; count < 200; count += 1) {
        const start = performance.now();
        await send(makeCommand(personId(0), conversationId(count % 50)));
        times.push(performance.now() - start);
      }
      rounds[name]!.push(median(times));
    }
  }
  return Object.fromEntries(Object.entries(rounds).map(([name, values]) => [name, summarize(values)]));
}

function makeCommand(senderId: string, conversation: string): AppendCommand {
  const id = newId();
  return {
    id,
    conversationId: conversation,
    senderId,
    content: 'A message as long as many a line that people write each other.',
    sealed: null,
    sanitized: false,
    clientMessageId: id,
    requestDigest: id,
    replyToId: null,
    metadata: null,
    mentions: [],
    attachmentIds: [],
  };
}

/** What a careful server without the log would do: lock, check, insert, count, move the pointer, in one transaction. */
function sendInTransaction(prisma: PrismaClient, command: AppendCommand): Promise<void> {
  const { conversationId: id, senderId } = command;
  return prisma.$transaction(
    async (tx) => {
      await tx.$queryRaw`SELECT 1 AS locked FROM "Conversation" WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
      const participant = await tx.conversationParticipant.findUnique({
        where: { conversationId_userId: { conversationId: id, userId: senderId } },
      });
      if (!participant || participant.leftAt !== null) throw new Error('not a participant');
      const { lastSeq, rev } = await tx.conversation.update({
        where: { id },
        data: { lastSeq: { increment: 1 }, rev: { increment: 1 }, lastMessageAt: new Date() },
        select: { lastSeq: true, rev: true },
      });
      await tx.message.create({
        data: {
          id: command.id,
          conversationId: id,
          seq: lastSeq,
          rev,
          senderId,
          content: command.content,
          clientMessageId: command.clientMessageId,
          requestDigest: command.requestDigest,
        },
      });
      await tx.conversationParticipant.update({
        where: { conversationId_userId: { conversationId: id, userId: senderId } },
        data: { lastReadSeq: lastSeq, lastDeliveredSeq: lastSeq, lastOwnSeq: lastSeq },
      });
    },
    { maxWait: 30_000, timeout: 30_000 },
  );
}

/** ORD-1: whichever way they were sent, each conversation is numbered without a gap. */
async function checkLog(prisma: PrismaClient): Promise<void> {
  const broken = await prisma.$queryRaw<unknown[]>`
    SELECT c.id FROM "Conversation" c
    LEFT JOIN (SELECT "conversationId", count(*) AS stored, max(seq) AS last FROM "Message" GROUP BY 1) m
      ON m."conversationId" = c.id
    WHERE c."lastSeq" <> coalesce(m.stored, 0) OR c."lastSeq" <> coalesce(m.last, 0)`;
  if (broken.length > 0) throw new Error(`${broken.length} conversations are not numbered as they should be`);
}

// ── the list ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function measureList(database: Database, databaseUrl: string) {
  const { conversations, page } = LISTED;
  const start = performance.now();
  await seedDatabase({ prisma: database.prisma, databaseUrl }, (seeded) =>
    seedHistory(seeded, { conversations, messages: SIZES.messages }),
  );
  console.log(`${format(SIZES.messages)} messages made in ${format((performance.now() - start) / 1_000)} s`);

  const repository = new ConversationsRepository(database, PLAIN);
  const read = () => repository.findPage(READER, 'all', undefined, page);
  const times: number[] = [];
  for (let count = 0; count < SIZES.reads; count += 1) {
    const began = performance.now();
    const views = await read();
    times.push(performance.now() - began);
    if (views.length !== page) throw new Error(`the list has ${views.length} entries`);
  }
  const plan = await explain(database, (explained) =>
    new ConversationsRepository(explained, PLAIN).findPage(READER, 'all', undefined, page),
  );
  // One that was planned for an empty table and never carried out (keys of confidential conversations) is none.
  const hasSeqScan = /Seq Scan on [^(]*\(actual/.test(plan);
  const report = [
    `The list of ${page} of ${conversations} conversations with unread counts, over ${format(SIZES.messages)} messages, ` +
      `${format(SIZES.reads)} reads one after the other: p50 ${format(quantile(times, 0.5))} ms, ` +
      `p99 ${format(quantile(times, 0.99))} ms. ` +
      (hasSeqScan ? '**Its plan has a sequential scan.**' : 'Its plan carries out no sequential scan:'),
    `\`\`\`\n${plan}\n\`\`\``,
  ].join('\n\n');
  return { report, hasSeqScan };
}

/** The plan of the one query that `read` makes, as it was carried out. */
async function explain(database: Database, read: (database: Database) => Promise<unknown>): Promise<string> {
  let plan: { 'QUERY PLAN': string }[] = [];
  const query: Database['query'] = async ({ name, text }, values) => {
    plan = await database.query(
      { name: `${name}_plan`, text: `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ${text}` },
      values,
    );
    return [];
  };
  await read({ ...database, query });
  return plan.map((line) => line['QUERY PLAN']).join('\n');
}
