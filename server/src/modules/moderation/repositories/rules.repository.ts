import type { Rule, RuleAction, RuleKind } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';
import { appendToServerChain } from '../../audit/index.ts';
import type { TimePlace } from '../places.ts';
import type { Transaction } from './audited.ts';

/** What looking through a text has to know of a rule. The pattern is in the form in which texts are compared. */
export interface MatchedRule {
  readonly id: string;
  readonly kind: RuleKind;
  readonly pattern: string;
  readonly action: RuleAction;
}

export interface NewRule {
  readonly id: string;
  readonly kind: RuleKind;
  readonly pattern: string;
  readonly action: RuleAction;
  readonly createdBy: string;
}

/** Counts the changes of the rules, so that a node knows with one look whether it has the present ones. */
const VERSION_SETTING = 'moderationRules';

const ruleJson = Prisma.sql`
  jsonb_build_object('id', r.id, 'kind', r.kind, 'pattern', r.pattern, 'action', r.action, 'createdAt', r."createdAt",
    'createdBy', r."createdBy")`;

export class RulesRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Newest first. */
  async findPage(place: TimePlace | undefined, limit: number): Promise<Rule[]> {
    const beyond = place
      ? Prisma.sql`WHERE (r."createdAt", r.id) < (${place.at}::timestamptz, ${place.id}::uuid)`
      : Prisma.empty;
    const rows = await this.#prisma.$queryRaw<{ rule: Rule }[]>`
      SELECT ${ruleJson} AS rule FROM "ModerationRule" r ${beyond} ORDER BY r."createdAt" DESC, r.id DESC LIMIT ${limit}`;
    return rows.map(({ rule }) => present(rule));
  }

  /** The rules of a version, read as of one moment; null where that is the version the caller has. */
  async findAll(known: string | null): Promise<{ version: string; rules: MatchedRule[] } | null> {
    const [row] = await this.#prisma.$queryRaw<{ version: string; rules: MatchedRule[] | null }[]>`
      WITH present AS (SELECT coalesce((SELECT value FROM "ServerSetting" WHERE key = ${VERSION_SETTING}), '0') AS version)
      SELECT version, CASE WHEN version IS DISTINCT FROM ${known} THEN (
        SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'kind', kind, 'pattern', pattern, 'action', action)), '[]')
        FROM "ModerationRule") END AS rules
      FROM present`;
    return row!.rules && { version: row!.version, rules: row!.rules };
  }

  /** Stores a rule. One with the same pattern gets the new action instead. Null where there are as many as may be. */
  async put(rule: NewRule, most: number): Promise<{ rule: Rule; created: boolean } | null> {
    return this.#changing(async (tx) => {
      const [before] = await tx.$queryRaw<{ id: string; action: RuleAction }[]>`
        SELECT id::text AS id, action::text AS action FROM "ModerationRule"
        WHERE kind = ${rule.kind}::"RuleKind" AND pattern = ${rule.pattern}`;
      const [count] = await tx.$queryRaw<{ rules: number }[]>`SELECT count(*)::int AS rules FROM "ModerationRule"`;
      if (!before && count!.rules >= most) return { answer: null, changed: false };
      const [row] = await tx.$queryRaw<{ rule: Rule }[]>`
        INSERT INTO "ModerationRule" AS r (id, kind, pattern, action, "createdBy")
        VALUES (${rule.id}::uuid, ${rule.kind}::"RuleKind", ${rule.pattern}, ${rule.action}::"RuleAction", ${rule.createdBy})
        ON CONFLICT (kind, pattern) DO UPDATE SET action = excluded.action
        RETURNING ${ruleJson} AS rule`;
      const changed = before?.action !== rule.action;
      if (changed) {
        const { kind, pattern, action } = rule;
        await appendToServerChain(tx, {
          actorId: rule.createdBy,
          action: before ? 'rule.changed' : 'rule.created',
          targetId: row!.rule.id,
          before: before && { kind, pattern, action: before.action },
          after: { kind, pattern, action },
        });
      }
      return { answer: { rule: present(row!.rule), created: !before }, changed };
    });
  }

  /** False where there is no such rule. */
  async remove(id: string, actorId: string): Promise<boolean> {
    return this.#changing(async (tx) => {
      const [row] = await tx.$queryRaw<{ kind: RuleKind; pattern: string; action: RuleAction }[]>`
        DELETE FROM "ModerationRule" WHERE id = ${id}::uuid
        RETURNING kind::text AS kind, pattern, action::text AS action`;
      if (row) await appendToServerChain(tx, { actorId, action: 'rule.deleted', targetId: id, before: row });
      return { answer: row !== undefined, changed: row !== undefined };
    });
  }

  /** One change of the rules at a time: each raises their version. */
  async #changing<Answer>(work: (tx: Transaction) => Promise<{ answer: Answer; changed: boolean }>): Promise<Answer> {
    return withRetries(() =>
      this.#prisma.$transaction(async (tx) => {
        await tx.$executeRaw`
          INSERT INTO "ServerSetting" AS s (key, value) VALUES (${VERSION_SETTING}, '0')
          ON CONFLICT (key) DO UPDATE SET value = s.value`;
        const { answer, changed } = await work(tx);
        if (changed) {
          await tx.$executeRaw`
            UPDATE "ServerSetting" SET value = (value::bigint + 1)::text WHERE key = ${VERSION_SETTING}`;
        }
        return answer;
      }),
    );
  }
}

function present(rule: Rule): Rule {
  return { ...rule, createdAt: new Date(rule.createdAt).toISOString() };
}
