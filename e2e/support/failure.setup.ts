import { afterEach } from 'vitest';
import { picture, windows } from './people.ts';

// What a test that failed had on its screens, in words for the log and as pictures in `artefacts/`.
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  for (const person of windows) {
    const { name, page, complaints } = person;
    const screen = await page
      .locator('body')
      .ariaSnapshot({ timeout: 5_000 })
      .catch((error: unknown) => `unreadable: ${String(error)}`);
    process.stderr.write(
      `\n${name} at ${page.url()}, when “${task.name}” failed:\n${screen}\n${complaints.join('\n')}\n`,
    );
    await picture(person, `failed-${name}`).catch(() => {});
  }
});
