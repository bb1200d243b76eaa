import type { Attachment, Message } from '@parley/client';

/** How a file is shown. */
export type AttachmentKind = 'picture' | 'audio' | 'video' | 'file';

/** How a file of a message is shown. A voice message is sound, whatever container a recorder chose for it. */
export function kindOf(
  { mimeType, hasThumbnail, width, height }: Attachment,
  voice: Voice | null = null,
): AttachmentKind {
  if (mimeType.startsWith('image/') && hasThumbnail && width !== null && height !== null) return 'picture';
  if (mimeType.startsWith('audio/') || (voice !== null && mimeType.startsWith('video/'))) return 'audio';
  return mimeType.startsWith('video/') ? 'video' : 'file';
}

/** What a voice message says of itself in `metadata.voice`: how long it is, and how loud from beginning to end (0 to 1). */
export interface Voice {
  readonly durationMs: number;
  readonly waveform: readonly number[];
}

/** What stands in a message's metadata, if it is a voice message; anything else there is passed over. */
export function voiceOf(metadata: Message['metadata']): Voice | null {
  const voice = metadata?.voice;
  if (typeof voice !== 'object' || voice === null || Array.isArray(voice)) return null;
  const { durationMs, waveform } = voice;
  if (typeof durationMs !== 'number' || !Array.isArray(waveform)) return null;
  const levels = waveform.filter((level): level is number => typeof level === 'number');
  return levels.length === waveform.length && levels.length <= 200 ? { durationMs, waveform: levels } : null;
}
