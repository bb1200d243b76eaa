// Writes a new migration from the difference between the migrations there are and server/prisma/schema.prisma:
//
//   npm run migrate:new -- add-nickname
//
// Read it before you commit it: what Prisma's language cannot say, and how old rows get their new values, is for you to add.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { openEmbeddedDatabase } from '../server/src/infrastructure/embedded-database.ts';
import { applyMigrations, diffWithSchema } from '../server/src/infrastructure/migrations.ts';

const PRISMA = fileURLToPath(new URL('../server/prisma/', import.meta.url));

const name = process.argv[2] ?? '';
if (!/^[a-z0-9]+(?:[-_][a-z0-9]+)*$/.test(name)) {
  console.error('Give the migration a name of small letters, digits and dashes: npm run migrate:new -- add-nickname');
  process.exit(1);
}
const sql = await findDifference();
if (sql === undefined) console.log('The migrations and schema.prisma agree: nothing to write.');
else console.log(`Written: ${await writeMigration(sql)}`);

/** Compares on a database of its own, made for this and thrown away. */
async function findDifference(): Promise<string | undefined> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-migrate-'));
  const embedded = await openEmbeddedDatabase({ dataDir });
  const pool = new pg.Pool({ stream: () => embedded.connect(), user: 'postgres', database: 'postgres', max: 1 });
  try {
    await applyMigrations(pool);
    return await diffWithSchema(pool, await readFile(join(PRISMA, 'schema.prisma'), 'utf8'));
  } finally {
    await pool.end();
    await embedded.close();
    await rm(dataDir, { recursive: true });
  }
}

async function writeMigration(sql: string): Promise<string> {
  const migrations = join(PRISMA, 'migrations');
  const numbers = (await readdir(migrations)).map((entry) => Number.parseInt(entry, 10)).filter(Number.isInteger);
  const number = String(Math.max(0, ...numbers) + 1).padStart(4, '0');
  const folder = join(migrations, `${number}_${name.replaceAll('-', '_')}`);
  await mkdir(folder);
  await writeFile(join(folder, 'migration.sql'), sql);
  return join(folder, 'migration.sql');
}
