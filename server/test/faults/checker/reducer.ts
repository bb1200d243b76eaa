import type { EventValue, MessageThing, ParticipantThing, Thing } from '../harness/history.ts';

/** A conversation as a client sees it. */
export interface View {
  title: string | null | undefined;
  titleRev: number;
  readonly messages: Map<string, MessageThing>;
  readonly participants: Map<string, ParticipantThing>;
}

export function emptyView(): View {
  return { title: undefined, titleRev: 0, messages: new Map(), participants: new Map() };
}

/** Takes up what somebody was told. Each thing goes by its own `rev`: an older state never replaces a newer one. */
export function applyThing(view: View, thing: Thing): void {
  switch (thing.type) {
    case 'message': {
      const known = view.messages.get(thing.id);
      if (!known || known.rev <= thing.rev) view.messages.set(thing.id, thing);
      break;
    }
    case 'participant': {
      const known = view.participants.get(thing.userId);
      if (!known || known.rev <= thing.rev) view.participants.set(thing.userId, thing);
      break;
    }
    case 'conversation':
      if (thing.rev >= view.titleRev) {
        view.title = thing.title;
        view.titleRev = thing.rev;
      }
      break;
    case 'reaction': {
      const known = view.messages.get(thing.messageId);
      if (!known || known.rev >= thing.rev) break;
      const others = known.reactions.filter((reaction) => reaction !== thing.reaction);
      const reactions = thing.added ? [...others, thing.reaction].sort() : others;
      view.messages.set(known.id, { ...known, rev: thing.rev, reactions });
      break;
    }
  }
}

/** Where two messages differ, in words; null where they are the same. */
export function differ(a: Comparable | undefined, b: Comparable | undefined): string | null {
  if (!a || !b) return a || b ? `one has it and the other has not` : null;
  if (a.seq !== b.seq) return `seq ${a.seq} and ${b.seq}`;
  if (a.deleted !== b.deleted) return `deleted ${a.deleted} and ${b.deleted}`;
  if (a.content !== b.content) return `content ${JSON.stringify(a.content)} and ${JSON.stringify(b.content)}`;
  const [reactionsOfA, reactionsOfB] = [a, b].map(({ reactions }) => [...reactions].sort().join());
  return reactionsOfA === reactionsOfB ? null : `reactions ${reactionsOfA || 'none'} and ${reactionsOfB || 'none'}`;
}

type Comparable = Pick<MessageThing, 'seq' | 'deleted' | 'content' | 'reactions'>;

/** Views of one device, from its events and the pages it fetched, in order of time. */
export function foldDevice(steps: readonly FoldStep[]): Map<string, View> {
  const views = new Map<string, View>();
  for (const { conversationId, things, gone } of steps) {
    if (gone) {
      views.delete(conversationId);
      continue;
    }
    const view = views.get(conversationId) ?? emptyView();
    views.set(conversationId, view);
    for (const thing of things) applyThing(view, thing);
  }
  return views;
}

export interface FoldStep {
  readonly t: number;
  readonly conversationId: string;
  readonly things: readonly Thing[];
  readonly gone: boolean;
}

/** What an event means for the view, if anything. */
export function stepOf(name: string, t: number, value: EventValue): FoldStep | null {
  const { conversationId, thing } = value;
  if (conversationId === undefined) return null;
  if (name === 'conversation:removed') return { t, conversationId, things: [], gone: true };
  return thing ? { t, conversationId, things: [thing], gone: false } : null;
}
