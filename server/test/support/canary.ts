import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { PrismaClient } from '../../prisma/generated/client.ts';

/** A place that was searched, and what was found there around the text. */
export interface Finding {
  readonly where: string;
  readonly around: string;
}

/** The forms in which a text could stand somewhere: as it is, and in the encodings that hide nothing. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  // Base64 depends on what stands before it: without its ends, so that each of the three alignments is found.
  const inBase64 = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .slice(4, -4),
  );
  return [text, bytes.toString('hex'), encodeURIComponent(text), ...inBase64];
}

/** Where one of the texts is found, in whatever is handed in. Letter case does not matter: an index folds it. */
export class CanarySearch {
  readonly findings: Finding[] = [];
  /** Characters looked through, so that a test can see that there was something. */
  searched = 0;
  readonly #forms: readonly string[];

  constructor(...texts: string[]) {
    this.#forms = texts.flatMap(formsOf).map((form) => form.toLowerCase());
  }

  look(where: string, text: string): void {
    this.searched += text.length;
    const folded = text.toLowerCase();
    for (const form of this.#forms) {
      const at = folded.indexOf(form);
      if (at >= 0) this.findings.push({ where, around: text.slice(Math.max(0, at - 60), at + form.length + 60) });
    }
  }

  /** Every row of every table, as a dump has them. */
  async lookIntoTables(prisma: PrismaClient): Promise<void> {
    const tables = await prisma.$queryRaw<{ name: string }[]>`
      SELECT quote_ident(c.relname) AS name FROM pg_class c
      WHERE c.relkind IN ('r', 'p', 'm') AND c.relnamespace = 'public'::regnamespace ORDER BY 1`;
    for (const { name } of tables) {
      const rows = await prisma.$queryRawUnsafe<{ row: string }[]>(`SELECT t::text AS row FROM ${name} t`);
      for (const { row } of rows) this.look(`table ${name}`, row);
    }
  }

  /** The bytes of every file below a folder. */
  async lookIntoFiles(folder: string): Promise<void> {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      this.look(`file ${path}`, (await readFile(path)).toString('latin1'));
      this.look(`name of ${path}`, entry.name);
    }
  }

  /** Every key of a Redis with its value. */
  async lookIntoRedis(url: string): Promise<void> {
    const redis = new Redis(url);
    try {
      for (const key of await redis.keys('*')) {
        const dump = await redis.dumpBuffer(key);
        this.look(`key ${key}`, `${key} ${dump?.toString('latin1') ?? ''}`);
      }
    } finally {
      redis.disconnect();
    }
  }
}

/** Hears every command that a Redis is given, publications among them. */
export async function monitorRedis(url: string): Promise<{ commands: string[][]; stop(): void }> {
  const redis = new Redis(url);
  const monitor = await redis.monitor();
  const commands: string[][] = [];
  monitor.on('monitor', (_time: string, command: string[]) => commands.push(command));
  return {
    commands,
    stop: () => {
      monitor.disconnect();
      redis.disconnect();
    },
  };
}
