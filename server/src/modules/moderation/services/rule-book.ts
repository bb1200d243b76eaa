import type { Bus } from '../../../infrastructure/redis-bus.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { RulesRepository } from '../repositories/rules.repository.ts';
import { RuleMatcher } from './rule-matcher.ts';

export interface RuleBookDeps {
  readonly repository: Pick<RulesRepository, 'findAll'>;
  /** Hints that the rules changed on another node; null where this is the only one. */
  readonly bus: Bus | null;
  readonly logger: Pick<Logger, 'warn'>;
}

const CHANNEL = 'rules';
/** How often their version is compared: the bound of what a lost hint costs. */
const COMPARE_EVERY_MS = 3_000;

/** The rules as this node has them: in memory, so that a send asks nobody, and at most a few seconds behind. */
export class RuleBook {
  readonly #deps: RuleBookDeps;
  #matcher = new RuleMatcher([]);
  #version: string | null = null;
  #reading: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(deps: RuleBookDeps) {
    this.#deps = deps;
    deps.bus?.subscribe(CHANNEL);
    deps.bus?.listen((channel) => {
      if (channel === CHANNEL) void this.#compare();
    });
  }

  get matcher(): RuleMatcher {
    return this.#matcher;
  }

  /** Reads the rules before anybody sends, then follows them. */
  async start(): Promise<void> {
    await this.#read();
    this.#timer = setInterval(() => void this.#compare(), COMPARE_EVERY_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#reading;
  }

  /** The rules changed here: this node has them when it resolves, the others hear of it. */
  async noteChange(): Promise<void> {
    this.#deps.bus?.publish(CHANNEL, '');
    // A look under way may have begun before the change.
    await this.#reading;
    await this.#compare();
  }

  /** Never rejects: the rules stay as they were known until the next look. */
  async #compare(): Promise<void> {
    if (this.#stopped) return;
    this.#reading ??= this.#read()
      .catch((error: unknown) => this.#deps.logger.warn({ err: error }, 'the rules for messages cannot be read'))
      .finally(() => {
        this.#reading = null;
      });
    await this.#reading;
  }

  async #read(): Promise<void> {
    const found = await this.#deps.repository.findAll(this.#version);
    if (!found) return;
    this.#matcher = new RuleMatcher(found.rules);
    this.#version = found.version;
  }
}
