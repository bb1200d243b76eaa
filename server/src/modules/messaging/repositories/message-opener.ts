import type { Metadata } from '@parley/protocol';
import type { WrappedKey } from '../../../infrastructure/key-ring.ts';
import { UnreadableError, type UnreadableReason } from '../../../infrastructure/sealing.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { ConversationSeal, FileSeals, Seals } from '../../confidential/index.ts';
import type { AttachmentRow, ReplyRow, ShownMessageRow } from './rows.ts';

/** An earlier text as it is kept. */
export interface KeptRevision {
  readonly conversationId: string;
  readonly messageId: string;
  readonly rev: number;
  readonly content: string | null;
  readonly sealed: string | null;
  readonly dataKey: WrappedKey | null;
}

/** Of one conversation, so often at most it is said that something in it does not open. */
const SAY_EVERY_MS = 60_000;
const SAY_OF_MOST = 1_000;

/**
 * Opens the rows of confidential conversations and the names of files, so that everything past the repositories deals with
 * texts. All of it is done with what came in the row, without a look-up, so also inside of a transaction.
 *
 * One message that does not open is marked and leaves the others alone: what was swapped, or whose key is lost, must
 * harm nothing else.
 */
export class MessageOpener {
  readonly #seals: Pick<Seals, 'of'>;
  readonly #files: Pick<FileSeals, 'openTexts'>;
  readonly #logger: Pick<Logger, 'error'>;
  readonly #said = new Map<string, number>();

  constructor(deps: { seals: Pick<Seals, 'of'>; files: Pick<FileSeals, 'openTexts'>; logger: Pick<Logger, 'error'> }) {
    this.#seals = deps.seals;
    this.#files = deps.files;
    this.#logger = deps.logger;
  }

  /** The row as it is to be shown; an ordinary one as it came. */
  open = <Row extends ShownMessageRow>(row: Row): Row => {
    const shown = row.attachments ? { ...row, attachments: this.openFiles(row.attachments) } : row;
    if (shown.sealed === null) return shown;
    const opened = this.#try(shown.conversationId, shown.id, () =>
      this.#seals.of(shown.conversationId, shown.dataKey).openMessage<Metadata>(shown.id, shown.sealed!),
    );
    const replyTo = shown.replyTo && this.#openReply(shown, shown.replyTo);
    if ('unreadable' in opened) return { ...shown, replyTo, unreadable: opened.unreadable };
    return { ...shown, ...opened, replyTo };
  };

  /** The message that another one quotes, with the seal of their conversation. */
  openReply(seal: ConversationSeal, reply: ReplyRow): ReplyRow {
    if (reply.sealed === null) return reply;
    const { sealed } = reply;
    const opened = this.#try(seal.conversationId, reply.id, () => seal.openMessage(reply.id, sealed));
    return { ...reply, content: 'unreadable' in opened ? null : opened.content };
  }

  openFiles(files: readonly AttachmentRow[]): AttachmentRow[] {
    return files.map((file) => this.#files.openTexts(file));
  }

  /** An earlier text; null where it does not open. */
  openRevision({ conversationId, messageId, rev, content, sealed, dataKey }: KeptRevision): string | null {
    if (sealed === null) return content;
    const opened = this.#try(conversationId, messageId, () => ({
      content: this.#seals.of(conversationId, dataKey).openRevision(messageId, rev, sealed),
    }));
    return 'unreadable' in opened ? null : opened.content;
  }

  #openReply(row: ShownMessageRow, reply: ReplyRow): ReplyRow {
    if (reply.sealed === null) return reply;
    const seal = this.#try(row.conversationId, reply.id, () => ({
      seal: this.#seals.of(row.conversationId, row.dataKey),
    }));
    return 'unreadable' in seal ? reply : this.openReply(seal.seal, reply);
  }

  #try<Opened extends object>(
    conversationId: string,
    messageId: string,
    open: () => Opened,
  ): Opened | { readonly unreadable: UnreadableReason } {
    try {
      return open();
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      this.#say(error, conversationId, messageId);
      return { unreadable: error.reason };
    }
  }

  #say(error: UnreadableError, conversationId: string, messageId: string): void {
    const now = Date.now();
    if (now - (this.#said.get(conversationId) ?? 0) < SAY_EVERY_MS) return;
    if (this.#said.size >= SAY_OF_MOST) this.#said.clear();
    this.#said.set(conversationId, now);
    this.#logger.error(
      { err: error, conversationId, messageId },
      'a message of a confidential conversation does not open',
    );
  }
}
