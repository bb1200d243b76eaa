import type { ScannerConfig } from '../../../config.ts';
import { type ClamdVerdict, scanWithClamd } from '../../../infrastructure/clamd.ts';
import { AppError } from '../../../utils/app-error.ts';
import type { Logger } from '../../../utils/logger.ts';

/** Longer than clamd looks into one file by its own settings (`MaxScanTime`, two minutes). */
const PATIENCE_MS = 150_000;

/** Files that are looked into at the same time; clamd has 10 threads unless told otherwise. */
const AT_ONCE = 4;

export interface FileScannerDeps {
  readonly config: ScannerConfig | undefined;
  readonly logger: Pick<Logger, 'warn'>;
  /** How long clamd may be silent. */
  readonly patienceMs?: number;
}

/** Looks for viruses in uploads, where the operator has something that does. */
export class FileScanner {
  readonly #deps: FileScannerDeps;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(deps: FileScannerDeps) {
    this.#deps = deps;
  }

  /**
   * The name of the virus that was found; null for none.
   *
   * @throws AppError `unavailable` where the scanner does not answer and files are to be refused then; `payload_too_large`
   *   for one that is too large for it.
   */
  async findVirus(path: string): Promise<string | null> {
    const { config, logger } = this.#deps;
    if (!config) return null;
    const found = await this.#scan(path, config).catch((error: unknown) => {
      if (config.onFailure === 'refuse') throw new AppError('unavailable', { retryAfterMs: 10_000, cause: error });
      logger.warn(
        { err: error },
        'a file was taken without having been looked into: the virus scanner does not answer',
      );
      return { verdict: 'clean' } as const;
    });
    switch (found.verdict) {
      case 'clean':
        return null;
      case 'infected':
        return found.virus;
      case 'too_large':
        if (config.onFailure === 'accept') {
          logger.warn({}, 'a file was taken without having been looked into: it is too large for the virus scanner');
          return null;
        }
        throw new AppError('payload_too_large', { detail: 'The file is too large to be looked into for viruses.' });
    }
  }

  async #scan(path: string, { address }: ScannerConfig): Promise<ClamdVerdict> {
    if (this.#running >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await scanWithClamd(path, address, this.#deps.patienceMs ?? PATIENCE_MS);
    } finally {
      // Whoever waits takes this place over.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
