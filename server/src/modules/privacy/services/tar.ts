/*
 * Tar as POSIX has it (ustar): a header of 512 bytes before each file, files filled up to 512 bytes, two empty blocks at
 * the end. It can be written and read in one pass, and every system has a program for it.
 */

const BLOCK = 512;

/** Of a file: a name of at most 100 bytes of ASCII, and exactly as many bytes as will follow. */
export function tarHeader(name: string, size: number, modifiedAt: Date): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100, 'ascii');
  header.write('0000600\0', 100, 'ascii');
  header.write('0000000\0', 108, 'ascii');
  header.write('0000000\0', 116, 'ascii');
  writeSize(header, size);
  header.write(`${octal(Math.floor(modifiedAt.getTime() / 1_000), 11)}\0`, 136, 'ascii');
  header.write('        ', 148, 'ascii');
  header.write('0', 156, 'ascii');
  header.write('ustar\0', 257, 'ascii');
  header.write('00', 263, 'ascii');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148, 'ascii');
  return header;
}

/** What fills a file of this size up. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

export const TAR_END: Buffer = Buffer.alloc(BLOCK * 2);

/** Bytes that a file of this size takes. */
export function tarSizeOf(size: number): number {
  return BLOCK + size + tarPadding(size).length;
}

/** Eleven octal digits are 8 GiB; what is more is written in base 256, as every tar of today reads it. */
function writeSize(header: Buffer, size: number): void {
  if (size < 8 ** 11) {
    header.write(`${octal(size, 11)}\0`, 124, 'ascii');
    return;
  }
  header[124] = 0x80;
  header.writeBigUInt64BE(BigInt(size), 128);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
