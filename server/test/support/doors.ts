import type { Problem } from '@parley/protocol';
import {
  type Ack,
  type CommandAnswer,
  type CommandInput,
  type CommandName,
  ROUTES,
  type RouteName,
} from '@parley/protocol';
import type { RestAnswer, RestClient } from './app.ts';

/** The two ways into the server. What has both is tested through both. */
export type Door = 'rest' | 'socket';

export const DOORS = ['rest', 'socket'] as const satisfies readonly Door[];

/** Commands of the socket that have a twin in REST, and the route that it is. */
export const TWINS = {
  'conversation:create': 'createConversation',
  'conversation:update': 'updateConversation',
  'conversation:read': 'markRead',
  'conversation:delivered': 'markDelivered',
  'conversation:unread': 'markUnread',
  'participant:add': 'addParticipants',
  'participant:remove': 'removeParticipant',
  'message:send': 'sendMessage',
  'message:edit': 'editMessage',
  'message:delete': 'deleteMessage',
  'reaction:add': 'addReaction',
  'reaction:remove': 'removeReaction',
  sync: 'sync',
} as const satisfies { readonly [Name in CommandName]?: RouteName };

export type TwinName = keyof typeof TWINS;

const PARAMETERS = { cid: 'conversationId', mid: 'messageId', uid: 'userId', emoji: 'emoji' } as const;

/** Sends a command as the REST call that is its twin: the ids go into the path, the rest is the body. */
export function sendAsRest<Body = unknown>(
  rest: RestClient,
  name: TwinName,
  input: Readonly<Record<string, unknown>>,
): Promise<RestAnswer<Body>> {
  const { method, path } = ROUTES[TWINS[name]];
  const body = { ...input };
  const address = path.replaceAll(/:([a-z]+)/g, (_, parameter: keyof typeof PARAMETERS) => {
    const field = PARAMETERS[parameter];
    const value = String(body[field]);
    delete body[field];
    return encodeURIComponent(value);
  });
  const isEmpty = Object.keys(body).length === 0;
  switch (method) {
    case 'POST':
      return rest.post<Body>(address, body);
    case 'PATCH':
      return rest.patch<Body>(address, body);
    case 'PUT':
      return rest.put<Body>(address, isEmpty ? undefined : body);
    case 'DELETE':
      return rest.delete<Body>(address, isEmpty ? undefined : body);
  }
}

/** The same through REST, answered as the socket would. */
export async function restAsAck<Name extends TwinName>(
  rest: RestClient,
  name: Name,
  input: CommandInput<Name>,
): Promise<Ack<CommandAnswer<Name>>> {
  const { status, body } = await sendAsRest(rest, name, input as Record<string, unknown>);
  if (status >= 400) return { ok: false, error: body as Problem };
  return { ok: true, data: (body === '' ? null : body) as CommandAnswer<Name> };
}
