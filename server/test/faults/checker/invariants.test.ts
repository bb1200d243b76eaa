import { describe, expect, it } from 'vitest';
import { checkDurable } from './i01-durable.ts';
import { checkOnce } from './i02-once.ts';
import { checkOrder } from './i03-order.ts';
import { checkPipeline } from './i04-pipeline.ts';
import { checkOutcome } from './i05-outcome.ts';
import { checkViews } from './i06-views.ts';
import { checkRising } from './i07-rising.ts';
import { checkStaleness } from './i08-staleness.ts';
import { checkRemoved } from './i09-removed.ts';
import { checkUnread } from './i10-unread.ts';
import { checkRate } from './i11-rate.ts';
import { checkDeleted } from './i12-deleted.ts';
import { checkAudit } from './i13-audit.ts';
import { checkParticipants } from './i14-participants.ts';
import { checkProcesses } from './i15-processes.ts';
import { checkSlow } from './i16-slow.ts';
import { messageThing, participantThing, ROOM, Scene } from './scene.ts';
import { INVARIANTS } from './verdict.ts';

const CANARY = 'canary-00000000-0000-4000-8000-000000000000';

/** Ann sends two messages, Bob's device gets them: nothing is wrong with it. */
function goodScene(): Scene {
  const scene = new Scene().event('bob#1', 'ready', { conversationId: undefined });
  const first = [participantThing('ann', 1, true), participantThing('bob', 1, true)];
  scene.call('bob', 'changes', { device: 'bob#1', after: 0 }, 'ok', { rev: 1, hasMore: false, changes: first });
  scene.send('ann', 'one', 1).tell('bob#1', 'message:created', messageThing('ann', 'one', 1));
  scene.send('ann', 'two', 2).tell('bob#1', 'message:created', messageThing('ann', 'two', 2));
  scene.quiet().room(2).row('ann', 'one', 1).row('ann', 'two', 2).person('ann', { lastReadSeq: 2 }).person('bob');
  scene.state.push({ kind: 'device', device: 'bob#1', conversationId: ROOM, known: 3 });
  return scene;
}

describe('a history in which nothing is wrong', () => {
  it.each(Object.entries(INVARIANTS))('%s finds nothing', (_id, invariant) => {
    expect(goodScene().check(invariant)).toEqual([]);
  });
});

describe('I1: acknowledged sends stay', () => {
  it('finds one that is not in the database, and shows its call and answer', () => {
    const [anomaly, ...more] = goodScene().send('ann', 'three', 3).check(checkDurable);
    expect(anomaly).toMatchObject({ invariant: 'I1', name: 'lost' });
    expect(anomaly!.shown.map((line) => 'phase' in line && line.phase)).toEqual(['invoke', 'ok']);
    expect(more).toEqual([]);
  });

  it('finds another seq, and another content', () => {
    expect(new Scene().send('ann', 'one', 1).row('ann', 'one', 2, { id: 'm1' }).names(checkDurable)).toEqual(['moved']);
    expect(new Scene().send('ann', 'one', 1).row('ann', 'other', 1).names(checkDurable)).toEqual(['altered']);
    expect(new Scene().send('ann', 'one', 1).row('ann', 'other', 1, { edited: true }).names(checkDurable)).toEqual([]);
  });
});

describe('I2: one key, one message', () => {
  it('finds two rows, two answers, and a repeat that is told as new', () => {
    const twice = new Scene().row('ann', 'one', 1).row('ann', 'one', 2);
    expect(twice.names(checkOnce)).toEqual(['stored-twice']);
    const answers = new Scene()
      .send('ann', 'one', 1, { key: 'k' })
      .send('ann', 'one', 2, { key: 'k', duplicate: true });
    expect(answers.names(checkOnce)).toEqual(['two-answers']);
    expect(new Scene().send('ann', 'one', 1).send('ann', 'one', 1).names(checkOnce)).toEqual(['not-duplicate']);
    expect(new Scene().send('ann', 'one', 1).send('ann', 'one', 1, { duplicate: true }).names(checkOnce)).toEqual([]);
  });
});

describe('I3: order', () => {
  it('finds a hole, a repeat and a lastSeq beyond the messages', () => {
    expect(new Scene().room(2).row('ann', 'one', 1).row('ann', 'three', 3).names(checkOrder)).toContain('hole');
    expect(
      new Scene().room(2).row('ann', 'one', 1).row('ann', 'again', 1, { id: 'x', rev: 3 }).names(checkOrder),
    ).toContain('repeat');
    expect(new Scene().room(2).row('ann', 'one', 1).names(checkOrder)).toEqual(['hole']);
  });

  it('finds what was acknowledged before something began and comes after it', () => {
    const scene = new Scene().send('ann', 'later', 2).send('bob', 'earlier', 1);
    expect(scene.names(checkOrder)).toEqual(['inversion']);
  });

  it('accepts any order of what overlaps', () => {
    const scene = new Scene();
    const two = { ...messageThing('ann', 'a', 2), duplicate: false };
    scene.call('ann', 'send', { content: 'a', clientMessageId: 'a' }, 'ok', two, () => scene.send('bob', 'b', 1));
    expect(scene.names(checkOrder)).toEqual([]);
  });

  it('finds one rev told as two things', () => {
    const scene = new Scene().tell('bob#1', 'message:created', messageThing('ann', 'a', 1));
    scene.tell('cid#1', 'message:created', messageThing('ann', 'b', 2, { rev: 2 }));
    expect(scene.names(checkOrder)).toEqual(['rev-reused']);
  });
});

describe('I4: one socket, one order', () => {
  it('finds a send that overtook another one of its connection', () => {
    const scene = new Scene();
    const answer = (seq: number) => ({ ...messageThing('ann', 'a', seq), duplicate: false });
    const over = { content: 'a', clientMessageId: null, connection: 'ann#1.1' };
    scene.call(
      'ann',
      'send',
      over,
      'ok',
      answer(2),
      () => scene.call('ann', 'send', over, 'ok', answer(1), () => {}, 'socket'),
      'socket',
    );
    expect(scene.names(checkPipeline)).toEqual(['overtaken']);
  });
});

describe('I5: refusals and open outcomes', () => {
  const refusal = { status: 403, code: 'forbidden' };

  it('finds a refused send that is stored', () => {
    const scene = new Scene()
      .call('ann', 'send', { content: 'a', clientMessageId: 'a' }, 'fail', refusal)
      .row('ann', 'a', 1);
    expect(scene.names(checkOutcome)).toEqual(['refused-but-stored']);
  });

  it('accepts none or one after an open outcome, and finds two', () => {
    const open = () =>
      new Scene().call('ann', 'send', { content: 'a', clientMessageId: null }, 'info', { why: 'timeout' });
    expect(open().names(checkOutcome)).toEqual([]);
    expect(open().row('ann', 'a', 1).names(checkOutcome)).toEqual([]);
    expect(open().row('ann', 'a', 1).row('ann', 'a', 2).names(checkOutcome)).toEqual(['stored-twice']);
  });
});

describe('I6: views', () => {
  it('finds a device that lacks a message, and one that has a text that is gone', () => {
    const lacking = goodScene();
    lacking.records.splice(
      lacking.records.findIndex(({ f }) => f === 'message:created'),
      1,
    );
    expect(lacking.names(checkViews)).toEqual(['stray-view']);
    const deleted = goodScene();
    deleted.state.splice(
      deleted.state.findIndex((one) => one.kind === 'message'),
      1,
    );
    deleted.row('ann', null, 1);
    expect(deleted.names(checkViews)).toEqual(['stray-view']);
  });

  it('finds a node that reads something else, and a system that never came to rest', () => {
    const scene = goodScene();
    const things = [messageThing('ann', 'one', 1)];
    scene.state.push({ kind: 'read', node: 'n2', conversationId: ROOM, person: 'bob', rev: 3, things });
    expect(scene.names(checkViews)).toEqual(['inconsistent-read']);
    const restless = new Scene();
    restless.state.push({ kind: 'quiet', afterMs: 30_001, reached: false });
    expect(restless.names(checkViews)).toEqual(['never-quiet']);
  });

  it('finds a fetch that the events before it do not lead to', () => {
    const scene = new Scene();
    const snapshot = (rev: number, content: string) =>
      scene.call('bob', 'snapshot', { device: 'bob#1' }, 'ok', {
        rev,
        hasMore: false,
        changes: [messageThing('ann', content, 1, { rev })],
      });
    snapshot(2, 'first');
    scene.tell('bob#1', 'message:updated', messageThing('ann', 'second', 1, { rev: 3 }));
    snapshot(3, 'third');
    expect(scene.names(checkViews)).toEqual(['snapshot-race']);
  });
});

describe('I7: rising revs', () => {
  it('finds a rev told twice, and one that comes too late', () => {
    const one = messageThing('ann', 'one', 1);
    const two = messageThing('ann', 'two', 2);
    expect(
      new Scene().tell('bob#1', 'message:created', one).tell('bob#1', 'message:created', one).names(checkRising),
    ).toEqual(['told-twice']);
    expect(
      new Scene().tell('bob#1', 'message:created', two).tell('bob#1', 'message:created', one).names(checkRising),
    ).toEqual(['out-of-order']);
  });
});

describe('I8: staleness', () => {
  const late = (fault?: { excuses: string[] }): Scene => {
    const scene = new Scene().event('bob#1', 'ready', { conversationId: undefined });
    const play = () =>
      scene
        .send('ann', 'one', 1)
        .wait(6_000)
        .tell('bob#1', 'message:created', messageThing('ann', 'one', 1));
    if (fault) scene.fault('F04', fault, play);
    else play();
    return scene.quiet().room(1).row('ann', 'one', 1).person('bob');
  };

  it('finds a member that knows a change only after six seconds', () => {
    expect(late().names(checkStaleness)).toEqual(['stale']);
  });

  it('excuses a member whose node has lost the database, and nobody else', () => {
    expect(late({ excuses: ['n2'] }).names(checkStaleness)).toEqual([]);
    expect(late({ excuses: ['n1'] }).names(checkStaleness)).toEqual(['stale']);
  });

  it('is content with a head', () => {
    const scene = new Scene().event('bob#1', 'ready', { conversationId: undefined }).send('ann', 'one', 1);
    scene
      .event('bob#1', 'conversation:head', { rev: 2, lastSeq: 1 })
      .wait(6_000)
      .quiet()
      .room(1)
      .row('ann', 'one', 1)
      .person('bob');
    expect(scene.names(checkStaleness)).toEqual([]);
  });
});

describe('I9: removed people', () => {
  const removal = (scene: Scene) =>
    scene
      .call('ann', 'remove', { userId: 'bob' }, 'ok', null)
      .tell('cid#1', 'participant:left', participantThing('bob', 5, false));

  it('finds what was told above the rev of a removal', () => {
    const scene = removal(new Scene()).tell('bob#1', 'message:created', messageThing('ann', 'secret', 5, { rev: 6 }));
    expect(scene.names(checkRemoved)).toEqual(['told-after-removal']);
  });

  it('lets what was under way arrive, and what comes after the return', () => {
    const scene = removal(new Scene()).tell('bob#1', 'message:created', messageThing('ann', 'before', 3, { rev: 4 }));
    scene.call('ann', 'add', { userId: 'bob' }, 'ok', { items: [participantThing('bob', 7, true)] });
    scene.tell('bob#1', 'message:created', messageThing('ann', 'meanwhile', 6, { rev: 6 }));
    scene.tell('bob#1', 'message:created', messageThing('ann', 'after', 7, { rev: 8 }));
    expect(scene.names(checkRemoved)).toEqual([]);
  });

  it('finds what was told before the return', () => {
    const scene = removal(new Scene()).tell('bob#1', 'message:created', messageThing('ann', 'secret', 5, { rev: 6 }));
    scene.wait(10).call('ann', 'add', { userId: 'bob' }, 'ok', { items: [participantThing('bob', 7, true)] });
    expect(scene.names(checkRemoved)).toEqual(['told-after-removal']);
  });

  it('finds typing that is told too late', () => {
    const late = (ms: number) =>
      removal(new Scene()).wait(ms).event('bob#1', 'typing:started', { userId: 'ann' }).names(checkRemoved);
    expect(late(100)).toEqual([]);
    expect(late(400)).toEqual(['hint-after-removal']);
  });
});

describe('I10: unread counts', () => {
  const read = (scene: Scene, lastReadSeq: number, unreadCount: number) =>
    scene.call('bob', 'read', { seq: lastReadSeq }, 'ok', { lastReadSeq, lastDeliveredSeq: lastReadSeq, unreadCount });

  it('finds a pointer that goes back, unless somebody marked as unread', () => {
    const back = (between: (scene: Scene) => void) => {
      const scene = goodScene();
      read(scene, 2, 0);
      between(scene);
      return read(scene, 1, 1).names(checkUnread);
    };
    expect(back(() => {})).toEqual(['moved-back']);
    expect(back((scene) => scene.call('bob', 'unread', { seq: 2 }, 'ok', { lastReadSeq: 1, unreadCount: 1 }))).toEqual(
      [],
    );
  });

  it('finds a count that fits no instant, and a final one that is not exact', () => {
    expect(read(goodScene(), 0, 2).names(checkUnread)).toEqual([]);
    expect(read(goodScene(), 0, 3).names(checkUnread)).toEqual(['wrong-count']);
    const scene = goodScene();
    scene.state.push({ kind: 'mine', node: 'n1', conversationId: ROOM, person: 'bob', unreadCount: 1, lastReadSeq: 0 });
    expect(scene.names(checkUnread)).toEqual(['wrong-final-count']);
  });
});

describe('I11: rates', () => {
  const limited = (): Scene => {
    const scene = new Scene();
    scene.records.length = 0;
    return scene.mark('meta', {
      nodes: ['n1', 'n2'],
      limit: { messages: 2, windowSeconds: 10 },
      startedAt: '2026-01-01T00:00:00.000Z',
    });
  };

  it('finds three messages in a window of two', () => {
    const scene = limited().row('ann', 'a', 1).wait(5_000).row('ann', 'b', 2).wait(4_000).row('ann', 'c', 3);
    expect(scene.names(checkRate)).toEqual(['too-many']);
    expect(
      limited().row('ann', 'a', 1).wait(5_000).row('ann', 'b', 2).wait(6_000).row('ann', 'c', 3).names(checkRate),
    ).toEqual([]);
  });

  it('allows a share for each node where Redis was away', () => {
    const scene = limited();
    scene.fault('F05', { redis: true }, () =>
      scene.row('ann', 'a', 1).wait(500).row('ann', 'b', 2).wait(500).row('ann', 'c', 3),
    );
    expect(scene.names(checkRate)).toEqual([]);
  });

  it('finds somebody refused who is below the limit', () => {
    const scene = limited().row('ann', 'a', 1).wait(2_000);
    scene.call('ann', 'send', { content: 'b', clientMessageId: 'b' }, 'fail', { status: 429, code: 'rate_limited' });
    expect(scene.names(checkRate)).toEqual(['refused-below']);
  });
});

describe('I12: deleted contents', () => {
  const deleted = () =>
    new Scene().call(
      'ann',
      'delete',
      { messageId: 'm1', canary: `${CANARY} text` },
      'ok',
      messageThing('ann', null, 1, { rev: 3 }),
    );

  it('finds the content in an event, an answer, Redis and a log', () => {
    const event = deleted().tell('bob#1', 'message:deleted', messageThing('ann', CANARY, 1, { rev: 3 }));
    expect(event.names(checkDeleted)).toEqual(['leak']);
    const answer = deleted().call('bob', 'history', {}, 'ok', { items: [messageThing('ann', CANARY, 1)] });
    expect(answer.names(checkDeleted)).toEqual(['leak']);
    const cache = deleted();
    cache.state.push({ kind: 'text', where: 'redis key', text: `…${CANARY}…` });
    expect(cache.names(checkDeleted)).toEqual(['leak']);
    expect(deleted().mark('log', { level: 'error', msg: CANARY }, 'n1').names(checkDeleted)).toEqual(['leak']);
  });

  it('lets an event from before the deletion arrive', () => {
    expect(
      deleted()
        .tell('bob#1', 'message:created', messageThing('ann', CANARY, 1))
        .names(checkDeleted),
    ).toEqual([]);
  });
});

describe('I13: audit', () => {
  const entry = (position: number, previousHash: string) =>
    ({
      kind: 'audit',
      conversationId: ROOM,
      position,
      action: 'message.deleted',
      actorId: 'ann',
      targetId: `m${position}`,
      hash: `h${position}`,
      previousHash,
    }) as const;

  it('finds a deletion without an entry, a broken chain and one that verify finds broken', () => {
    expect(new Scene().room(1).row('ann', null, 1).names(checkAudit)).toEqual(['missing-entry']);
    const broken = new Scene().room(2, { auditCount: 2 }).row('ann', null, 1).row('ann', null, 2);
    broken.state.push(entry(1, ''), entry(2, 'other'));
    expect(broken.names(checkAudit)).toEqual(['broken-chain']);
    const whole = new Scene().room(2, { auditCount: 2 }).row('ann', null, 1).row('ann', null, 2);
    whole.state.push(entry(1, ''), entry(2, 'h1'));
    expect(whole.names(checkAudit)).toEqual([]);
    whole.state.push({ kind: 'verify', conversationId: ROOM, answer: { status: 200, body: { ok: false } } });
    expect(whole.names(checkAudit)).toEqual(['verify']);
  });
});

describe('I14: participants', () => {
  const comesBack = (as: string, between: (scene: Scene) => void) => {
    const scene = new Scene().tell('cid#1', 'participant:left', participantThing('bob', 5, false, 'readonly'));
    between(scene);
    return scene.tell('cid#1', 'participant:joined', participantThing('bob', 6, true, as)).names(checkParticipants);
  };

  it('finds a role that a return has changed, unless somebody gave it', () => {
    expect(comesBack('readonly', () => {})).toEqual([]);
    expect(comesBack('member', () => {})).toEqual(['role-changed']);
    expect(
      comesBack('member', (scene) => scene.call('ann', 'role', { userId: 'bob' }, 'info', { why: 'timeout' })),
    ).toEqual([]);
  });

  it('finds somebody back whom a moderator removed and nobody added', () => {
    const removed = (add: boolean) => {
      const scene = new Scene().call('ann', 'remove', { userId: 'bob' }, 'ok', null);
      scene.tell('cid#1', 'participant:left', participantThing('bob', 5, false));
      if (add) scene.call('ann', 'add', { userId: 'bob' }, 'info', { why: 'timeout' });
      return scene.tell('cid#1', 'participant:joined', participantThing('bob', 6, true)).names(checkParticipants);
    };
    expect(removed(false)).toEqual(['revived']);
    expect(removed(true)).toEqual([]);
  });

  it('finds two rows of one person', () => {
    expect(new Scene().person('bob').person('bob').names(checkParticipants)).toEqual(['two-rows']);
  });
});

describe('I15: processes and answers', () => {
  it('finds a process that ended by itself, an uncaught error, a 500 and a call that hung', () => {
    expect(new Scene().mark('exit', { code: 1, signal: null, expected: false }, 'n1').names(checkProcesses)).toEqual([
      'exit',
    ]);
    expect(
      new Scene().mark('exit', { code: null, signal: 'SIGKILL', expected: true }, 'n1').names(checkProcesses),
    ).toEqual([]);
    expect(new Scene().mark('log', { level: 'fatal', msg: 'unhandled rejection' }, 'n1').names(checkProcesses)).toEqual(
      ['uncaught'],
    );
    const open = (why: string) =>
      new Scene().call('ann', 'send', { content: 'a', clientMessageId: 'a' }, 'info', { why });
    expect(open('500 internal').names(checkProcesses)).toEqual(['answer']);
    expect(open('503 unavailable').names(checkProcesses)).toEqual([]);
    expect(open('timeout').names(checkProcesses)).toEqual(['hung']);
  });

  it('excuses silence where the node is gone', () => {
    const scene = new Scene();
    scene.fault('F01', { excuses: ['n1'], mute: true }, () =>
      scene.call('ann', 'send', {}, 'info', { why: 'timeout' }),
    );
    expect(scene.names(checkProcesses)).toEqual([]);
  });
});

describe('I16: slow clients', () => {
  const half = (scene: Scene, phase: string, ms: number) => {
    scene.mark('phase', { phase });
    for (let sent = 0; sent < 60; sent++) {
      scene.call('ann', 'send', { content: 'a', clientMessageId: null }, 'ok', { duplicate: false }, () =>
        scene.wait(ms),
      );
    }
  };

  it('finds others slowed, and a stuck client that nobody sent off', () => {
    const slowed = new Scene();
    half(slowed, 'reading', 50);
    half(slowed, 'stuck', 250);
    expect(slowed.names(checkSlow)).toEqual(['slowed']);
    const even = new Scene();
    half(even, 'reading', 50);
    half(even, 'stuck', 60);
    expect(even.mark('stuck', { endedAfterMs: 9_000, withinMs: 15_000 }).names(checkSlow)).toEqual([]);
    expect(new Scene().mark('stuck', { endedAfterMs: null, withinMs: 15_000 }).names(checkSlow)).toEqual([
      'not-sent-off',
    ]);
  });
});
