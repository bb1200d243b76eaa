import type { CliCommand } from '../../cli.types.ts';
import { CopyError, copyDatabase } from '../../infrastructure/copy-database.ts';
import { openDatabase } from '../../infrastructure/database.ts';

/** `parley database copy TARGET`: moves to another kind of database, or to a new one (docs/operations.md). */
export const copyDatabaseCommand: CliCommand = {
  words: ['database', 'copy'],
  usage: 'database copy TARGET',
  summary: 'copy the configured database into an empty one: postgres://…, or a folder for the embedded one',
  run: async ({ config, logger, args: [target], print }) => {
    if (!target) {
      print('Name the target: postgres://… or a folder.');
      return 2;
    }
    const isServer = /^postgres(ql)?:\/\//.test(target);
    const source = await openDatabase({ databaseUrl: config.databaseUrl, dataDir: config.dataDir, logger });
    try {
      const copy = await openDatabase({ databaseUrl: isServer ? target : undefined, dataDir: target, logger });
      try {
        const tables = await copyDatabase(source.prisma, copy.prisma, ({ name, rows }) => print(`${name}: ${rows}`));
        print(`Copied ${tables.reduce((sum, { rows }) => sum + rows, 0)} rows of ${tables.length} tables.`);
        return 0;
      } finally {
        await copy.close();
      }
    } catch (error) {
      if (!(error instanceof CopyError)) throw error;
      print(error.message);
      return 1;
    } finally {
      await source.close();
    }
  },
};
