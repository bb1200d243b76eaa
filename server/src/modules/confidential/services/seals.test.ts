import { describe, expect, it } from 'vitest';
import { KeyRing } from '../../../infrastructure/key-ring.ts';
import type { AppError } from '../../../utils/app-error.ts';
import type { ConversationKeyRow } from '../repositories/keys.repository.ts';
import { Seals } from './seals.ts';

const keys = [{ id: 'one', key: new Uint8Array(32).fill(1) }];
const ring = new KeyRing(keys);

function sealsOver(rows: Record<string, ConversationKeyRow>, by = ring, most?: number) {
  const asked: string[] = [];
  const seals = new Seals({
    ring: by,
    repository: {
      findForConversation: async (id) => {
        asked.push(id);
        return rows[id] ?? null;
      },
      findWrappers: async () => [],
    },
    logger: { error: () => {} } as never,
    ...(most !== undefined && { most }),
  });
  return { seals, asked };
}

const ordinary: ConversationKeyRow = { confidential: false, key: null };
const confidential = (id: string): ConversationKeyRow => ({
  confidential: true,
  key: ring.wrap(new Uint8Array(32).fill(9), 'conversation', id),
});

describe('seals', () => {
  it('are looked up once for each conversation, also by many at one moment', async () => {
    const { seals, asked } = sealsOver({ a: ordinary, b: confidential('b') });
    expect(seals.recall('a')).toBeUndefined();
    const found = await Promise.all(['a', 'b', 'a', 'b'].map((id) => seals.find(id)));
    expect(found.map((seal) => seal?.conversationId ?? null)).toEqual([null, 'b', null, 'b']);
    expect(asked.sort()).toEqual(['a', 'b']);
    expect([seals.recall('a'), seals.recall('b')?.conversationId]).toEqual([null, 'b']);
    await seals.find('a');
    expect(asked).toHaveLength(2);
  });

  it('are never looked up without a master key', async () => {
    const { seals, asked } = sealsOver({ b: confidential('b') }, new KeyRing([]));
    expect(await seals.find('b')).toBeNull();
    expect(seals.recall('b')).toBeNull();
    expect(asked).toEqual([]);
  });

  it('forget what was used longest ago, and nothing of a conversation that is not there yet', async () => {
    const { seals, asked } = sealsOver({ a: ordinary, b: ordinary, c: ordinary }, ring, 2);
    for (const id of ['a', 'b', 'a', 'c', 'a', 'b', 'nowhere', 'nowhere']) await seals.find(id);
    expect(asked).toEqual(['a', 'b', 'c', 'b', 'nowhere', 'nowhere']);
  });

  it('say that a key is lost, each time anew', async () => {
    const { seals, asked } = sealsOver({ b: confidential('b') }, new KeyRing([{ ...keys[0]!, id: 'two' }]));
    for (let time = 1; time <= 2; time++) {
      const refusal = await seals.find('b').catch((error: AppError) => error);
      expect(refusal).toMatchObject({ code: 'unavailable', message: expect.stringContaining('its key is missing') });
      expect(asked).toHaveLength(time);
    }
  });

  it('bind what is said to the conversation, the message and what it is there', async () => {
    const { seals } = sealsOver({ a: confidential('a'), b: confidential('b') });
    const [a, b] = [(await seals.find('a'))!, (await seals.find('b'))!];
    const sealed = a.sealMessage('m1', { content: 'hi', metadata: { n: 1 } });
    expect(a.openMessage('m1', sealed)).toEqual({ content: 'hi', metadata: { n: 1 } });
    const revision = a.sealRevision('m1', 3, 'hi');
    expect(a.openRevision('m1', 3, revision)).toBe('hi');
    // The two have the very same data key here: it is the place that keeps them apart.
    for (const work of [
      () => b.openMessage('m1', sealed),
      () => a.openMessage('m2', sealed),
      () => a.openMessage('m1', revision),
      () => a.openRevision('m1', 4, revision),
      () => a.openAudit('m1', sealed),
    ]) {
      expect(work).toThrow('sealed for another place');
    }
    expect(a.digest('x')).toBe(a.digest('x'));
    expect(a.digest('x')).not.toBe(a.digest('y'));
  });
});
