import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { describe, expect, test } from 'vitest';
import * as sdk from '../src/index.ts';
import * as testing from '../src/testing/index.ts';
import * as uploads from '../src/uploads/index.ts';

/** The examples of the pages run, so that what they say stays true. */
const PAGES = ['quick-start.md', 'concepts.md'] as const;

type Run = (...values: unknown[]) => Promise<void>;
const AsyncFunction = (async () => {}).constructor as new (...source: string[]) => Run;

function examplesOf(page: string): string[] {
  const text = readFileSync(new URL(`../../../docs/sdk/${page}`, import.meta.url), 'utf8');
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code);
}

/** Imports become parameters; an unknown name is then an error of the example. */
function compile(code: string): { run: Run; names: string[] } {
  const names = [...code.matchAll(/^import \{([^}]*)\} from '[^']+';$/gm)].flatMap(([, list = '']) =>
    list.split(',').map((name) => name.trim()),
  );
  const body = stripTypeScriptTypes(code.replaceAll(/^import .*$/gm, ''));
  return { run: new AsyncFunction('client', 'conversationId', 'print', ...names, body), names };
}

describe.each(PAGES)('docs/sdk/%s', (page) => {
  test('every example runs', async () => {
    const bed = testing.createTestBed();
    const exported: Record<string, unknown> = { ...sdk, ...testing, ...uploads };
    const conversationId = bed.server.addConversation('group', ['ada', 'bob'], 'Tea');
    for (let n = 1; n <= 100; n++) bed.server.act('bob', 'message:send', { conversationId, content: `Message ${n}` });
    const client = bed.client('ada');
    await client.connect();
    await bed.settle(1_000);
    const examples = examplesOf(page);
    expect(examples.length).toBeGreaterThan(1);
    for (const code of examples) {
      const { run, names } = compile(code);
      for (const name of names) expect(exported, `an export of the SDK: ${name}`).toHaveProperty(name);
      let over = false;
      const running = run(client, conversationId, () => {}, ...names.map((name) => exported[name])).finally(() => {
        over = true;
      });
      for (let turn = 0; turn < 100 && !over; turn++) await bed.clock.advance(100);
      await running;
    }
    await bed.settle();
    expect(client.snapshot.outbox).toEqual([]);
    await bed.close();
  });
});
