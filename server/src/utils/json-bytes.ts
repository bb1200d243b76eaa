/** An answer that is encoded already: it goes out as it is, to as many as ask for it. */
export class JsonBytes {
  readonly bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  static of(value: unknown): JsonBytes {
    return new JsonBytes(Buffer.from(JSON.stringify(value)));
  }
}
