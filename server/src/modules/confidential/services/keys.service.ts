import type { EncryptionKeys } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { KeyRotation } from './rotation.ts';

export interface KeysServiceDeps {
  readonly rotation: Pick<KeyRotation, 'rotate' | 'listKeys'>;
  /** Whether there is a key to wrap with. */
  readonly isOn: boolean;
  readonly audit: (record: { actorId: string; action: string; after: unknown }) => Promise<void>;
  readonly logger: Pick<Logger, 'warn'>;
}

type Rotation = NonNullable<EncryptionKeys['rotation']>;

/**
 * The master keys as administrators see them. A rotation runs in this process: it may be broken off at any moment and begun
 * again, so it needs no job that outlives it, and how far it is the counts of the keys say on every node.
 */
export class KeysService {
  readonly #deps: KeysServiceDeps;
  readonly #stopping = new AbortController();
  #rotation: Rotation | null = null;
  #running: Promise<void> | null = null;

  constructor(deps: KeysServiceDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `forbidden` for anybody but an administrator. */
  async listKeys(actor: Actor): Promise<EncryptionKeys> {
    requireAdministrator(actor);
    const keys = await this.#deps.rotation.listKeys();
    return {
      keys: keys.map(({ keyId, state, conversations, files }) => ({ id: keyId, state, conversations, files })),
      rotation: this.#rotation,
    };
  }

  /**
   * Begins to wrap anew what older master keys wrapped; `begun` is false where that is under way.
   *
   * @throws AppError `forbidden` for anybody but an administrator, `invalid_request` where there is no key.
   */
  async rotateKeys(actor: Actor): Promise<{ keys: EncryptionKeys; begun: boolean }> {
    requireAdministrator(actor);
    if (!this.#deps.isOn) throw new AppError('invalid_request', { detail: 'ENCRYPTION_KEYS names no key.' });
    const begun = this.#running === null;
    if (begun) this.#running = this.#rotate(actor.id).finally(() => (this.#running = null));
    return { keys: await this.listKeys(actor), begun };
  }

  /** Leaves off after the batch under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #rotate(actorId: string): Promise<void> {
    const { rotation, audit, logger } = this.#deps;
    const startedAt = new Date().toISOString();
    const note = (state: Rotation['state'], done: Pick<Rotation, 'conversations' | 'files' | 'lost'>) => {
      const finishedAt = state === 'running' ? null : new Date().toISOString();
      this.#rotation = { state, ...done, startedAt, finishedAt };
    };
    let done = { conversations: 0, files: 0, lost: 0 };
    note('running', done);
    try {
      done = await rotation.rotate((progress) => {
        done = progress;
        note('running', done);
      }, this.#stopping.signal);
      await audit({ actorId, action: 'keys.rotated', after: done });
      note(this.#stopping.signal.aborted ? 'failed' : 'done', done);
    } catch (error) {
      note('failed', done);
      logger.warn({ err: error }, 'the rotation of master keys was broken off');
    }
  }
}

function requireAdministrator(actor: Actor): void {
  if (!actor.roles.includes('admin')) throw new AppError('forbidden');
}
