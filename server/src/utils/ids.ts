import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a string can be an id of ours at all. One that cannot names nothing. */
export function isUuid(text: string): boolean {
  return uuidForm.test(text);
}

/** A new id: UUIDv7 (ORD-3). Those of one process grow, also within a millisecond. */
export function newId(): string {
  const now = Date.now();
  const random = nextRandom();
  if (now > last.msecs) {
    last = { msecs: now, seq: new DataView(random.buffer, random.byteOffset).getUint32(0) >>> 1 };
  } else {
    last.seq = (last.seq + 1) | 0;
    // Past its end the count goes on in the next millisecond.
    if (last.seq === 0) last.msecs++;
  }
  return v7({ random, ...last });
}

let last = { msecs: 0, seq: 0 };

const ID_BYTES = 16;
/** Random bytes for so many ids are fetched at once: a call for each costs more than all the rest of making an id. */
const pool = new Uint8Array(256 * ID_BYTES);
let used = pool.length;

function nextRandom(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += ID_BYTES;
  return pool.subarray(used - ID_BYTES, used);
}
