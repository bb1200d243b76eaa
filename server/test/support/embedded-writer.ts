// A process for tests to kill: opens the embedded database in the folder given, says "open", then writes one setting after
// the other and says the number of each once it is committed.
import { openDatabase } from '../../src/infrastructure/database.ts';
import { silentLogger } from './logger.ts';

const database = await openDatabase({ databaseUrl: undefined, dataDir: process.argv[2]!, logger: silentLogger });
process.stdout.write('open\n');
const value = 'x'.repeat(2_000);
for (let n = 1; ; n += 1) {
  await database.prisma.$executeRaw`
    INSERT INTO "ServerSetting" ("key", "value") VALUES (${`n${n}`}, ${value})`;
  process.stdout.write(`${n}\n`);
}
