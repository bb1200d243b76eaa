import type { Membership } from '@parley/protocol';

/** What the contract says of pointers and counts, written down as plainly as it can be: everything is counted anew. */
export class UnreadOracle {
  readonly #messages: { seq: number; senderId: string; deleted: boolean; mentions: readonly string[] }[] = [];
  readonly #people = new Map<string, { present: boolean; lastReadSeq: number; lastDeliveredSeq: number }>();

  get lastSeq(): number {
    return this.#messages.length;
  }

  isPresent(userId: string): boolean {
    return this.#people.get(userId)?.present ?? false;
  }

  /** Whoever joins or comes back starts at the end (contract 5, Pointers). */
  join(userId: string): void {
    this.#people.set(userId, { present: true, lastReadSeq: this.lastSeq, lastDeliveredSeq: this.lastSeq });
  }

  leave(userId: string): void {
    this.#people.get(userId)!.present = false;
  }

  /** SEND-3: the sender's own pointers move to the message. */
  send(senderId: string, mentions: readonly string[] = []): number {
    const seq = this.lastSeq + 1;
    this.#messages.push({
      seq,
      senderId,
      deleted: false,
      mentions: mentions.filter((userId) => this.isPresent(userId)),
    });
    Object.assign(this.#people.get(senderId)!, { lastReadSeq: seq, lastDeliveredSeq: seq });
    return seq;
  }

  delete(seq: number): void {
    this.#messages[seq - 1]!.deleted = true;
  }

  /** READ-1. */
  mark(userId: string, mark: 'read' | 'delivered' | 'unread', asked: number): void {
    const person = this.#people.get(userId)!;
    const seq = Math.min(asked, this.lastSeq);
    if (mark === 'unread') person.lastReadSeq = Math.max(0, seq - 1);
    if (mark === 'read') person.lastReadSeq = Math.max(person.lastReadSeq, seq);
    if (mark === 'delivered') person.lastDeliveredSeq = Math.max(person.lastDeliveredSeq, seq);
    person.lastDeliveredSeq = Math.max(person.lastDeliveredSeq, person.lastReadSeq);
  }

  /** READ-2: messages of others after the pointer that are not deleted. */
  countsOf(userId: string): Pick<Membership, 'lastReadSeq' | 'lastDeliveredSeq' | 'unreadCount' | 'mentionCount'> {
    const { lastReadSeq, lastDeliveredSeq } = this.#people.get(userId)!;
    const unread = this.#messages.filter(
      (message) => message.seq > lastReadSeq && message.senderId !== userId && !message.deleted,
    );
    const mentionCount = unread.filter(({ mentions }) => mentions.includes(userId)).length;
    return { lastReadSeq, lastDeliveredSeq, unreadCount: unread.length, mentionCount };
  }
}
