import { createHmac } from 'node:crypto';
import { z } from 'zod';
import type { MessagePolicy, PolicyRequest, PolicyVerdict } from '../moderation.policy-hook.ts';

export interface HttpPolicyOptions {
  readonly url: string;
  /** Signs every call. */
  readonly secret: string;
  readonly timeoutMs: number;
}

const VerdictSchema = z.discriminatedUnion('decision', [
  z.object({ decision: z.literal('accept') }),
  z.object({ decision: z.literal('change'), content: z.string() }),
  z.object({ decision: z.literal('reject'), reason: z.string().max(500).optional() }),
  z.object({ decision: z.literal('hold'), reason: z.string().max(500).optional() }),
]);

/** An answer is a few words, or a text of 10,000 characters. */
const MOST_BYTES = 256 * 1024;

/**
 * Asks a program of the operator's by HTTP: a POST with the message as JSON, answered with the verdict as JSON.
 *
 * `X-Parley-Signature` is the HMAC-SHA-256, in hexadecimal, of the time in `X-Parley-Timestamp` (seconds since the epoch), a
 * dot, and the body. It throws for everything but a 200 with a verdict, in time.
 */
export function createHttpPolicy({ url, secret, timeoutMs }: HttpPolicyOptions): MessagePolicy {
  return {
    beforeSend: async (request: PolicyRequest): Promise<PolicyVerdict> => {
      const body = JSON.stringify(request);
      const timestamp = String(Math.floor(Date.now() / 1_000));
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-parley-timestamp': timestamp,
          'x-parley-signature': signatureOf(secret, timestamp, body),
        },
        body,
        redirect: 'error',
        // Of the whole exchange, the answer's body included.
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Error(`the policy hook answered ${response.status}`);
      }
      return toVerdict(VerdictSchema.parse(JSON.parse(await readText(response))));
    },
  };
}

export function signatureOf(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error('the answer of the policy hook is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function toVerdict(verdict: z.output<typeof VerdictSchema>): PolicyVerdict {
  if (verdict.decision !== 'reject' && verdict.decision !== 'hold') return verdict;
  const { decision, reason } = verdict;
  return reason === undefined ? { decision } : { decision, reason };
}
