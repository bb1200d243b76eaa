// How long searching takes: `node server/test/load/search.ts [messages]`, a million by default. It starts a PostgreSQL of
// its own, fills it, lets the indexer index it, searches, prints figures and removes everything.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openDatabase } from '../../src/infrastructure/database.ts';
import { SearchRepository } from '../../src/modules/search/repositories/search.repository.ts';
import { parseQuery, toQuery } from '../../src/modules/search/search-words.ts';
import { SearchIndexer, tagOf } from '../../src/modules/search/services/search-indexer.ts';
import { WordStems } from '../../src/modules/search/services/word-stems.ts';
import { silentLogger } from '../support/logger.ts';
import { startPostgres } from '../support/postgres.ts';

const MESSAGES = Number(process.argv[2] ?? 1_000_000);
const CONVERSATIONS = 1_000;
const VOCABULARY = 50_000;
const ROUNDS = 200;

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

const postgres = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB', work_mem: '16MB' } });
const dataDir = await mkdtemp(join(tmpdir(), 'parley-load-'));
const database = await openDatabase({ databaseUrl: postgres.url, dataDir, logger: silentLogger });
// Beside the server's own connections, which end a statement after three seconds.
const admin = new pg.Client({ connectionString: postgres.url });
await admin.connect();
const repository = new SearchRepository(database.prisma);
const indexer = new SearchIndexer({
  repository,
  stems: new WordStems(repository, 'simple'),
  takeChanged: () => [],
  isSending: () => false,
  logger: silentLogger,
});
try {
  await fill();
  await index();
  await measure();
} finally {
  await admin.end();
  await database.close();
  await postgres.stop();
  await rm(dataDir, { recursive: true });
}

/** Eight words a message, few of them very common and most of them rare; conversation 1 has a tenth of all messages. */
async function fill(): Promise<void> {
  const started = performance.now();
  await admin.query(`
    INSERT INTO "Conversation" (id, type, "createdBy", "lastSeq", rev)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'group', 'ann', 0, 1 FROM generate_series(1, ${CONVERSATIONS}) n`);
  // Ann is in all of them, Bob in twenty.
  await admin.query(`
    INSERT INTO "ConversationParticipant" ("conversationId", "userId")
    SELECT id, person FROM "Conversation", unnest(ARRAY['ann', 'bob']) person
    WHERE person = 'ann' OR right(id::text, 3)::text < '015'`);
  const part = 20_000;
  for (let from = 0; from < MESSAGES; from += part) {
    await admin.query(`
      INSERT INTO "Message" (id, "conversationId", seq, rev, "senderId", content, "createdAt")
      SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || 'a' || substr(md5(n::text), 4, 15))::uuid,
        lpad(to_hex(cid), 32, '0')::uuid, n, n + 1, 'p' || n % 500, words, timestamptz '2026-01-01' + n * interval '1 second'
      FROM (
        SELECT n, CASE WHEN n % 10 = 0 THEN 1 ELSE 1 + (n::bigint * 7919) % ${CONVERSATIONS} END AS cid,
          (SELECT string_agg(substr(md5((floor(${VOCABULARY} * power(random(), 4)))::int::text), 1, 7), ' ')
           FROM generate_series(1, 8) WHERE n > 0) AS words
        FROM generate_series(${from + 1}, ${Math.min(from + part, MESSAGES)}) n
      ) made`);
  }
  // Positions are not without gaps here, which search does not mind.
  await admin.query(`UPDATE "Conversation" SET "lastSeq" = ${MESSAGES}, rev = ${MESSAGES + 1}`);
  await admin.query('ANALYZE');
  print(`${MESSAGES} messages stored in ${seconds(started)} s`);
}

async function index(): Promise<void> {
  const started = performance.now();
  for (let after: string | null = null; ; ) {
    const ids: string[] = await repository.findBehind(after, 20);
    if (ids.length === 0) break;
    await indexer.catchUp(ids);
    after = ids.at(-1)!;
  }
  await admin.query('VACUUM ANALYZE "SearchEntry"');
  const took = (performance.now() - started) / 1_000;
  const {
    rows: [size],
  } = await admin.query<{ entries: string; all: string; messages: string }>(`
    SELECT pg_size_pretty(pg_indexes_size('"SearchEntry"')) AS entries,
      pg_size_pretty(pg_total_relation_size('"SearchEntry"')) AS all,
      pg_size_pretty(pg_total_relation_size('"Message"')) AS messages`);
  print(`indexed in ${took.toFixed(1)} s, ${Math.round(MESSAGES / took)} messages/s`);
  print(`SearchEntry ${size!.all} (its indexes ${size!.entries}), Message ${size!.messages}`);
}

async function measure(): Promise<void> {
  const { rows: words } = await admin.query<{ word: string; count: number }>(`
    SELECT word, ndoc::int AS count FROM ts_stat('SELECT words FROM "SearchEntry" TABLESAMPLE SYSTEM (10)')
    WHERE word NOT LIKE '#%' ORDER BY ndoc DESC`);
  const byShare = (share: number) =>
    words.find(({ count }) => count * 10 <= share * MESSAGES)?.word ?? words.at(-1)!.word;
  const {
    rows: [sample],
  } = await admin.query<{ content: string }>(`SELECT content FROM "Message" WHERE seq = ${Math.ceil(MESSAGES / 2)}`);
  const texts = sample!.content.split(' ');
  const queries: [string, string][] = [
    ['the most common word', words[0]!.word],
    ['one in 50 messages', byShare(0.02)],
    ['one in 200 messages', byShare(0.005)],
    ['one in 2,000 messages', byShare(0.000_5)],
    ['a rare word', byShare(0.000_02)],
    ['a word nobody wrote', 'zzzzzz'],
    ['two common words', `${words[0]!.word} ${words[3]!.word}`],
    ['a phrase of an old message', `"${texts.slice(2, 5).join(' ')}"`],
    ['a phrase of common words', `"${words[0]!.word} ${words[1]!.word}"`],
    ['two letters', words[5]!.word.slice(0, 2)],
  ];
  for (const who of ['ann', 'bob', 'one conversation']) {
    print(
      `\n${who === 'ann' ? 'over all messages' : who === 'bob' ? 'in 20 conversations' : 'in the largest conversation'}`,
    );
    for (const [name, text] of queries) {
      await time(who, name, text, 'newest');
      await time(who, '  best first', text, 'best');
    }
  }
}

async function time(who: string, name: string, text: string, order: 'newest' | 'best'): Promise<void> {
  const times: number[] = [];
  let hits = 0;
  for (let round = 0; round < ROUNDS + 5; round++) {
    const started = performance.now();
    const ids =
      who === 'one conversation'
        ? ['00000000-0000-0000-0000-000000000001']
        : (await repository.findSearchable(who)).map(({ id }) => id);
    const terms = parseQuery(text);
    const filter = {
      words: toQuery(terms, []),
      tagged: toQuery(terms, ids.length > 64 ? [] : ids.map(tagOf)),
      conversationIds: ids,
      limit: 51,
    };
    const found =
      order === 'newest'
        ? await repository.find({ ...filter, place: undefined })
        : await repository.findBest(filter, undefined);
    hits = found.length;
    // The first ones warm up.
    if (round >= 5) times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))]!.toFixed(1).padStart(7);
  print(`  ${name.padEnd(28)} ${String(hits).padStart(3)} hits   p50 ${at(0.5)} ms   p99 ${at(0.99)} ms`);
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1_000).toFixed(1);
}
