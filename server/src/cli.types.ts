import type { Config } from './config.ts';
import type { Logger } from './utils/logger.ts';

/** What a command is given. */
export interface CommandContext {
  config: Config;
  logger: Logger;
  /** What follows the command's own words. */
  args: string[];
  /** Writes a line of the command's answer. */
  print(line: string): void;
}

/** One command of `parley`; resolves to the exit code. */
export interface CliCommand {
  readonly words: readonly string[];
  readonly usage: string;
  readonly summary: string;
  run(context: CommandContext): Promise<number>;
}
