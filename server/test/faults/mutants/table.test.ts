import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { patched } from './patch.ts';
import { MUTANTS } from './table.ts';

const SERVER = fileURLToPath(new URL('../../../', import.meta.url));

// The mutants are run before a release; that their places are still there is seen with every change.
describe('the mistakes that the suite has to find', () => {
  it.each(MUTANTS)('$id: $title', async ({ patches }) => {
    for (const patch of patches) {
      const { text } = await patched(SERVER, patch);
      expect(text).toContain(patch.replace);
    }
  });
});
