import type {
  CommandAnswer,
  CommandInput,
  CommandName,
  Conversation,
  Message,
  ReceiptState,
  SentMessage,
} from '@parley/protocol';
import type { Api, ApiCall } from './api.ts';
import { ParleyError } from './error.ts';
import type { Intent, OutboxItem } from './snapshot.types.ts';
import type { Link } from './transport.types.ts';

/** What the server answers to each kind of item. */
export type Answer =
  | { readonly kind: 'message'; readonly message: Message }
  /** `overtaken`: other news of one's pointers came between asking and answering. */
  | { readonly kind: 'pointers'; readonly pointers: ReceiptState; readonly overtaken?: boolean }
  | { readonly kind: 'conversation'; readonly conversation: Conversation };

/**
 * Asks the server once for what an item wants, over the live connection while there is one, else over REST. A try that did
 * not get through goes over the other door next time.
 */
export async function deliver(item: OutboxItem, { link, api }: { link: Link | null; api: Api }): Promise<Answer> {
  const open = item.attempts % 2 === 0 || item.error?.code === 'rate_limited' ? link : null;
  const { conversationId, intent } = item;
  switch (intent.kind) {
    case 'send': {
      const body = { ...sendable(intent), clientMessageId: item.id };
      const sent = await ask(
        open,
        api,
        'message:send',
        { conversationId, ...body },
        at(conversationId, '/messages', body),
      );
      return { kind: 'message', message: withoutDuplicate(sent) };
    }
    case 'edit':
      return { kind: 'message', message: await edit(item, intent, open, api) };
    case 'delete': {
      const { messageId, reason } = intent;
      const body = reason === undefined ? {} : { reason };
      const call = {
        ...at(conversationId, `/messages/${encodeURIComponent(messageId)}`),
        method: 'DELETE',
        ...bodyOf(body),
      } as const;
      return {
        kind: 'message',
        message: await ask(open, api, 'message:delete', { conversationId, messageId, ...body }, call),
      };
    }
    case 'react': {
      const { messageId, emoji, on } = intent;
      const path = `/messages/${encodeURIComponent(messageId)}/reactions/${encodeURIComponent(emoji)}`;
      const call = { ...at(conversationId, path), method: on ? 'PUT' : 'DELETE' } as const;
      const name = on ? 'reaction:add' : 'reaction:remove';
      return { kind: 'message', message: await ask(open, api, name, { conversationId, messageId, emoji }, call) };
    }
    case 'read':
    case 'unread': {
      const { kind, seq } = intent;
      const call = at(conversationId, `/${kind}`, { seq });
      return {
        kind: 'pointers',
        pointers: await ask(open, api, `conversation:${kind}`, { conversationId, seq }, call),
      };
    }
    case 'settings': {
      const call = { ...at(conversationId, '/me', intent.settings), method: 'PATCH' } as const;
      return { kind: 'conversation', conversation: await api.call<Conversation>({ ...call, tries: 1 }) };
    }
  }
}

async function edit(
  item: OutboxItem,
  { messageId, content, ifRev }: Extract<Intent, { kind: 'edit' }>,
  link: Link | null,
  api: Api,
): Promise<Message> {
  const { conversationId } = item;
  const body = { content, ...(ifRev === undefined ? {} : { ifRev }) };
  const path = `/messages/${encodeURIComponent(messageId)}`;
  try {
    const call = { ...at(conversationId, path, body), method: 'PATCH' } as const;
    return await ask(link, api, 'message:edit', { conversationId, messageId, ...body }, call);
  } catch (error) {
    const repeated = item.attempts > 0 && error instanceof ParleyError && error.code === 'revision_conflict';
    if (!repeated) throw error;
    // The change that is in the way may be our own, of a try whose answer was lost.
    const message = await api.call<Message>({ ...at(conversationId, path), method: 'GET', tries: 1 });
    if (message.content === content.trim()) return message;
    throw error;
  }
}

function ask<Name extends CommandName>(
  link: Link | null,
  api: Api,
  name: Name,
  input: CommandInput<Name>,
  call: ApiCall,
): Promise<CommandAnswer<Name>> {
  return link === null ? api.call<CommandAnswer<Name>>({ ...call, tries: 1 }) : link.command(name, input);
}

function at(conversationId: string, rest: string, body?: unknown): ApiCall {
  return {
    method: 'POST',
    path: `/conversations/${encodeURIComponent(conversationId)}${rest}`,
    ...(body === undefined ? {} : { body }),
  };
}

function bodyOf(body: object): { body?: object } {
  return Object.keys(body).length === 0 ? {} : { body };
}

function sendable({ draft }: Extract<Intent, { kind: 'send' }>) {
  const { content, replyToId, mentions, metadata } = draft;
  const uploaded = draft.uploads?.flatMap(({ attachmentId }) => attachmentId ?? []) ?? [];
  const attachmentIds = [...(draft.attachmentIds ?? []), ...uploaded];
  return {
    content,
    ...(attachmentIds.length === 0 ? {} : { attachmentIds }),
    ...(replyToId === undefined ? {} : { replyToId }),
    ...(mentions === undefined ? {} : { mentions: [...mentions] }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

function withoutDuplicate({ duplicate: _duplicate, ...message }: SentMessage): Message {
  return message;
}
