/*
 * As much of the wire formats of PostgreSQL and Redis as a proxy needs in order to cut, or to drop, between two messages.
 */

/** Splits the stream of a PostgreSQL server into messages: `type` is the letter of the message. */
export function splitPostgres(buffer: Buffer): { messages: { type: string; bytes: Buffer }[]; rest: Buffer } {
  const messages: { type: string; bytes: Buffer }[] = [];
  let at = 0;
  while (buffer.length - at >= 5) {
    const end = at + 1 + buffer.readInt32BE(at + 1);
    if (end > buffer.length) break;
    messages.push({ type: String.fromCharCode(buffer[at]!), bytes: buffer.subarray(at, end) });
    at = end;
  }
  return { messages, rest: buffer.subarray(at) };
}

/** Splits the stream of a Redis server into replies and pushed messages. */
export function splitRedis(buffer: Buffer): { replies: Buffer[]; rest: Buffer } {
  const replies: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = endOfReply(buffer, at);
    if (end === null) return { replies, rest: buffer.subarray(at) };
    replies.push(buffer.subarray(at, end));
    at = end;
  }
}

/** Whether a reply is a published message that reached a subscriber. */
export function isPublished(reply: Buffer): boolean {
  return /^[*>]3\r\n\$7\r\nmessage\r\n/.test(reply.subarray(0, 20).toString('latin1'));
}

const CR = 0x0d;

/** Where the reply that begins at `start` ends; null where it is not complete. */
function endOfReply(buffer: Buffer, start: number): number | null {
  const lineEnd = buffer.indexOf(CR, start);
  if (lineEnd < 0 || lineEnd + 1 >= buffer.length) return null;
  const kind = String.fromCharCode(buffer[start]!);
  let at: number = lineEnd + 2;
  const count = Number(buffer.toString('latin1', start + 1, lineEnd));
  if ('$=!'.includes(kind)) {
    if (count < 0) return at;
    at += count + 2;
    return at <= buffer.length ? at : null;
  }
  if (!'*>~%'.includes(kind)) return at;
  const parts = kind === '%' ? count * 2 : count;
  for (let part = 0; part < parts; part++) {
    const end = endOfReply(buffer, at);
    if (end === null) return null;
    at = end;
  }
  return at;
}
