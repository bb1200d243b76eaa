import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Message, Problem, SentMessage } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PolicyRequest, PolicyVerdict } from '../../src/modules/moderation/index.ts';
import { signatureOf } from '../../src/modules/moderation/services/http-policy.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { type Person, useWorld } from '../support/world.ts';

const code = ({ status, body }: { status: number; body: unknown }) => [status, (body as Problem).code];
const send = (who: Pick<Person, 'rest'>, cid: string, content: string, clientMessageId?: string) =>
  who.rest.post<SentMessage & Problem>(`/conversations/${cid}/messages`, { content, clientMessageId });

const asked: PolicyRequest[] = [];

function judge(request: PolicyRequest): PolicyVerdict {
  asked.push(request);
  const [word = '', ...rest] = request.content.split(' ');
  switch (word) {
    case 'change':
      return { decision: 'change', content: ` <b>changed</b> ${rest.join(' ')}` };
    case 'reject':
      return { decision: 'reject', reason: 'a secret reason' };
    case 'hold':
      return { decision: 'hold', reason: 'look at it' };
    case 'throw':
      throw new Error('no answer');
    default:
      return { decision: 'accept' };
  }
}

describe('a policy in the process', () => {
  const world = useWorld({ policy: { beforeSend: async (request) => judge(request) } });

  it('accepts, changes, rejects and holds what is sent', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    asked.length = 0;
    expect((await send(ann, cid, ' fine ')).body.content).toBe('fine');
    expect(asked).toMatchObject([
      { type: 'message.send', conversationId: cid, sender: { id: ann.id }, content: 'fine', confidential: false },
    ]);
    const changed = await send(ann, cid, 'change it', 'k1');
    expect([changed.status, changed.body.content]).toEqual([201, 'changed it']);
    const rejected = await send(ann, cid, 'reject it');
    expect(code(rejected)).toEqual([400, 'invalid_request']);
    expect(rejected.body.detail).not.toContain('secret');
    expect(code(await send(ann, cid, 'hold it'))).toEqual([403, 'message_held']);
    // Asked nothing, a repeat is answered.
    asked.length = 0;
    expect((await send(ann, cid, 'change it', 'k1')).body).toMatchObject({ id: changed.body.id, duplicate: true });
    expect(asked).toEqual([]);
    // By default what it cannot be asked about passes.
    expect((await send(ann, cid, 'throw it')).status).toBe(201);
  });

  it('is asked for edits, which cannot wait', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const { id } = await ann.send(cid, 'fine');
    const path = `/conversations/${cid}/messages/${id}`;
    expect((await ann.rest.patch<Message>(path, { content: 'change this' })).body.content).toBe('changed this');
    for (const word of ['reject', 'hold']) {
      expect(code(await ann.rest.patch(path, { content: `${word} it` }))).toEqual([400, 'invalid_request']);
    }
    expect(asked.at(-1)).toMatchObject({ type: 'message.edit', messageId: id });
  });
});

describe('a policy by HTTP', () => {
  const SECRET = 'a secret of the hook';
  const calls: { valid: boolean; request: PolicyRequest }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const { 'x-parley-timestamp': time, 'x-parley-signature': signature } = request.headers;
      const policyRequest = JSON.parse(body) as PolicyRequest;
      calls.push({ valid: signature === signatureOf(SECRET, String(time), body), request: policyRequest });
      const { content } = policyRequest;
      // It never answers: the sender waits no longer than the setting says.
      if (content.startsWith('silence')) return;
      if (content.startsWith('moved')) response.writeHead(302, { location: '/elsewhere' });
      if (content.startsWith('broken')) response.writeHead(500);
      response.end(content.startsWith('nonsense') ? '{"decision":"perhaps"}' : JSON.stringify(judge(policyRequest)));
    });
  });
  let app: TestApp;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    app = await startTestApp({
      env: {
        POLICY_HOOK_URL: `http://127.0.0.1:${port}/policy`,
        POLICY_HOOK_SECRET: SECRET,
        POLICY_HOOK_TIMEOUT_MS: '300',
        POLICY_HOOK_ON_FAILURE: 'reject',
      },
    });
  });
  afterAll(async () => {
    await app?.close();
    server.closeAllConnections();
    server.close();
  });

  it('is signed, and its verdict holds', async () => {
    const ann = { rest: app.rest('ann') };
    const { body } = await ann.rest.post<{ id: string }>('/conversations', { type: 'group' });
    expect((await send(ann, body.id, 'hello')).status).toBe(201);
    expect((await send(ann, body.id, 'change me')).body.content).toBe('changed me');
    expect(code(await send(ann, body.id, 'reject me'))).toEqual([400, 'invalid_request']);
    expect(calls.map(({ valid, request }) => [valid, request.content])).toEqual([
      [true, 'hello'],
      [true, 'change me'],
      [true, 'reject me'],
    ]);
    for (const failure of ['silence', 'moved', 'broken', 'nonsense']) {
      expect(code(await send(ann, body.id, `${failure} please`)), failure).toEqual([400, 'invalid_request']);
    }
  });
});

describe('RATE-2 the same text again', () => {
  const world = useWorld({ env: { SAME_TEXT_LIMIT: '3', SAME_TEXT_WINDOW_SECONDS: '600' } });

  it('is refused past the limit, whatever the conversation and however it is dressed up', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cids = await Promise.all([1, 2, 3].map(() => world.create('group', ann, bob)));
    const texts = ['Buy my things', 'BUY my things!!!', 'b.u.y my thiiings'];
    for (const [index, text] of texts.entries())
      expect((await send(ann, cids[index]!, text, `k${index}`)).status).toBe(201);
    const refused = await send(ann, cids[0]!, 'buy my things?');
    expect(code(refused)).toEqual([429, 'rate_limited']);
    expect(refused.body.retryAfterMs).toBeGreaterThan(0);
    // Repeats, other texts, other people and what everybody says all day pass.
    expect((await send(ann, cids[0]!, texts[0]!, 'k0')).body.duplicate).toBe(true);
    expect((await send(ann, cids[0]!, 'Sell my things')).status).toBe(201);
    expect((await send(bob, cids[0]!, 'Buy my things')).status).toBe(201);
    for (let time = 0; time < 5; time++) expect((await send(ann, cids[0]!, 'ok')).status).toBe(201);
  });

  it('gives back what a send that was not stored had taken', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', bob);
    for (let time = 0; time < 5; time++) {
      expect(code(await send(ann, cid, 'let me in, please'))).toEqual([403, 'not_a_participant']);
    }
    const own = await world.create('group', ann);
    expect((await send(ann, own, 'let me in, please')).status).toBe(201);
  });
});

describe('RATE-2 a flood', () => {
  const world = useWorld({ env: { FLOOD_LIMIT: '3', FLOOD_WINDOW_SECONDS: '3600' } });

  it('is refused past the limit of one conversation, and of nobody else and nowhere else', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const [cid, other] = [await world.create('group', ann, bob), await world.create('group', ann, bob)];
    for (const key of ['k1', 'k2', 'k3']) expect((await send(ann, cid, key, key)).status).toBe(201);
    const refused = await send(ann, cid, 'k4', 'k4');
    expect(code(refused)).toEqual([429, 'rate_limited']);
    expect(refused.body.retryAfterMs).toBeGreaterThan(0);
    expect((await send(ann, cid, 'k1', 'k1')).body.duplicate).toBe(true);
    expect((await send(ann, other, 'here')).status).toBe(201);
    expect((await send(bob, cid, 'mine')).status).toBe(201);
    expect((await bob.history(cid)).map(({ content }) => content)).toEqual(['k1', 'k2', 'k3', 'mine']);
  });

  it('gives back what a send that was not stored had taken', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', bob);
    for (let time = 0; time < 5; time++)
      expect(code(await send(ann, cid, 'hello'))).toEqual([403, 'not_a_participant']);
    await bob.rest.post(`/conversations/${cid}/participants`, { userIds: [ann.id] });
    expect((await send(ann, cid, 'hello')).status).toBe(201);
  });
});
