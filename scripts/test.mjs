// `npm test`: makes ready what is missing, checks the sources, runs all tests, and closes with one line of counts.
// What fails runs once more by itself, and if it passes then that is said aloud: a machine with two cores is a noisy place.
// `npm test -- server/test/roads/send-message` runs what matches, with any option of Vitest, and leaves the checks out.

import { readFileSync, rmSync } from 'node:fs';
import { runChecks } from './lib/checks.mjs';
import { inRoot } from './lib/paths.mjs';
import { runScript } from './lib/problem.mjs';
import { runInForeground } from './lib/processes.mjs';
import { setUp, toolEnvironment } from './lib/setup.mjs';
import { bold, duration, red, say } from './lib/terminal.mjs';
import { provideTools } from './lib/tools.mjs';

/** @typedef {{ fullName: string, status: string }} Assertion */
/** @typedef {{ name: string, status: string, assertionResults: Assertion[] }} FileResult */
/** @typedef {{ numPassedTests: number, numFailedTests: number, testResults: FileResult[] }} Report */

const REPORT = inRoot('.cache', 'test-report.json');
/** So many files that failed are worth a second look; more are no matter of chance. */
const MOST_AGAIN = 3;

await runScript(async () => {
  const started = Date.now();
  const args = process.argv.slice(2);
  const node = await setUp();
  const tools = await provideTools();
  const failedChecks = args.length === 0 ? await runChecks() : [];

  /** @param {string[]} chosen */
  const run = async (chosen) => {
    rmSync(REPORT, { force: true });
    const code = await runInForeground(node, vitest(chosen), { cwd: inRoot(), env: testEnvironment(tools) });
    return { code, counts: readCounts() };
  };
  let { code, counts } = await run(args);
  const { failedFiles } = counts;
  if (args.length === 0 && failedFiles.length > 0 && failedFiles.length <= MOST_AGAIN) {
    say(`\n${bold('What failed runs once more, with the machine to itself.')}`);
    const again = await run(failedFiles.map(({ name }) => name));
    if (again.code === 0 && again.counts.failed === 0 && again.counts.skipped.length === 0) {
      const unsteady = failedFiles.flatMap(({ assertionResults }) =>
        assertionResults.filter(({ status }) => status !== 'passed').map(({ fullName }) => fullName),
      );
      say(`\n${red(bold('These passed only the second time, alone: find out why, a race may be behind it.'))}`);
      for (const name of unsteady) say(`  ${name}`);
      const skipped = counts.skipped.filter((name) => !unsteady.includes(name));
      counts = { ...counts, passed: counts.passed + unsteady.length, failed: 0, skipped };
      code = 0;
    }
  }

  // Tests that a filter by name leaves out are reported as skipped, too; nobody has to be told of those.
  const skipped = args.some((arg) => /^(-t|--testNamePattern)/.test(arg)) ? [] : counts.skipped;
  if (skipped.length > 0) {
    say(`\n${red(bold(`${skipped.length} tests did not run:`))}`);
    for (const name of skipped) say(`  ${name}`);
  }
  // A run may fail without a failed test: a file that does not load, an error that nobody caught, no test at all.
  const otherwise = code !== 0 && counts.failed === 0 ? 1 : 0;
  const failed = counts.failed + otherwise + failedChecks.length;
  if (otherwise) say(`\n${red('✗')} The test runner ended with code ${code} although no test failed; see above.`);
  for (const name of failedChecks)
    say(`${red('✗')} The check of ${name} failed (\`npm run check ${name}\`); it counts as one failed test.`);

  say(`\nAll of it took ${duration(Date.now() - started)}.`);
  process.stdout.write(
    `${counts.passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}\n`,
  );
  if (failed > 0 || (skipped.length > 0 && process.env.CI)) process.exitCode = 1;
});

/** @param {string[]} args */
function vitest(args) {
  const program = inRoot('node_modules', 'vitest', 'vitest.mjs');
  return [program, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`, ...args];
}

/** @param {Record<string, string>} tools */
function testEnvironment({ PATH, ...named }) {
  const { PATH: ownTools, ...env } = toolEnvironment();
  return { ...env, ...named, PATH: [ownTools, PATH].join(':') };
}

function readCounts() {
  /** @type {Report} */
  let report;
  try {
    report = JSON.parse(readFileSync(REPORT, 'utf8'));
  } catch {
    return { passed: 0, failed: 0, skipped: [], failedFiles: [] }; // the runner did not come to an end; its exit code says so
  }
  const skipped = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed').map(({ fullName }) => fullName),
  );
  const failedFiles = report.testResults.filter(({ status }) => status === 'failed');
  return { passed: report.numPassedTests, failed: report.numFailedTests, skipped, failedFiles };
}
