import type { Metadata } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import type { AppendCommand } from '../repositories/message-log.ts';

/** A send as it will be stored; of a confidential conversation its text is sealed. */
export type SendDraft = AppendCommand;

/** A send before it goes to the log. */
export interface SendToScreen {
  readonly actor: Actor;
  readonly draft: SendDraft;
  readonly content: string;
  readonly metadata: Metadata | null;
  readonly confidential: boolean;
  /** A digest of a text that may be kept: in a confidential conversation one that takes the key to make. */
  readonly digestOf: (text: string) => string;
  /** Whether its key has its message already: then it is answered with that, whatever would become of it by now. */
  readonly isRepeat: () => Promise<boolean>;
  /** @throws AppError for somebody who could not send there at all. */
  readonly requireMaySend: () => Promise<void>;
}

/** A new text of a message. */
export interface EditToScreen {
  readonly actor: Actor;
  readonly conversationId: string;
  readonly messageId: string;
  readonly content: string;
  readonly confidential: boolean;
}

/** Looks at what people write before it is stored. */
export interface Screening {
  /** Whether anything looks at all: where nothing does, a send pays nothing for it. */
  readonly isActive: boolean;
  /**
   * The text to store, and what it took of the limit of its kind.
   *
   * @throws AppError `message_held` where it waits for a decision, `invalid_request` where it is not allowed,
   *   `rate_limited` where it was sent too often.
   */
  screenSend(send: SendToScreen): Promise<{ readonly content: string; readonly refund: () => void }>;
  /** @throws AppError `invalid_request` where it is not allowed. */
  screenEdit(edit: EditToScreen): Promise<string>;
  /**
   * The name of a conversation or of a file as it may be shown: by the rules alone, and at once.
   *
   * @throws AppError `invalid_request` at `path` where it is not allowed. Names do not wait: what a rule would hold is refused.
   */
  screenName(name: string, path: string): string;
}
