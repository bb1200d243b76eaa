import {
  type Ack,
  COMMANDS,
  type CommandName,
  type Message,
  type Problem,
  ROUTES,
  type RouteName,
} from '@parley/protocol';
import type { Socket } from 'socket.io-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { call, type RestAnswer, type TestSocket, tokenOf } from '../support/app.ts';
import { checkRestAnswer } from '../support/checked-clients.ts';
import { TWINS } from '../support/doors.ts';
import { type Person, useWorld } from '../support/world.ts';

const API = '/api/messaging/v1';
const world = useWorld();

let ann: Person;
let bob: Person;
let phone: TestSocket;
let cid: string;
let message: Message;

beforeAll(async () => {
  [ann, bob] = await world.people('ann', 'bob');
  cid = await world.create('group', ann, bob);
  message = await ann.send(cid, 'before');
  phone = await ann.connect();
});

type Input = Record<string, unknown>;

/** A good input for every command and every route with a body: what is spoiled below. */
function goodInputs(): Readonly<Record<string, Input>> {
  const conversationId = cid;
  const messageId = message.id;
  return {
    'conversation:create': { type: 'group', participantIds: [bob.id], title: 'title', metadata: { key: 'value' } },
    'conversation:update': { conversationId, title: 'title', metadata: { key: 'value' } },
    'conversation:read': { conversationId, seq: 1 },
    'conversation:delivered': { conversationId, seq: 1 },
    'conversation:unread': { conversationId, seq: 1 },
    'participant:add': { conversationId, userIds: [bob.id] },
    'participant:remove': { conversationId, userId: bob.id },
    'message:send': {
      conversationId,
      content: 'content',
      clientMessageId: 'key',
      replyToId: messageId,
      mentions: [bob.id],
      attachmentIds: ['x'],
      metadata: { key: 'value', list: ['value'], deep: { key: 'value' } },
    },
    'message:edit': { conversationId, messageId, content: 'content', ifRev: 1 },
    'message:delete': { conversationId, messageId, reason: 'reason' },
    'reaction:add': { conversationId, messageId, emoji: '👍' },
    'reaction:remove': { conversationId, messageId, emoji: '👍' },
    sync: { cursors: { [conversationId]: 1 } },
    'typing:start': { conversationId },
    'typing:stop': { conversationId },
  };
}

/** Every way of putting `spoiled` in the place of one string of a value, keys of open objects among them. */
function spoilings(value: unknown, spoil: (text: string) => string, open = false): unknown[] {
  if (typeof value === 'string') return [spoil(value)];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => spoilings(item, spoil, open).map((bad) => value.with(index, bad)));
  }
  if (value === null || typeof value !== 'object') return [];
  const entries = Object.entries(value);
  const keys = open ? entries.map(([key, item]) => ({ ...value, [spoil(key)]: item })) : [];
  const values = entries.flatMap(([key, item]) => {
    const isOpen = open || key === 'metadata' || key === 'cursors';
    return spoilings(item, spoil, isOpen).map((bad) => ({ ...value, [key]: bad }));
  });
  return [...keys, ...values];
}

async function codeOf(name: string, ...args: unknown[]): Promise<string> {
  const ack: Ack<unknown> = await phone.send(name, ...args);
  return ack.ok ? 'ok' : ack.error.code;
}

async function request(method: string, path: string, init: RequestInit = {}): Promise<RestAnswer<Problem>> {
  const headers = { authorization: `Bearer ${await tokenOf(ann.id)}`, ...init.headers };
  const answer = await call<Problem>(world.app.url + API + path, { ...init, method, headers });
  checkRestAnswer(method, path, answer, world.mismatches);
  return answer;
}

const json = { 'content-type': 'application/json' };

/** Whatever came before: the process answers, and nothing was stored. */
async function expectUnharmed(): Promise<void> {
  expect((await call(`${world.app.url}/health/live`)).status).toBe(200);
  expect((await ann.history(cid)).map(({ content }) => content)).toEqual(['before']);
  expect((await ann.conversation(cid)).rev).toBe(2);
}

describe.each([
  ['NUL', (text: string) => `${text}\0`],
  ['a lone high surrogate', (text: string) => `${text}\ud800`],
  ['a lone low surrogate', (text: string) => `\udc00${text}`],
])('SEND-4 %s in any string', (_what, spoil) => {
  it.each(Object.keys(TWINS).concat('typing:start', 'typing:stop'))(
    'of %s is refused, over both doors',
    async (name) => {
      const bad = spoilings(goodInputs()[name], spoil) as Input[];
      expect(bad.length).toBeGreaterThan(0);
      for (const input of bad) {
        expect([await codeOf(name, input), JSON.stringify(input)]).toEqual(['invalid_request', JSON.stringify(input)]);
      }
      const route = (TWINS as Record<string, RouteName>)[name];
      if (route === undefined) return;
      const { method, path } = ROUTES[route];
      const address = path
        .replace(':cid', cid)
        .replace(':mid', message.id)
        .replace(':uid', bob.id)
        .replace(':emoji', '%F0%9F%91%8D');
      const { conversationId: _1, messageId: _2, userId: _3, emoji: _4, ...body } = goodInputs()[name]!;
      for (const input of spoilings(body, spoil)) {
        const { status, body: problem } = await request(method, address, {
          headers: json,
          body: JSON.stringify(input),
        });
        expect([status, problem.code]).toEqual([400, 'invalid_request']);
      }
      await expectUnharmed();
    },
  );
});

describe('fields', () => {
  it.each(Object.keys(TWINS).concat('typing:start', 'typing:stop'))(
    'of %s that are unknown, missing or of another type are refused',
    async (name) => {
      const good = goodInputs()[name]!;
      expect(await codeOf(name, { ...good, surprise: 1 })).toBe('invalid_request');
      expect(await codeOf(name, { ...good, __proto__x: {} })).toBe('invalid_request');
      for (const field of Object.keys(good)) {
        const wrongs = [{ a: { b: 1 } }, [[]], true, 1.5, null].filter(
          (wrong) =>
            typeof wrong !== typeof good[field] ||
            wrong === 1.5 ||
            wrong === null ||
            Array.isArray(wrong) ||
            field === 'cursors',
        );
        for (const wrong of wrongs) {
          // A title or a picture may be cleared.
          if (wrong === null && name === 'conversation:update' && field === 'title') continue;
          // Any object is metadata.
          if (field === 'metadata' && wrong !== null && typeof wrong === 'object' && !Array.isArray(wrong)) continue;
          const code = await codeOf(name, { ...good, [field]: wrong });
          expect([name, field, JSON.stringify(wrong), code]).toEqual([
            name,
            field,
            JSON.stringify(wrong),
            'invalid_request',
          ]);
        }
      }
      await expectUnharmed();
    },
  );

  it('over their caps are refused, at their caps taken', async () => {
    const people = await Promise.all(Array.from({ length: 101 }, (_, index) => world.person(`cap-${index}`)));
    const ids = people.map(({ id }) => id);
    const send = { conversationId: cid, content: 'x' };
    const refused: [CommandName, Input][] = [
      ['message:send', { ...send, clientMessageId: '' }],
      ['message:send', { ...send, clientMessageId: 'k'.repeat(65) }],
      ['message:send', { ...send, mentions: ids.slice(0, 51) }],
      ['message:send', { ...send, attachmentIds: ids.slice(0, 11) }],
      ['message:send', { ...send, metadata: { a: 'x'.repeat(8 * 1024) } }],
      ['message:send', { ...send, metadata: { a: '😀'.repeat(2 * 1024) } }],
      ['message:send', { ...send, metadata: { 1: { 2: { 3: { 4: { 5: {} } } } } } }],
      ['message:send', { ...send, metadata: { 1: [[[[[]]]]] } }],
      ['message:send', { ...send, metadata: { '<img src=x onerror=alert(1)>': 1 } }],
      ['message:send', { ...send, metadata: { a: { '<b>': 1 } } }],
      ['message:delete', { conversationId: cid, messageId: message.id, reason: 'x'.repeat(501) }],
      ['conversation:create', { type: 'group', participantIds: ids }],
      ['conversation:create', { type: 'group', title: 'x'.repeat(201) }],
      ['conversation:create', { type: 'party' }],
      ['participant:add', { conversationId: cid, userIds: ids }],
      ['participant:add', { conversationId: cid, userIds: [] }],
      ['participant:add', { conversationId: cid, userIds: [''] }],
      ['participant:add', { conversationId: cid, userIds: ['x'.repeat(129)] }],
    ];
    for (const [name, input] of refused) {
      expect([name, JSON.stringify(input).slice(0, 99), await codeOf(name, input)]).toEqual([
        name,
        JSON.stringify(input).slice(0, 99),
        'invalid_request',
      ]);
    }
    await expectUnharmed();

    const other = await world.create('group', ann);
    const taken: [CommandName, Input][] = [
      ['message:send', { ...send, conversationId: other, clientMessageId: '😀'.repeat(64) }],
      ['message:send', { ...send, conversationId: other, mentions: [...ids.slice(0, 50), ...ids.slice(0, 50)] }],
      ['message:send', { ...send, conversationId: other, metadata: { a: 'x'.repeat(8 * 1024 - 8) } }],
      ['message:send', { ...send, conversationId: other, metadata: { 1: { 2: { 3: { 4: { 5: null } } } } } }],
      [
        'conversation:create',
        { type: 'group', participantIds: [...ids.slice(0, 100), ids[0]], title: '😀'.repeat(200) },
      ],
      ['participant:add', { conversationId: other, userIds: ids.slice(0, 100) }],
    ];
    for (const [name, input] of taken) expect(await codeOf(name, input)).toBe('ok');
  });

  it('that are names of JavaScript’s own come back as sent, or are refused, and change nothing', async () => {
    const other = await world.create('group', ann);
    const metadata = { constructor: 1, toString: 'x', hasOwnProperty: { valueOf: 2 }, prototype: null };
    expect((await phone.ok('message:send', { conversationId: other, content: 'x', metadata })).metadata).toEqual(
      metadata,
    );
    const proto = JSON.parse('{"__proto__":{"polluted":true},"a":1}') as Record<string, number>;
    await phone.send('message:send', { conversationId: other, content: 'x', metadata: proto });
    await phone.send('sync', { cursors: JSON.parse('{"__proto__":1,"constructor":2}') });
    const { status } = await request('POST', `/conversations/${other}/messages`, {
      headers: json,
      body: `{"content":"x","metadata":{"__proto__":{"polluted":true}}}`,
    });
    expect(status).toBe(400);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('frames', () => {
  const untyped = () => phone.raw as unknown as Socket;

  it('with no, several or strange arguments are refused, for every command', async () => {
    for (const name of Object.keys(COMMANDS)) {
      for (const args of [
        [],
        [null],
        [undefined],
        ['text'],
        [1],
        [true],
        [[]],
        [{}, {}],
        [{}, 'more'],
        [Buffer.from('x')],
        [new Date()],
      ]) {
        // No input is good as an empty object is for none of the commands.
        expect([name, await codeOf(name, ...args)]).toEqual([name, 'invalid_request']);
      }
    }
    await expectUnharmed();
  });

  it('without an acknowledgement, or with something else in its place, harm nobody', async () => {
    for (const name of [...Object.keys(COMMANDS), 'no:such', 'error', 'constructor']) {
      for (const args of [
        [],
        [null],
        [{}],
        [{}, null],
        [{ conversationId: cid }, 'ack'],
        [{ conversationId: cid, content: 'x' }, 7],
      ]) {
        untyped().emit(name, ...args);
      }
    }
    await phone.barrier();
    await expectUnharmed();
  });

  it('with nesting as deep as a client of Socket.IO can send it are refused', async () => {
    const deep = (open: string, close: string, count: number) =>
      JSON.parse(open.repeat(count) + close.repeat(count)) as unknown;
    for (const value of [deep('[', ']', 2_000), JSON.parse(`${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`)]) {
      expect(await codeOf('message:send', value)).toBe('invalid_request');
      expect(await codeOf('message:send', { conversationId: cid, content: 'x', metadata: { value } })).toBe(
        'invalid_request',
      );
      expect(await codeOf('sync', { cursors: { value } })).toBe('invalid_request');
      expect(await codeOf('conversation:create', { type: 'group', participantIds: value })).toBe('invalid_request');
    }
    await expectUnharmed();
  });

  it.each<[string, string]>([
    ['64 KiB of brackets', `42["message:send",{"conversationId":${'['.repeat(65_536)}`],
    ['64 KiB of brackets that close', `42["message:send",{"mentions":${'['.repeat(32_000)}${']'.repeat(32_000)}}]`],
    ['as many with an acknowledgement', `427["sync",{"cursors":{"a":${'['.repeat(32_000)}${']'.repeat(32_000)}}}]`],
    ['objects within objects', `42["message:send",{"metadata":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}]`],
    ['half a packet', '42["message:send",'],
    ['a packet of another kind', '4x'],
    [
      'a binary packet without its binary part',
      '452-["message:send",{"_placeholder":true,"num":9},{"_placeholder":true,"num":0}]',
    ],
    ['an unknown engine packet', '9'],
    ['a text that is no packet', 'hello'],
    ['NUL', '42["message:send",{"conversationId":"\0"}]'],
  ])('of %s end at most their own connection', async (_what, frame) => {
    const other = await ann.connect();
    const { engine } = (other.raw as unknown as Socket).io;
    // The raw frame, as no client of Socket.IO would write it.
    (engine.transport as unknown as { ws: { send(data: string): void } }).ws.send(frame);
    await phone.barrier();
    await expectUnharmed();
    other.disconnect();
  });

  it('with long lists are refused, not worked through', async () => {
    const list = Array.from({ length: 20_000 }, (_, index) => `${index}`);
    expect(await codeOf('message:send', { conversationId: cid, content: 'x', mentions: list.slice(0, 10_000) })).toBe(
      'invalid_request',
    );
    expect(await codeOf('participant:add', { conversationId: cid, userIds: list.slice(0, 10_000) })).toBe(
      'invalid_request',
    );
    expect(await codeOf('sync', { cursors: Object.fromEntries(list.slice(0, 9_000).map((key) => [key, 1])) })).toBe(
      'invalid_request',
    );
    await expectUnharmed();
  });
});

describe('bodies', () => {
  it.each<[string, string, RequestInit, number, string]>([
    ['none', 'POST', {}, 400, 'invalid_request'],
    ['nothing as JSON', 'POST', { headers: json, body: '' }, 400, 'invalid_request'],
    ['half a JSON', 'POST', { headers: json, body: '{"content":' }, 400, 'invalid_request'],
    ['two JSONs', 'POST', { headers: json, body: '{"content":"x"}{}' }, 400, 'invalid_request'],
    ['a list', 'POST', { headers: json, body: '[{"content":"x"}]' }, 400, 'invalid_request'],
    ['a text', 'POST', { headers: json, body: '"x"' }, 400, 'invalid_request'],
    ['null', 'POST', { headers: json, body: 'null' }, 400, 'invalid_request'],
    ['NaN', 'POST', { headers: json, body: '{"content":NaN}' }, 400, 'invalid_request'],
    [
      'a number beyond all',
      'POST',
      { headers: json, body: '{"content":"x","metadata":{"a":1e999}}' },
      400,
      'invalid_request',
    ],
    ['64 KiB of brackets', 'POST', { headers: json, body: '['.repeat(65_536) }, 400, 'invalid_request'],
    [
      '64 KiB of brackets that close',
      'POST',
      { headers: json, body: '['.repeat(32_768) + ']'.repeat(32_768) },
      400,
      'invalid_request',
    ],
    [
      'nested metadata',
      'POST',
      { headers: json, body: `{"content":"x","metadata":{"a":${'['.repeat(32_000)}${']'.repeat(32_000)}}}` },
      400,
      'invalid_request',
    ],
    [
      'more than 64 KiB',
      'POST',
      { headers: json, body: JSON.stringify({ content: 'x'.repeat(65_536) }) },
      413,
      'payload_too_large',
    ],
    ['no UTF-8', 'POST', { headers: json, body: new Uint8Array([0x7b, 0xc3, 0x28, 0x7d]) }, 400, 'invalid_request'],
    [
      'a surrogate in UTF-8',
      'POST',
      { headers: json, body: new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]) },
      400,
      'invalid_request',
    ],
    [
      'a form',
      'POST',
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'content=x' },
      415,
      'unsupported_media_type',
    ],
    [
      'plain text',
      'POST',
      { headers: { 'content-type': 'text/plain' }, body: '{"content":"x"}' },
      415,
      'unsupported_media_type',
    ],
    [
      'JSON under no type',
      'POST',
      { headers: { 'content-type': '' }, body: '{"content":"x"}' },
      415,
      'unsupported_media_type',
    ],
    [
      'JSON under nonsense',
      'POST',
      { headers: { 'content-type': 'json' }, body: '{"content":"x"}' },
      415,
      'unsupported_media_type',
    ],
    [
      'an Idempotency-Key too long',
      'POST',
      { headers: { ...json, 'idempotency-key': 'k'.repeat(65) }, body: '{"content":"x"}' },
      400,
      'invalid_request',
    ],
    [
      'an empty Idempotency-Key',
      'POST',
      { headers: { ...json, 'idempotency-key': '' }, body: '{"content":"x"}' },
      400,
      'invalid_request',
    ],
  ])('of %s are answered with their code', async (_what, method, init, status, code) => {
    const answer = await request(method, `/conversations/${cid}/messages`, init);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    await expectUnharmed();
  });
});

describe('addresses', () => {
  const encoded = (place: unknown) => Buffer.from(JSON.stringify(place)).toString('base64url');
  const nowhere = '00000000-0000-7000-8000-000000000000';

  it.each([
    '%00',
    '%ff',
    '%ed%a0%80',
    '%',
    '%zz',
    '..%2f..',
    '%2e%2e',
    '%F0%9F%91%8D',
    "'; DROP TABLE",
    '{}',
    'x'.repeat(500),
  ])('with %s in the place of an id are a 400 or a 404', async (id) => {
    const path = id.startsWith('%') ? id : encodeURIComponent(id);
    for (const address of [
      `/conversations/${path}`,
      `/conversations/${path}/messages`,
      `/conversations/${cid}/messages/${path}`,
      `/conversations/${cid}/messages/${path}/revisions`,
      `/conversations/${path}/changes`,
      `/conversations/${path}/participants`,
    ]) {
      const { status, body } = await request('GET', address);
      expect([400, 404], `${address}: ${body.code}`).toContain(status);
    }
    const removal = await request('DELETE', `/conversations/${cid}/participants/${path}`);
    expect([400, 404], removal.body.code).toContain(removal.status);
    const reaction = await request('PUT', `/conversations/${cid}/messages/${nowhere}/reactions/${path}`);
    expect([400, 404], reaction.body.code).toContain(reaction.status);
    await expectUnharmed();
  });

  it('with a cursor of another list, or of nobody’s making, are a 400', async () => {
    const cursors = [
      'x',
      '%00',
      encoded(null),
      encoded([]),
      encoded({}),
      encoded(7),
      encoded('text'),
      encoded({ at: 'now', id: nowhere }),
      encoded({ at: '1', id: nowhere }),
      encoded({ at: '2020', id: nowhere }),
      encoded({ at: 'Mon, 25 Dec 1995', id: nowhere }),
      encoded({ at: '+275760-09-13T00:00:00.000Z', id: nowhere }),
      encoded({ at: '2020-01-01T00:00:00.000Z\0', id: nowhere }),
      encoded({ at: '2020-01-01T00:00:00.000Z', id: 'no id' }),
      encoded({ at: '2020-01-01T00:00:00.000Z', id: 'x\0' }),
      encoded({ title: 'x\0', id: nowhere }),
      encoded({ title: 'x', id: 7 }),
      encoded({ before: -1 }),
      encoded({ before: 2 ** 60 }),
      encoded({ after: 1.5 }),
      encoded({ before: 1, after: 2 }),
      encoded(['name', 'id\0']),
      'x'.repeat(3_000),
    ];
    const lists = [
      '/conversations',
      '/channels',
      `/conversations/${cid}/participants`,
      `/conversations/${cid}/messages`,
      '/users',
    ];
    const admin = await world.person({ id: 'admin', roles: ['admin'] });
    for (const cursor of cursors) {
      for (const list of lists) {
        const { status, body } = await request('GET', `${list}?cursor=${cursor}`);
        // The directory is closed unless opened, and then has nothing to go on with.
        if (list === '/users' && status === 200) continue;
        if (status === 200) expect([list, cursor]).toEqual(acceptable(list, cursor));
        else expect([list, cursor, status, body.code]).toEqual([list, cursor, 400, 'invalid_request']);
      }
      const { status } = await admin.rest.get(`/audit?cursor=${cursor}`);
      expect([200, 400], cursor).toContain(status);
    }
  });

  /** Nobody can tell a well-made cursor from one of ours: those are taken. */
  function acceptable(list: string, cursor: string): [string, string] {
    const place = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as { at?: string; id?: string };
    const isTime = place.at !== undefined && new Date(place.at).getTime() > 0 && !place.at.includes('\0');
    const isGood = list.endsWith('/participants')
      ? isTime && typeof place.id === 'string' && !place.id.includes('\0')
      : false;
    return isGood ? [list, cursor] : [list, `refused, not ${cursor}`];
  }

  it('with parameters of no sense are a 400', async () => {
    for (const path of [
      '/conversations?limit=1&limit=2',
      '/conversations?limit=1e99',
      '/conversations?limit=NaN',
      '/conversations?filter[]=all',
      '/conversations?filter=constructor',
      `/channels?query=${'x'.repeat(201)}`,
      '/channels?query=%00',
      `/conversations/${cid}/messages?before=1e99`,
      `/conversations/${cid}/messages?before=9007199254740992`,
      `/conversations/${cid}/messages?around=-1`,
      `/conversations/${cid}/changes?after=0x10x`,
      `/conversations/${cid}/changes?after=9007199254740992`,
      `/conversations/${cid}/participants?former=maybe`,
    ]) {
      const { status, body } = await request('GET', path);
      expect([path, status, body.code]).toEqual([
        path,
        path.includes('filter[]') ? 200 : 400,
        path.includes('filter[]') ? undefined : 'invalid_request',
      ]);
    }
    const admin = await world.person({ id: 'admin', roles: ['admin'] });
    for (const query of ['before=now', 'after=2020', 'action=%00', `actorId=${'x'.repeat(129)}`]) {
      expect((await admin.rest.get<Problem>(`/audit?${query}`)).body.code, query).toBe('invalid_request');
    }
  });
});
