import pg from 'pg';
import { vi } from 'vitest';

/** One statement as it went to the database. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** The node types of its plan with the table each reads, as `Index Scan on Message`; the database is asked anew. */
  explain(): Promise<string[]>;
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

/** What runs by itself: the tailer, and the keeping of presence. */
const OF_THE_BACKGROUND = /"ChangeNotice" WHERE|pg_snapshot_xmin|"Presence|^\s*(?:VACUUM|ANALYZE|CHECKPOINT)/i;

/**
 * Runs `work` and gives the statements that it sent to the database, those of Prisma's own (`BEGIN`) included and those
 * of the background left out. Nothing else may use the database of this process meanwhile.
 */
export async function recordStatements(work: () => Promise<unknown>): Promise<Statement[]> {
  const statements: Statement[] = [];
  const query = pg.Client.prototype.query as (...args: unknown[]) => Promise<pg.QueryResult>;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [config, list] = args as [string | pg.QueryConfig, unknown[] | undefined];
    const text = typeof config === 'string' ? config : config.text;
    const values = (typeof config === 'string' ? list : config.values) ?? [];
    if (typeof text === 'string' && !OF_THE_BACKGROUND.test(text)) {
      statements.push({ text, values, explain: () => explain(query.bind(this), text, values) });
    }
    return query.apply(this, args);
  } as never);
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return statements;
}

async function explain(
  query: (config: pg.QueryConfig) => Promise<pg.QueryResult>,
  text: string,
  values: readonly unknown[],
): Promise<string[]> {
  const { rows } = await query({ text: `EXPLAIN (FORMAT JSON) ${text}`, values: [...values] });
  const [{ Plan }] = (rows as { 'QUERY PLAN': [{ Plan: PlanNode }] }[])[0]!['QUERY PLAN'];
  return nodesOf(Plan);
}

function nodesOf(node: PlanNode): string[] {
  const relation = node['Relation Name'];
  const name = relation === undefined ? node['Node Type'] : `${node['Node Type']} on ${relation}`;
  return [name, ...(node.Plans ?? []).flatMap(nodesOf)];
}
