import type { Message } from '@parley/protocol';
import { CAPS, API_PREFIX as PROTOCOL_PREFIX } from '@parley/protocol';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  type ClientEvents,
  type ConversationHandle,
  ParleyError,
  type ParleyErrorCode,
  type Snapshot,
  type TimelineItem,
} from '../src/index.ts';
import { API_PREFIX, FRAME_BYTES } from '../src/transport.web.ts';

describe('the surface, checked by the compiler', () => {
  test('what a conversation can do', () => {
    expectTypeOf<ConversationHandle['send']>().parameter(0).toExtend<{ content: string }>();
    expectTypeOf<Awaited<ReturnType<ConversationHandle['send']>>>().toEqualTypeOf<Message>();
    expectTypeOf<ReturnType<ConversationHandle['send']>['id']>().toEqualTypeOf<string>();
    expectTypeOf<ReturnType<ConversationHandle['history']>>().toExtend<AsyncIterable<Message>>();
    // @ts-expect-error a send has content
    expectTypeOf<ConversationHandle['send']>().toBeCallableWith({});
    // @ts-expect-error a role is one of four
    expectTypeOf<ConversationHandle['setRole']>().toBeCallableWith('ada', 'king');
  });

  test('snapshots cannot be changed, events and timeline items are told apart', () => {
    expectTypeOf<Snapshot['outbox'][number]['status']>().toEqualTypeOf<'waiting' | 'sending' | 'failed'>();
    const snapshot = {} as Snapshot;
    // @ts-expect-error the snapshot is immutable
    snapshot.outbox = [];
    expectTypeOf<TimelineItem['kind']>().toEqualTypeOf<'message' | 'gap' | 'outgoing'>();
    expectTypeOf<Extract<ClientEvents['wire'], { name: 'typing:started' }>['payload']>().toEqualTypeOf<{
      conversationId: string;
      userId: string;
    }>();
    expectTypeOf<'rate_limited' | 'network'>().toExtend<ParleyErrorCode>();
  });

  test('constants that stand twice so that the protocol is not loaded at run time are equal', () => {
    expect(API_PREFIX).toBe(PROTOCOL_PREFIX);
    expect(FRAME_BYTES).toBe(CAPS.frameBytes);
  });

  test('errors survive storage', () => {
    const error = new ParleyError({ code: 'rate_limited', status: 429, message: 'Wait.', retryAfterMs: 5 });
    const copy = new ParleyError(JSON.parse(JSON.stringify(error)));
    expect(copy).toMatchObject({
      code: 'rate_limited',
      status: 429,
      message: 'Wait.',
      retryAfterMs: 5,
      transient: true,
    });
  });
});
