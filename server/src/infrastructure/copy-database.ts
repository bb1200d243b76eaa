import type { PrismaClient } from '../../prisma/generated/client.ts';

/** What was copied. */
export interface CopiedTable {
  readonly name: string;
  readonly rows: number;
}

/** The two do not fit, or the copy is not what it should be; nothing has been written then. */
export class CopyError extends Error {
  override readonly name = 'CopyError';
}

/**
 * Left out: the migrations are applied to the target already, and notices name transactions of the source's own counting
 * that mean others in the target. They are kept for a minute only.
 */
const LEFT_OUT = ['_prisma_migrations', 'ChangeNotice'];
const ROWS_AT_ONCE = 500;
/** The whole copy is one transaction of the target. */
const LONGEST_MS = 24 * 60 * 60_000;

type Reader = Pick<PrismaClient, '$queryRawUnsafe'>;
type Writer = Pick<PrismaClient, '$queryRawUnsafe' | '$executeRawUnsafe'>;

interface Table {
  readonly name: string;
  /** Those that can be written, in order. */
  readonly columns: readonly string[];
  readonly key: readonly string[];
}

/**
 * Copies every row from one database to another of the same schema, which must be empty: all of it or nothing. Nobody may
 * write to the source meanwhile.
 *
 * @throws CopyError when the target holds something already, lacks a table, or has other counts in the end.
 */
export async function copyDatabase(
  source: PrismaClient,
  target: PrismaClient,
  onTable: (table: CopiedTable) => void = () => {},
): Promise<CopiedTable[]> {
  const tables = await findTables(source);
  const known = new Set((await findTables(target)).map(({ name }) => name));
  for (const { name } of tables) {
    if (!known.has(name)) throw new CopyError(`The target has no table ${name}.`);
    if ((await countRows(target, name)) > 0) throw new CopyError(`The target is not empty: it has rows in ${name}.`);
  }
  return target.$transaction(
    async (tx) => {
      const copied: CopiedTable[] = [];
      for (const table of tables) {
        const rows = await copyTable(source, tx, table);
        const [before, after] = [await countRows(source, table.name), await countRows(tx, table.name)];
        if (rows !== before || rows !== after) {
          throw new CopyError(`${table.name} has ${before} rows, but ${after} arrived: was something writing to it?`);
        }
        copied.push({ name: table.name, rows });
        onTable({ name: table.name, rows });
      }
      return copied;
    },
    { timeout: LONGEST_MS, maxWait: 10_000 },
  );
}

/** Those that others refer to come first. */
async function findTables(database: Reader): Promise<Table[]> {
  const rows = await database.$queryRawUnsafe<(Table & { refersTo: string[] })[]>(`
    SELECT c.relname AS name,
      (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns,
      (SELECT array_agg(a.attname::text ORDER BY place.position)
       FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS place(attnum, position)
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = place.attnum
       WHERE i.indrelid = c.oid AND i.indisprimary) AS key,
      ARRAY(SELECT f.confrelid::regclass::text FROM pg_constraint f
            WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid) AS "refersTo"
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
    ORDER BY c.relname`);
  const waiting = rows.filter(({ name }) => !LEFT_OUT.includes(name));
  const ordered: Table[] = [];
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ refersTo }) =>
      refersTo.every((name) => ordered.some((done) => quote(done.name) === name || done.name === name)),
    );
    if (next < 0) throw new CopyError('The tables refer to each other in a circle.');
    ordered.push(...waiting.splice(next, 1));
  }
  return ordered;
}

/** Page by page in the order of the key; rows travel as JSON, which both ends turn from and into their own types. */
async function copyTable(source: Reader, target: Writer, { name, columns, key }: Table): Promise<number> {
  const table = quote(name);
  const keyOf = (row: string) => `(${key.map((column) => `${row}.${quote(column)}`).join(', ')})`;
  const list = columns.map(quote).join(', ');
  let last: string | null = null;
  let copied = 0;
  for (;;) {
    const rows: { row: string }[] = await source.$queryRawUnsafe(
      `SELECT to_jsonb(t)::text AS row FROM ${table} t
       WHERE $1::text IS NULL
          OR ${keyOf('t')} > (SELECT ${keyOf('r').slice(1, -1)} FROM jsonb_populate_record(NULL::${table}, $1::jsonb) r)
       ORDER BY ${key.map((column) => `t.${quote(column)}`).join(', ')} LIMIT ${ROWS_AT_ONCE}`,
      last,
    );
    if (rows.length === 0) return copied;
    await target.$executeRawUnsafe(
      `INSERT INTO ${table} (${list}) SELECT ${list} FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb)`,
      `[${rows.map(({ row }) => row).join(',')}]`,
    );
    copied += rows.length;
    last = rows.at(-1)!.row;
  }
}

async function countRows(database: Reader, name: string): Promise<number> {
  const [row] = await database.$queryRawUnsafe<{ count: number }[]>(
    `SELECT count(*)::float8 AS count FROM ${quote(name)}`,
  );
  return row!.count;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
