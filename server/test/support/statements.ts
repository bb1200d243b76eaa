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

/**
 * Runs `work` and gives the statements that were sent to the database meanwhile, those of what runs by itself in this
 * process (tailers, leases) among them.
 */
export async function recordStatements(work: () => Promise<unknown>): Promise<Statement[]> {
  const statements: Statement[] = [];
  const query = pg.Client.prototype.query as (...args: unknown[]) => Promise<pg.QueryResult>;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [config, list] = args as [string | pg.QueryConfig, unknown[] | undefined];
    const text = typeof config === 'string' ? config : config.text;
    const values = (typeof config === 'string' ? list : config.values) ?? [];
    if (typeof text === 'string') {
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

/**
 * The texts of the statements on conversations, messages and people that `work` always needs: those that each of several
 * runs sent. What the process does by itself every second or so is not in all of them, or reads tables of its own.
 */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  let always: string[] | undefined;
  for (let run = 0; run < RUNS; run++) {
    const recorded = await recordStatements(work);
    const texts = recorded
      .map(({ text }) => text)
      .filter((text) => OF_THE_ROAD.test(text) && !text.includes('"ChangeNotice"'));
    always = always === undefined ? texts : inBoth(always, texts);
  }
  return always ?? [];
}

const RUNS = 6;
const OF_THE_ROAD = /"(?:Conversation|ConversationParticipant|Message|Mention|Reaction|User)"|parley_append/;

function inBoth(one: readonly string[], other: readonly string[]): string[] {
  const left = [...other];
  return one.filter((text) => {
    const index = left.indexOf(text);
    if (index >= 0) left.splice(index, 1);
    return index >= 0;
  });
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
