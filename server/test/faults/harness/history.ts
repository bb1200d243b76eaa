import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/*
 * The history of a round, as docs/history-format.md describes it: what was called, what was answered, what was received,
 * and what was done to the system, in one file of JSON lines with one clock.
 */

/** `ok`: answered well. `fail`: refused for good. `info`: no answer, or 503: the outcome is open. */
export type Phase = 'invoke' | 'ok' | 'fail' | 'info' | 'event' | 'mark';

/** One line. */
export interface HistoryRecord {
  /** Milliseconds of a monotonic clock, the same for all lines of a file. */
  readonly t: number;
  /** Who: a client (`w1/ann`), a device (`w1/ann#1`), a node (`n1`), `nemesis` or `run`. */
  readonly proc: string;
  readonly node: string | null;
  readonly door: 'rest' | 'socket' | null;
  /** What: the operation, the event, the fault. */
  readonly f: string;
  readonly phase: Phase;
  /** Pairs the lines of one operation; of an event, the connection that got it. */
  readonly key: string;
  readonly value: unknown;
}

/** Appends to a history. Lines are written in the order of the calls. */
export interface HistoryWriter {
  /** Milliseconds on the clock of the file. */
  now(): number;
  write(record: Omit<HistoryRecord, 't'>): void;
  /** Lines written so far. */
  readonly lines: number;
  close(): Promise<void>;
}

/** Opens a new file. Its clock is the process's monotonic one. */
export function openHistory(file: string): HistoryWriter {
  const stream = createWriteStream(file);
  let lines = 0;
  return {
    now: () => performance.now(),
    write: (record) => {
      lines += 1;
      stream.write(`${JSON.stringify({ t: Math.round(performance.now() * 1000) / 1000, ...record })}\n`);
    },
    get lines() {
      return lines;
    },
    close: () =>
      new Promise((resolve, reject) => {
        stream.once('error', reject);
        stream.end(resolve);
      }),
  };
}

/** Reads the lines of a file of JSON, in order. A last line that a crash cut short is left out. */
export async function readJsonLines<T>(file: string): Promise<T[]> {
  const records: T[] = [];
  let broken = false;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line === '') continue;
    if (broken) throw new Error(`${file}: line ${records.length + 1} is no JSON`);
    try {
      records.push(JSON.parse(line) as T);
    } catch {
      broken = true;
    }
  }
  return records;
}

// ── things as the history and the state file write them ───────────────────────────────────────────────────────────

/** A message, as much of it as is checked. */
export interface MessageThing {
  readonly type: 'message';
  readonly rev: number;
  readonly id: string;
  readonly seq: number;
  readonly senderId: string;
  readonly content: string | null;
  readonly deleted: boolean;
  /** `emoji person`, sorted. */
  readonly reactions: readonly string[];
  /** Whatever else of its text came along: the preview of what it answers. */
  readonly quote?: string | null;
}

export interface ParticipantThing {
  readonly type: 'participant';
  readonly rev: number;
  readonly userId: string;
  readonly role: string;
  readonly present: boolean;
}

export interface ConversationThing {
  readonly type: 'conversation';
  readonly rev: number;
  readonly title: string | null;
}

export interface ReactionThing {
  readonly type: 'reaction';
  readonly rev: number;
  readonly messageId: string;
  readonly reaction: string;
  readonly added: boolean;
}

export type Thing = MessageThing | ParticipantThing | ConversationThing | ReactionThing;

/** The value of an event that belongs to a conversation. `rev` is absent where the event has none. */
export interface EventValue {
  readonly conversationId?: string;
  readonly rev?: number;
  readonly lastSeq?: number;
  readonly thing?: Thing;
  readonly [other: string]: unknown;
}
