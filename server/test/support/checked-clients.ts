import {
  type Ack,
  API_PREFIX,
  COMMANDS,
  COMMON_ERRORS,
  type CommandName,
  type ErrorCode,
  EVENTS,
  type EventName,
  ProblemSchema,
  ROUTES,
  type RouteDefinition,
} from '@parley/protocol';
import { z } from 'zod';
import type { RestAnswer, RestClient, TestSocket } from './app.ts';

/** What did not fit its schema, one text each. */
export type Mismatches = string[];

const routes: { readonly name: string; readonly route: RouteDefinition; readonly pattern: RegExp }[] = Object.entries(
  ROUTES,
).map(([name, route]) => ({
  name,
  route,
  pattern: new RegExp(`^${route.path.replaceAll(/:[a-z]+/g, '[^/]+')}$`),
}));

/** A client of the REST door whose every answer must fit the table of routes: status, body, and the codes of errors. */
export function checkRest(client: RestClient, mismatches: Mismatches): RestClient {
  const check =
    <Args extends unknown[]>(method: string, send: (path: string, ...args: Args) => Promise<RestAnswer<unknown>>) =>
    async <Body>(path: string, ...args: Args): Promise<RestAnswer<Body>> => {
      const answer = await send(path, ...args);
      checkRestAnswer(method, path, answer, mismatches);
      return answer as RestAnswer<Body>;
    };
  return {
    get: check('GET', client.get),
    delete: check('DELETE', client.delete),
    post: check('POST', client.post),
    put: check('PUT', client.put),
    patch: check('PATCH', client.patch),
  };
}

/** Notes whatever in an answer of the REST door is not as the table of routes says. */
export function checkRestAnswer(
  method: string,
  path: string,
  { status, body, headers }: RestAnswer<unknown>,
  mismatches: Mismatches,
): void {
  const where = `${method} ${API_PREFIX}${path} → ${status}`;
  const plain = path.split('?', 1)[0]!;
  const found = routes.find(({ route, pattern }) => route.method === method && pattern.test(plain));
  if (!headers.get('x-request-id')) mismatches.push(`${where}: no X-Request-Id`);
  if (status >= 400) {
    if (!headers.get('content-type')?.startsWith('application/problem+json')) {
      mismatches.push(`${where}: no problem+json`);
    }
    compare(where, ProblemSchema, body, mismatches);
    const { code } = body as { code: ErrorCode };
    const codes: readonly ErrorCode[] = [
      ...COMMON_ERRORS,
      ...(found?.route.errors ?? ['not_found', 'method_not_allowed']),
    ];
    if (!codes.includes(code)) mismatches.push(`${where}: the code ${code} is not in the table of routes`);
    return;
  }
  const schema = found?.route.answers[status];
  if (!found || !schema) return void mismatches.push(`${where}: no such answer in the table of routes`);
  compare(`${where} (${found.name})`, schema, body === '' ? null : body, mismatches);
}

/** From here on every event and every acknowledgement of this socket must fit its schema. */
export function checkSocket(socket: TestSocket, mismatches: Mismatches): TestSocket {
  for (const { name, payload } of socket.received) checkEvent(name, payload, mismatches);
  socket.raw.onAny((name: string, payload: unknown) => checkEvent(name, payload, mismatches));
  const send = socket.send.bind(socket);
  socket.send = async <Data>(name: string, ...args: unknown[]): Promise<Ack<Data>> => {
    const ack = await send<Data>(name, ...args);
    checkAck(name, ack, mismatches);
    return ack;
  };
  return socket;
}

function checkEvent(name: string, payload: unknown, mismatches: Mismatches): void {
  if (!Object.hasOwn(EVENTS, name)) return void mismatches.push(`event ${name}: is not in the table of events`);
  compare(`event ${name}`, EVENTS[name as EventName].payload, payload, mismatches);
}

function checkAck(name: string, ack: Ack<unknown>, mismatches: Mismatches): void {
  const data = Object.hasOwn(COMMANDS, name) ? COMMANDS[name as CommandName].answer : z.never();
  const schema = z.discriminatedUnion('ok', [
    z.strictObject({ ok: z.literal(true), data }),
    z.strictObject({ ok: z.literal(false), error: ProblemSchema }),
  ]);
  compare(`ack of ${name}`, schema, ack, mismatches);
}

function compare(where: string, schema: z.ZodType, value: unknown, mismatches: Mismatches): void {
  const { error } = schema.safeParse(value);
  if (error) mismatches.push(`${where}: ${z.prettifyError(error)}\n${JSON.stringify(value).slice(0, 2_000)}`);
}
