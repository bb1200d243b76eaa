import type { CliCommand, CommandContext } from '../../cli.types.ts';
import { openDatabase } from '../../infrastructure/database.ts';
import { FolderLockedError } from '../../infrastructure/folder-lock.ts';
import { KeyRing } from '../../infrastructure/key-ring.ts';
import { KeysRepository } from './repositories/keys.repository.ts';
import { KeyRotation } from './services/rotation.ts';

/** `parley keys list`: which master keys are configured, and what each is needed for. */
export const listKeysCommand: CliCommand = {
  words: ['keys', 'list'],
  usage: 'keys list',
  summary: 'show the master keys of ENCRYPTION_KEYS and what each one wraps',
  run: (context) =>
    withRotation(context, async (rotation) => {
      const keys = await rotation.listKeys();
      if (keys.length === 0) context.print('There is no key, and nothing needs one.');
      for (const line of await describeKeys(rotation)) context.print(line);
      return keys.some(({ state }) => state === 'missing') ? 1 : 0;
    }),
};

/**
 * `parley keys rotate`: wraps everything with the current master key (docs/encryption.md): with DATABASE_URL while the server
 * runs, with the embedded database while it is stopped.
 */
export const rotateKeysCommand: CliCommand = {
  words: ['keys', 'rotate'],
  usage: 'keys rotate',
  summary: 'wrap the keys of conversations and files anew with the first key of ENCRYPTION_KEYS',
  run: (context) =>
    withRotation(context, async (rotation) => {
      const { config, print } = context;
      if (config.encryptionKeys.length === 0) {
        print('ENCRYPTION_KEYS names no key.');
        return 2;
      }
      const { conversations, files, lost } = await rotation.rotate((progress) =>
        print(`… ${progress.conversations} conversations, ${progress.files} files`),
      );
      print(`Wrapped anew: ${conversations} conversations, ${files} files.`);
      for (const line of await describeKeys(rotation)) print(line);
      const unused = (await rotation.listKeys()).filter((key) => key.state === 'old' && isUnused(key));
      if (unused.length > 0) {
        print(`No longer needed: ${unused.map(({ keyId }) => keyId).join(', ')}.`);
      }
      if (lost > 0) print(`${lost} could not be wrapped anew: their master key is missing.`);
      return lost > 0 ? 1 : 0;
    }),
};

async function withRotation(
  { config, logger, print }: CommandContext,
  work: (rotation: KeyRotation) => Promise<number>,
): Promise<number> {
  const { databaseUrl, dataDir } = config;
  const database = await openDatabase({ databaseUrl, dataDir, logger }).catch((error: unknown) => {
    if (error instanceof FolderLockedError) return error;
    throw error;
  });
  if (database instanceof FolderLockedError) {
    print(`The server is running (pid ${database.pid}), and its embedded database takes one process at a time.`);
    print('Stop the server, run this again, then start it. With DATABASE_URL both run side by side.');
    print('Or ask the server itself: GET /encryption/keys, POST /encryption/rotation (docs/encryption.md).');
    return 1;
  }
  try {
    const ring = new KeyRing(config.encryptionKeys);
    return await work(new KeyRotation({ ring, repository: new KeysRepository(database.prisma) }));
  } finally {
    await database.close();
  }
}

async function describeKeys(rotation: KeyRotation): Promise<string[]> {
  const keys = await rotation.listKeys();
  const width = Math.max(0, ...keys.map(({ keyId }) => keyId.length));
  return keys.map(({ keyId, state, conversations, files }) => {
    const what = state === 'missing' ? 'MISSING from ENCRYPTION_KEYS' : state;
    return `${keyId.padEnd(width)}  ${what}: ${conversations} conversations, ${files} files`;
  });
}

function isUnused({ conversations, files }: { readonly conversations: number; readonly files: number }): boolean {
  return conversations === 0 && files === 0;
}
