import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./run.ts', import.meta.url));

describe('the short run of the fault suite', () => {
  it('SEND-1 SEND-2 ORD-1 ORD-2 DLV-1 DLV-2 DLV-3 DLV-4 hold while nodes, PostgreSQL, Redis and links fail', async () => {
    // Rejects with everything it printed where the checker finds an anomaly, or too little to judge by.
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, '--profile=smoke'], {
      maxBuffer: 64 * 1024 * 1024,
    });
    expect(stdout).toMatch(/^valid: 0 anomalies$/m);
  }, 300_000);
});
