import type { CliCommand } from './cli.types.ts';
import { ConfigError, readConfig } from './config.ts';
import { verifyAuditCommand } from './modules/audit/index.ts';
import { listKeysCommand, rotateKeysCommand } from './modules/confidential/index.ts';
import { copyDatabaseCommand } from './modules/system/index.ts';
import { createLogger } from './utils/logger.ts';

/** Commands by the module they belong to. */
const COMMANDS: readonly CliCommand[] = [verifyAuditCommand, copyDatabaseCommand, listKeysCommand, rotateKeysCommand];

process.exitCode = await runCli(process.argv.slice(2));

async function runCli(words: string[]): Promise<number> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const command = COMMANDS.find(({ words: own }) => own.every((word, index) => words[index] === word));
  if (!command) {
    for (const line of usage()) print(line);
    return words.length === 0 || words[0] === 'help' ? 0 : 2;
  }
  try {
    const config = readConfig();
    // Standard output is for the answer; what the parts log stays quiet unless it is a trouble.
    const logger = createLogger({ ...config, logLevel: 'warn' });
    return await command.run({ config, logger, args: words.slice(command.words.length), print });
  } catch (error) {
    process.stderr.write(`${error instanceof ConfigError ? error.message : String(error)}\n`);
    return 1;
  }
}

function usage(): string[] {
  const width = Math.max(0, ...COMMANDS.map((command) => command.usage.length));
  return [
    'Usage: parley <command>',
    '',
    ...COMMANDS.map(({ usage: how, summary }) => `  ${how.padEnd(width)}  ${summary}`),
  ];
}
