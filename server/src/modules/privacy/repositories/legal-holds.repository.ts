import type { LegalHold } from '@parley/protocol';
import type { LegalHold as LegalHoldRecord, PrismaClient } from '../../../../prisma/generated/client.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';
import { appendToServerChain } from '../../audit/index.ts';

export interface NewHold {
  readonly id: string;
  readonly conversationId: string | null;
  readonly userId: string | null;
  readonly reason: string;
  readonly createdBy: string;
}

/** Legal holds, each with its entry in the server's own chain of the audit. */
export class LegalHoldsRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Those that last, newest first. */
  async findPage(place: { readonly at: string; readonly id: string } | undefined, limit: number): Promise<LegalHold[]> {
    const at = place && new Date(place.at);
    const rows = await this.#prisma.legalHold.findMany({
      where: {
        releasedAt: null,
        ...(place && { OR: [{ createdAt: { lt: at! } }, { createdAt: at!, id: { lt: place.id } }] }),
      },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take: limit,
    });
    return rows.map(present);
  }

  async isHeld(userId: string): Promise<boolean> {
    return (await this.#prisma.legalHold.count({ where: { userId, releasedAt: null } })) > 0;
  }

  async conversationExists(conversationId: string): Promise<boolean> {
    return (await this.#prisma.conversation.count({ where: { id: conversationId } })) > 0;
  }

  /** Begins a hold; one that lasts already is answered instead. */
  async create(hold: NewHold): Promise<{ hold: LegalHold; created: boolean }> {
    const { id, conversationId, userId, reason, createdBy } = hold;
    return withRetries(() =>
      this.#prisma.$transaction(async (tx) => {
        const existing = await tx.legalHold.findFirst({ where: { conversationId, userId, releasedAt: null } });
        if (existing) return { hold: present(existing), created: false };
        const created = await tx.legalHold.create({ data: { id, conversationId, userId, reason, createdBy } });
        const after = { conversationId, userId };
        await appendToServerChain(tx, { actorId: createdBy, action: 'hold.created', targetId: id, reason, after });
        return { hold: present(created), created: true };
      }),
    );
  }

  /** False where no such hold lasts. */
  async release(id: string, actorId: string): Promise<boolean> {
    return withRetries(() =>
      this.#prisma.$transaction(async (tx) => {
        const { count } = await tx.legalHold.updateMany({
          where: { id, releasedAt: null },
          data: { releasedAt: new Date(), releasedBy: actorId },
        });
        if (count > 0) await appendToServerChain(tx, { actorId, action: 'hold.released', targetId: id });
        return count > 0;
      }),
    );
  }
}

function present({ id, conversationId, userId, reason, createdAt, createdBy }: LegalHoldRecord): LegalHold {
  return { id, conversationId, userId, reason, createdAt: createdAt.toISOString(), createdBy };
}
