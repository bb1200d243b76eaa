import type { Uploads } from '@parley/client/uploads';
import type { AppTexts } from '../texts/app-texts.ts';
import { showToast } from '../ui/toast.tsx';

/** As many as the server takes in one message. */
export const MOST_FILES = 10;

/** Adds files to what is being written; begins to upload at once. `already` are there. */
export async function addFiles(
  uploads: Uploads,
  {
    conversationId,
    files,
    already,
    texts,
  }: {
    readonly conversationId: string;
    readonly files: readonly File[];
    readonly already: number;
    readonly texts: AppTexts;
  },
): Promise<void> {
  const room = Math.max(0, MOST_FILES - already);
  if (files.length > room) showToast({ text: texts.tooManyFiles(MOST_FILES), tone: 'danger' });
  for (const file of files.slice(0, room)) {
    if (file.size === 0) showToast({ text: texts.emptyFile(file.name), tone: 'danger' });
    else uploads.add(conversationId, file, await sizeOf(file));
  }
}

/** So that a preview has its shape before it is there. */
async function sizeOf(file: File): Promise<{ width?: number; height?: number }> {
  if (!file.type.startsWith('image/')) return {};
  try {
    const { width, height, close } = await bitmapOf(file);
    close();
    return { width, height };
  } catch {
    // Not a picture that this browser can draw: shown as a file.
    return {};
  }
}

async function bitmapOf(file: File) {
  const bitmap = await createImageBitmap(file);
  return { width: bitmap.width, height: bitmap.height, close: () => bitmap.close() };
}

/** The files in what was pasted or dropped. */
export function filesIn(data: DataTransfer | null): File[] {
  return [...(data?.items ?? [])].flatMap((item) => (item.kind === 'file' ? (item.getAsFile() ?? []) : []));
}
