// A process of its own for what is done with other people's bytes: a decoder that hangs, eats memory or falls over takes
// this process along and nothing else. It is given paths and answers with figures; it has no settings and no secrets.
import { fileTypeFromFile } from 'file-type';
import { parseFile } from 'music-metadata';
import sharp, { type Sharp } from 'sharp';
import { rgbaToThumbHash } from 'thumbhash';
import type { SoundFigures, WorkerAnswer, WorkerTask } from './file-worker.types.ts';
import { decodeSound } from './sound-decoders.ts';
import { measureLoudness } from './waveform.ts';

/** The longer edge of a thumbnail. */
const THUMBNAIL_PIXELS = 480;

/** The longer edge of what a placeholder is made from: it keeps no more than a few waves of it. */
const PLACEHOLDER_PIXELS = 64;

/** So many steps of loudness are kept of a recording. */
const WAVEFORM_STEPS = 64;

/** A recording that takes longer to decode has no waveform. Below the time-out of the whole task. */
const DECODE_MS = 4_000;

/** Decoders write where no JavaScript limit holds, so the size of the process is watched from inside. */
const MEMORY_CHECK_MS = 20;

/** Told to the parent, which cannot know otherwise why the process is gone. */
const OUT_OF_MEMORY_EXIT = 77;

const [pixelsMost = 0, bytesMost = 0] = process.argv.slice(2).map(Number);

sharp.cache(false);
sharp.concurrency(1);
// Of the many formats that libvips reads, only the four that are asked for.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Png', 'Jpeg', 'Webp', 'Nsgif'].map((format) => `VipsForeignLoad${format}File`),
});

setInterval(() => {
  if (process.memoryUsage.rss() > bytesMost) process.exit(OUT_OF_MEMORY_EXIT);
}, MEMORY_CHECK_MS).unref();

process.on('disconnect', () => process.exit(0));
process.on('message', (task: WorkerTask) => {
  void perform(task).then((answer) => process.send?.(answer));
});
process.send?.('ready');

async function perform(task: WorkerTask): Promise<WorkerAnswer> {
  try {
    switch (task.task) {
      case 'type':
        return { ok: true, result: (await fileTypeFromFile(task.path))?.mime ?? null };
      case 'sound':
        return { ok: true, result: await listenTo(task) };
      case 'picture':
        return await encodeAnew(task);
    }
  } catch (error) {
    return { ok: false, reason: 'damaged', message: error instanceof Error ? error.message : String(error) };
  }
}

/** How long it lasts is said by the file; how loud it is, only by what it decodes to. No trouble with either is a refusal. */
async function listenTo({ path, mimeType }: Extract<WorkerTask, { task: 'sound' }>): Promise<SoundFigures> {
  const sound = decodeSound(path, mimeType);
  const waveform = sound && (await measureLoudness(sound, WAVEFORM_STEPS, DECODE_MS).catch(() => null));
  return { durationMs: await durationOf(path).catch(() => null), waveform };
}

async function durationOf(path: string): Promise<number | null> {
  const { format } = await parseFile(path, { duration: true, skipCovers: true, skipPostHeaders: true });
  const { duration } = format;
  return duration !== undefined && Number.isFinite(duration) && duration > 0 ? Math.round(duration * 1000) : null;
}

/**
 * Decodes a picture and encodes it in the same format: turned upright, without metadata, and without whatever else the
 * file carried along. The size is known from the head of the file before anything is decoded.
 */
async function encodeAnew({
  path,
  output,
  thumbnail,
}: Extract<WorkerTask, { task: 'picture' }>): Promise<WorkerAnswer> {
  const { width, height, pageHeight, pages = 1, format } = await sharp(path, { limitInputPixels: false }).metadata();
  const onePage = width * (pageHeight ?? height);
  if (onePage > pixelsMost) return { ok: false, reason: 'too_large', message: `${width} by ${height} pixels` };
  // A film of more pixels than a picture may have is shown by its first frame.
  const animated = pages > 1 && onePage * pages <= pixelsMost;

  const picture = sharp(path, { limitInputPixels: pixelsMost, failOn: 'error', sequentialRead: true, animated });
  // Frames are stored side by side with their durations, and cannot be turned.
  const upright = animated ? picture : picture.autoOrient();
  const info = await encodeAs(upright, format).toFile(output);
  const small = await sharp(output, { limitInputPixels: pixelsMost, sequentialRead: true })
    .resize({ width: THUMBNAIL_PIXELS, height: THUMBNAIL_PIXELS, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 75 })
    .toFile(thumbnail);
  return {
    ok: true,
    result: {
      width: info.width,
      height: info.pageHeight ?? info.height,
      thumbnailSize: small.size,
      placeholder: await placeholderOf(thumbnail),
    },
  };
}

async function placeholderOf(path: string): Promise<string> {
  const { data, info } = await sharp(path)
    .resize({ width: PLACEHOLDER_PIXELS, height: PLACEHOLDER_PIXELS, fit: 'inside' })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return Buffer.from(rgbaToThumbHash(info.width, info.height, data)).toString('base64');
}

function encodeAs(picture: Sharp, format: string | undefined): Sharp {
  switch (format) {
    case 'png':
      return picture.png();
    case 'webp':
      return picture.webp({ quality: 90 });
    case 'gif':
      return picture.gif({ effort: 3 });
    default:
      return picture.jpeg({ quality: 90 });
  }
}
