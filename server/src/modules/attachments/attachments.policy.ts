/**
 * What a file is, decided by its content.
 *
 * - `picture`: decoded and encoded anew before anybody gets it, and shown in place
 * - `media`: sound and film, played in place
 * - `document`: known by type, but only ever a download
 * - `unknown`: everything else, what a browser could run among it; a download without a type
 */
export type FileKind = 'picture' | 'media' | 'document' | 'unknown';

const PICTURES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];

const MEDIA = [
  'audio/mpeg',
  'audio/mp4',
  'audio/x-m4a',
  'audio/aac',
  'audio/ogg',
  'audio/opus',
  'audio/wav',
  'audio/flac',
  'audio/webm',
  'video/mp4',
  'video/webm',
  'video/ogg',
  'video/quicktime',
  'video/x-m4v',
];

const DOCUMENTS = [
  'application/pdf',
  'application/rtf',
  'application/epub+zip',
  'application/zip',
  'application/gzip',
  'application/x-7z-compressed',
  'application/x-rar-compressed',
  'application/x-tar',
  'application/x-bzip2',
  'application/x-xz',
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  'image/avif',
  'image/bmp',
  'image/heic',
  'image/heif',
  'image/tiff',
  'audio/amr',
  'video/x-matroska',
  'video/matroska',
  'video/3gpp',
  'video/x-msvideo',
  'video/vnd.avi',
];

const KINDS: ReadonlyMap<string, FileKind> = new Map([
  ...PICTURES.map((type) => [type, 'picture'] as const),
  ...MEDIA.map((type) => [type, 'media'] as const),
  ...DOCUMENTS.map((type) => [type, 'document'] as const),
]);

/** The type of what has none, or none that is good to tell a browser. */
export const UNKNOWN_TYPE = 'application/octet-stream';

/** The kind of a detected type, and the type to tell: the one of an unknown kind is never passed on. */
export function judgeType(detected: string | null): { kind: FileKind; mimeType: string } {
  // Such as `audio/ogg; codecs=opus`.
  const plain = detected?.split(';', 1)[0]?.trim() ?? '';
  const kind = KINDS.get(plain) ?? 'unknown';
  return { kind, mimeType: kind === 'unknown' ? UNKNOWN_TYPE : plain };
}

/** Whether files of this type are taken: `allowed` has types, and `image/*` for all of a kind; empty, it has any. */
export function isAllowedType(mimeType: string, allowed: readonly string[]): boolean {
  return allowed.length === 0 || allowed.includes(mimeType) || allowed.includes(mimeType.replace(/\/.*/, '/*'));
}

/** Whether a browser may show a file of this type in place. */
export function isShownInPlace(mimeType: string): boolean {
  const { kind } = judgeType(mimeType);
  return kind === 'picture' || kind === 'media';
}

/** Code points of a file's name. */
const LONGEST_NAME = 200;

/** So much of a name may be its ending (`.tar.gz`), and is kept when the rest is cut. */
const LONGEST_ENDING = 16;

/** Controls of all kinds, and the marks that let `gpj.exe` be read as `exe.jpg`. */
const unseen = /[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu;

/**
 * The name of a file as text and nothing else: no folders, no controls, no markup, at most 200 characters.
 *
 * @param clean takes markup out and trims, as in every other text.
 */
export function cleanFileName(given: string, clean: (text: string) => string): string {
  const last = given.split(/[/\\]/).at(-1)!;
  const name = clean(last.replaceAll(unseen, ''));
  if (name === '' || /^\.+$/.test(name)) return 'file';
  const letters = Array.from(name);
  if (letters.length <= LONGEST_NAME) return name;
  const dot = letters.lastIndexOf('.');
  const ending = dot > 0 && letters.length - dot <= LONGEST_ENDING ? letters.slice(dot) : [];
  return [...letters.slice(0, LONGEST_NAME - ending.length), ...ending].join('');
}
